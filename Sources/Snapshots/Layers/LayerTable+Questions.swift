package import GRDB
package import OCI
package import Storage

/// What owners of other tables ask of layers, in their own transactions.
extension LayerTable {
    /// The bytes of each layer's files, or the best guess before it was ever unpacked.
    package static func sizes(of layers: Set<LayerID>, in db: Database) throws -> [LayerID: Int64] {
        let rows = try Row.fetchAll(
            db,
            sql: """
                SELECT id, COALESCE(size, archive_size,
                    (SELECT max(layer_blobs.size) FROM layer_blobs WHERE layer_blobs.layer_id = layers.id), 0)
                FROM layers WHERE id IN (SELECT value FROM json_each(?))
                """,
            arguments: [LayerID.json(layers)]
        )
        return Dictionary(uniqueKeysWithValues: rows.map { ($0[0], $0[1]) })
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
                SELECT id, unpacked, \(SnapshotStore.isRemote),
                    (SELECT digest FROM layer_blobs WHERE layer_id = layers.id ORDER BY position LIMIT 1)
                FROM layers WHERE id IN (SELECT value FROM json_each(?))
                """
        )
        return try Row.fetchAll(statement, arguments: [LayerID.json(layers)]).reduce(into: [:]) { presence, row in
            presence[row[0]] = try self.presence(row[0], isUnpacked: row[1], isRemote: row[2], blob: row[3], in: db)
        }
    }

    private static func presence(_ layer: LayerID, isUnpacked: Bool, isRemote: Bool, blob: Digest?, in db: Database)
        throws
        -> Presence
    {
        if isUnpacked { return .present }
        guard let blob else { return .absent }
        if !isRemote { return .present }
        let isHere = try blobs(of: [layer], in: db).contains { try BlobTable.contains($0, in: db) }
        return isHere ? .present : .remote(blob)
    }

    /// The bytes of a layer's files as far as they are known, and whether anything but a cache needs it.
    package static func usage(
        of layers: Set<LayerID>,
        _ held: HeldContent,
        in db: Database
    ) throws -> [LayerID: (bytes: Int64, isInUse: Bool)] {
        let rows = try Row.fetchAll(
            db,
            sql: """
                SELECT id, COALESCE(size, 0), \(held.usesLayer("layers.id")) FROM layers
                WHERE id IN (SELECT value FROM json_each(?))
                """,
            arguments: [LayerID.json(layers)]
        )
        return Dictionary(uniqueKeysWithValues: rows.map { ($0[0], ($0[1], $0[2])) })
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
        try await store.database.write { db in
            try db.execute(sql: "UPDATE layers SET archive_size = ? WHERE id = ?", arguments: [size, layer])
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
