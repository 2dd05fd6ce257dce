internal import GRDB

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
    package var cacheRecordCount: Int

    package var total: Int64 { blobs + layers }
}

extension Store {
    /// The disk usage of the whole store.
    package func diskUsage() async throws -> StoreUsage {
        try await database.read { db in
            let inImages = """
                (EXISTS (SELECT 1 FROM image_layers WHERE layer_id = layers.id)
                OR EXISTS (SELECT 1 FROM container_layers WHERE layer_id = layers.id))
                """
            let inCache = "EXISTS (SELECT 1 FROM cache_layers WHERE layer_id = layers.id)"
            func number<Value: DatabaseValueConvertible & ExpressibleByIntegerLiteral>(_ sql: String) throws -> Value {
                try Value.fetchOne(db, sql: sql) ?? 0
            }
            let unpacked = "SELECT sum(COALESCE(size, 0)) FROM layers WHERE unpacked = 1"
            return StoreUsage(
                blobs: try number("SELECT sum(size) FROM blobs"),
                blobCount: try number("SELECT count(*) FROM blobs"),
                layers: try number(unpacked),
                layerCount: try number("SELECT count(*) FROM layers"),
                imageLayers: try number("\(unpacked) AND \(inImages)"),
                cacheLayers: try number("\(unpacked) AND \(inCache) AND NOT \(inImages)"),
                cacheRecordCount: try number("SELECT count(*) FROM cache_records")
            )
        }
    }
}
