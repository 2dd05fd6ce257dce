package import GRDB
package import OCI
package import Storage

/// What owners of other tables ask of layers, in their own transactions.
extension LayerTable {
    /// The bytes of each layer's files, or the best guess before it was ever unpacked.
    package static func sizes(of layers: Set<LayerID>, in db: Database) throws -> [LayerID: Int64] {
        let statement = try db.cachedStatement(
            sql: """
                SELECT id, COALESCE(size, archive_size,
                    (SELECT max(layer_blobs.size) FROM layer_blobs WHERE layer_blobs.layer_id = layers.id), 0) AS bytes
                FROM layers WHERE id IN (SELECT value FROM json_each(?))
                """
        )
        let rows = try Size.fetchAll(statement, arguments: [LayerID.json(layers)])
        return Dictionary(uniqueKeysWithValues: rows.map { ($0.id, $0.bytes) })
    }

    private struct Size: Decodable, FetchableRecord {
        let id: LayerID
        let bytes: Int64
    }

    /// The digest of a layer's uncompressed archive; nil while unknown.
    package static func diffID(of layer: LayerID, in db: Database) throws -> Digest? {
        let statement = try db.cachedStatement(sql: "SELECT diff_id FROM layers WHERE id = ?")
        return try Digest.fetchOne(statement, arguments: [layer])
    }

    /// The blobs that layers can be read from, fetched or not.
    package static func blobs(of layers: some Collection<LayerID>, in db: Database) throws -> Set<Digest> {
        let statement = try db.cachedStatement(
            sql: "SELECT digest FROM layer_blobs WHERE layer_id IN (SELECT value FROM json_each(?))"
        )
        return try Digest.fetchSet(statement, arguments: [LayerID.json(layers)])
    }

    /// The bytes of the files of those layers that are unpacked.
    package static func unpackedBytes(of layers: Set<LayerID>, in db: Database) throws -> Int64 {
        let sql = """
            SELECT sum(COALESCE(size, 0)) FROM layers WHERE unpacked = 1 AND id IN (SELECT value FROM json_each(?))
            """
        return try Int64.fetchOne(db, sql: sql, arguments: [LayerID.json(layers)]) ?? 0
    }

    /// What of layers may not be on the disk and has to be, so that the layers can be had again: their archives or their files.
    package static func unflushed(of layers: Set<LayerID>, in db: Database) throws -> [StoreResource] {
        try layers.sorted().compactMap { layer in
            let isUnpacked = try find(layer, in: db)?.isUnpacked ?? false
            if isUnpacked, try !BlobTable.isUnflushed(.layer(layer), in: db) { return nil }
            // Files that are here are not replaced by an archive of which only somebody says that it has them.
            let archives = try archives(of: layer, in: db).filter {
                try ($0.isChecked || !isUnpacked) && BlobTable.contains($0.digest, in: db)
            }
            .map { StoreResource.blob($0.digest) }
            if try archives.contains(where: { try !BlobTable.isUnflushed($0, in: db) }) { return nil }
            return archives.first ?? (isUnpacked ? .layer(layer) : nil)
        }
    }

    /// Where a layer's content is.
    package enum Presence: Sendable, Hashable {
        /// Unpacked, or in a blob that can be read or fetched.
        case present
        /// In a blob that only the remote cache has that the layer came from.
        case remote(Digest)
        case absent
    }

    /// Where the content of layers is; a layer that is gone is left out.
    package static func presence(of layers: Set<LayerID>, in db: Database) throws -> [LayerID: Presence] {
        let statement = try db.cachedStatement(
            sql: """
                SELECT id, unpacked AS isUnpacked, \(SnapshotStore.isRemote) AS isRemote,
                    (SELECT digest FROM layer_blobs WHERE layer_id = layers.id ORDER BY position LIMIT 1) AS blob
                FROM layers WHERE id IN (SELECT value FROM json_each(?))
                """
        )
        return try Place.fetchAll(statement, arguments: [LayerID.json(layers)]).reduce(into: [:]) { presence, place in
            presence[place.id] = try self.presence(of: place, in: db)
        }
    }

