package import Storage

/// The layers of a store as one piece of work uses them, as a build: its lease holds all that it makes, fetches and
/// reads.
package struct LeasedSnapshots: Sendable {
    package let snapshots: SnapshotStore
    package let lease: Lease
    /// What the build caches that the work reads have to give; nil where it reads none.
    package let offers: BlobOffers?

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
}
