package import Storage

/// The layers of a store as one piece of work uses them, as a build: its lease holds all that it makes, fetches and
/// reads.
package struct LeasedSnapshots: Sendable {
    package let snapshots: SnapshotStore
    package let lease: Lease
    /// What the build caches that the work reads have to give; nil where it reads none.
    package let offers: BlobOffers?
    /// What the images and caches that the work reads have layers as.
    package let origins = LayerOrigins()

    package var store: Store { snapshots.store }
}

extension SnapshotStore {
    /// The layers for work that has a lease.
    package func leased(by lease: Lease, offers: BlobOffers? = nil) -> LeasedSnapshots {
        LeasedSnapshots(snapshots: self, lease: lease, offers: offers)
    }
}

extension LeasedSnapshots {
    /// What the store knows of a layer.
    /// - Throws: `SnapshotError.unknownLayer`.
    package func info(of layer: LayerID) async throws -> SnapshotStore.LayerInfo { try await snapshots.info(of: layer) }

    /// Whether the content of all these layers is in the store, or offered to this work by a cache that it reads.
    ///
    /// What another build has found in a cache of its own is of no use to one that does not read that cache.
    package func canHave(_ layers: Set<LayerID>) async throws -> Bool {
        let presence = try await store.database.read { try LayerTable.presence(of: layers, in: $0) }
        return layers.allSatisfy { layer in
            switch presence[layer] {
            case .present: true
            case .remote(let blob): offers?.isOffered(blob) ?? false
            case .absent, nil: false
            }
        }
    }
}
