internal import GRDB

/// Finds what can no longer be had: layers that are neither here nor known to be anywhere, and what is made of them.
enum LostContent {
    /// SQL for the layers that are neither here, nor in a blob that is here, nor known to a registry or a cache.
    private static let layers = """
        SELECT id FROM layers WHERE NOT unpacked
        AND NOT EXISTS (SELECT 1 FROM layer_blobs JOIN blobs USING (digest) WHERE layer_id = layers.id)
        AND NOT EXISTS (SELECT 1 FROM layer_blobs JOIN blob_sources USING (digest) WHERE layer_id = layers.id)
        AND NOT EXISTS (SELECT 1 FROM remote_layers WHERE layer_id = layers.id)
        """

    /// SQL for the images whose configuration or layers are lost.
    private static let images = """
        SELECT id FROM images WHERE id NOT IN (SELECT digest FROM blobs)
        UNION SELECT image_id FROM image_layers WHERE layer_id IN (\(layers))
        """

    /// SQL for the images of several platforms that lost one of their images.
    private static let indexes = """
        SELECT index_id FROM image_members
        WHERE image_id IN (\(images)) OR index_id IN (\(images)) OR manifest_digest NOT IN (SELECT digest FROM blobs)
        """

    /// Takes images whose configuration or layers are lost out of the database, and results of builds with such layers.
    /// - Returns: what was lost, each as a sentence.
    static func remove(in db: Database) throws -> [String] {
        var losses = try containers(in: db)
        try db.execute(
            sql: """
                DELETE FROM cache_records
                WHERE id IN (SELECT record_id FROM cache_layers WHERE layer_id IN (\(layers)));
                -- A manifest that is lost is made again.
                UPDATE images SET manifest_digest = NULL, manifest_media_type = NULL, index_digest = NULL
                WHERE manifest_digest NOT IN (SELECT digest FROM blobs);
                """
        )
        // An image of several platforms goes before those it is made of.
        for condition in [indexes, images] {
            for id in try String.fetchAll(db, sql: "SELECT id FROM images WHERE id IN (\(condition)) ORDER BY id") {
                losses.append(try remove(image: id, in: db))
            }
        }
        try db.execute(
            sql: """
                DELETE FROM layers WHERE id IN (\(layers))
                AND id NOT IN (SELECT layer_id FROM layer_blobs) AND id NOT IN (SELECT layer_id FROM image_layers)
                AND id NOT IN (SELECT layer_id FROM container_layers) AND id NOT IN (SELECT layer_id FROM cache_layers)
                """
        )
        return losses
    }

    private static func remove(image id: String, in db: Database) throws -> String {
        let names = try String.fetchAll(
            db,
            sql: "SELECT name FROM image_names WHERE image_id = ? ORDER BY name",
            arguments: [id]
        )
        try db.execute(sql: "DELETE FROM images WHERE id = ?", arguments: [id])
        let named = names.isEmpty ? "" : " (\(names.joined(separator: ", ")))"
        return "image \(id)\(named): what it is made of is lost; pull or build it again"
    }

    /// Containers stay, with what they have written.
    private static func containers(in db: Database) throws -> [String] {
        let sql = """
            SELECT id, name FROM containers
            WHERE id IN (SELECT container_id FROM container_layers WHERE layer_id IN (\(layers)))
            """
        return try Row.fetchAll(db, sql: sql).map { row in
            "container \((row[0] as String).prefix(12)) (\(row[1] as String)): files of its image are lost"
        }
    }
}