    private struct Place: Decodable, FetchableRecord {
        let id: LayerID
        let isUnpacked: Bool
        let isRemote: Bool
        /// The preferred one.
        let blob: Digest?
    }

    private static func presence(of place: Place, in db: Database) throws -> Presence {
        if place.isUnpacked { return .present }
        guard let blob = place.blob else { return .absent }
        if !place.isRemote { return .present }
        let isHere = try blobs(of: [place.id], in: db).contains { try BlobTable.contains($0, in: db) }
        return isHere ? .present : .remote(blob)
    }

    /// What a layer takes of the disk.
    package struct Usage: Decodable, FetchableRecord, Sendable {
        package let id: LayerID
        /// Of its files, as far as they are known.
        package let bytes: Int64
        /// Whether anything but a cache needs it.
        package let isInUse: Bool
    }

    /// What layers take of the disk; a layer that is gone is left out.
    package static func usage(
        of layers: Set<LayerID>,
        _ held: HeldContent,
        in db: Database
    ) throws -> [LayerID: Usage] {
        let rows = try Usage.fetchAll(
            db,
            sql: """
                SELECT id, COALESCE(size, 0) AS bytes, \(held.usesLayer("layers.id")) AS isInUse FROM layers
                WHERE id IN (SELECT value FROM json_each(?))
                """,
            arguments: [LayerID.json(layers)]
        )
        return Dictionary(uniqueKeysWithValues: rows.map { ($0.id, $0) })
    }
}

extension SnapshotStore {
    /// How many bytes the layer's archive has without compression; nil while unknown.
    package func knownArchiveSize(of layer: LayerID) async throws -> Int64? {
        try await store.database.read { db in
            try Int64.fetchOne(db, sql: "SELECT archive_size FROM layers WHERE id = ?", arguments: [layer])
        }
    }

    /// Remembers how many bytes the layer's archive has without compression.
    package func noteArchiveSize(_ size: Int64, of layer: LayerID) async throws {
        try await store.database.writeLazily { db in
            let update = try db.cachedStatement(sql: "UPDATE layers SET archive_size = ? WHERE id = ?")
            try update.execute(arguments: [size, layer])
        }
    }
}

/// How much of the disk a store uses for what, in bytes, as the database knows it.
package struct StoreUsage: Sendable, Hashable {
    /// Compressed or plain content by digest: pulled layers, configurations, manifests.
    package var blobs: Int64
    package var blobCount: Int
    /// The files of unpacked layers.
    package var layers: Int64
    package var layerCount: Int
    /// Of the unpacked layers, those that images or containers need; each counted once.
    package var imageLayers: Int64
    /// Of the unpacked layers, those that only the build cache needs.
    package var cacheLayers: Int64

    package var total: Int64 { blobs + layers }
}

extension Store {
    /// The disk usage of the whole store.
    package func diskUsage() async throws -> StoreUsage {
        let held = held
        return try await database.read { db in
            func bytes(_ condition: String) throws -> Int64 {
                let sql = "SELECT sum(COALESCE(size, 0)) FROM layers WHERE unpacked = 1 AND \(condition)"
                return try Int64.fetchOne(db, sql: sql) ?? 0
            }
            let (used, cached) = (held.usesLayer("layers.id"), held.cachesLayer("layers.id"))
            let blobs = try BlobTable.usage(in: db)
            return StoreUsage(
                blobs: blobs.bytes,
                blobCount: blobs.count,
                layers: try bytes("1"),
                layerCount: try Int.fetchOne(db, sql: "SELECT count(*) FROM layers") ?? 0,
                imageLayers: try bytes(used),
                cacheLayers: try bytes("\(cached) AND NOT \(used)")
            )
        }
    }
}
