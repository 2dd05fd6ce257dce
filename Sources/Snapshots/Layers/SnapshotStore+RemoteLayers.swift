import GRDB
package import LinuxSystem
package import OCI
package import Storage
import Tasks

extension SnapshotStore {
    /// Of a row of `layers`: whether only a remote cache says which blob is its.
    static let isRemote = "EXISTS (SELECT 1 FROM remote_layers WHERE layer_id = layers.id)"
    /// Of a row of `layers`: whether it can be read from the blob that is the next argument.
    static let hasBlob = "EXISTS (SELECT 1 FROM layer_blobs WHERE layer_id = layers.id AND digest = ?)"

}

extension LeasedSnapshots {
    /// The layer of a blob of which a remote cache says what it unpacks to.
    ///
    /// What such a cache says is believed of its own records only: files that are here already are taken for the same digest, but a
    /// layer of another source never gets the cache's blob. The layer is neither fetched nor unpacked.
    /// - Parameters:
    ///   - diffID: the digest of the uncompressed archive, checked when the layer is unpacked.
    ///   - blob: the archive as the cache has it.
    ///   - created: when it was made.
    ///   - source: what the user calls the cache.
    /// - Returns: the layer.
    /// - Throws: `StorageError`.
    package func remoteLayer(
        diffID: Digest,
        blob: Descriptor,
        created: FileTime,
        source: String
    ) async throws -> LayerID {
        try await onBlockingPool { [store, lease] in
            // In the order in which garbage is collected: the lock of the collection, then the database's.
            let lock = try FileLock.acquire(store.layout.collectionLock, .shared)
            defer { withExtendedLifetime(lock) {} }
            let id = try store.database.writeLazily { db in
                let known = try LayerID.fetchOne(
                    db,
                    sql: """
                        SELECT id FROM layers WHERE diff_id = ? AND (unpacked OR \(SnapshotStore.hasBlob) OR NOT \(SnapshotStore.isRemote)
                            AND EXISTS (SELECT 1 FROM layer_blobs WHERE layer_id = layers.id))
                        ORDER BY unpacked DESC, id LIMIT 1
                        """,
                    arguments: [diffID, blob.digest]
                )
                if let known { return known }
                try db.execute(
                    sql: "INSERT INTO layers (diff_id, created, created_nanoseconds, last_used) VALUES (?, ?, ?, ?)",
                    arguments: [diffID, created.seconds, created.nanoseconds, currentTime()]
                )
                let id = LayerID(rawValue: db.lastInsertedRowID)
                try SnapshotStore.add(
                    SnapshotStore.LayerBlob(blob: blob, recipe: nil, isChecked: false),
                    to: id,
                    in: db
                )
                try db.execute(sql: "INSERT INTO remote_layers VALUES (?, ?)", arguments: [id, source])
                return id
            }
            try lease.hold([.layer(id)])
            return id
        }
    }

    /// Whether a layer can be read: it is here, or a place that is said to have it has it still.
    package func isReadable(_ layer: LayerID) async throws -> Bool {
        let info = try await info(of: layer)
        if info.isUnpacked { return true }
        for blob in info.blobs {
            if try await store.blobs.contains(blob.digest) { return true }
            // What an image named is asked for only when it is needed.
            if blob.urls?.isEmpty == false { return true }
            if try await !store.blobs.sources(of: blob.digest).isEmpty { return true }
            for offer in offers?.offers(of: blob.digest) ?? [] where try await offer.has(blob) { return true }
        }
        return false
    }

    /// Brings the blobs of layers that came from remote caches and are not here, as an image needs them that is to stay.
    package func fetchRemoteLayers(among layers: [LayerID]) async throws {
        try await Set(layers).sorted().forEachConcurrently(limit: 4) { try await self.fetchIfRemote($0) }
    }

    private func fetchIfRemote(_ layer: LayerID) async throws {
        let isRemote = try await store.database.read { db in
            let statement = try db.cachedStatement(
                sql: "SELECT NOT unpacked AND \(SnapshotStore.isRemote) FROM layers WHERE id = ?"
            )
            return try Bool.fetchOne(statement, arguments: [layer])
        }
        guard isRemote == true, let blob = try await info(of: layer).blobs.first else { return }
        try await fetch(blob)
    }
}
