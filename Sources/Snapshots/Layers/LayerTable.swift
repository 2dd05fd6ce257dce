package import GRDB
import LinuxSystem
import OCI
package import Storage

/// The layers of file trees, and the blobs that they can be read from.
package enum LayerTable: TableOwner {
    package static let migrations = [
        Migration("blobs and layers", sql: layers),
        Migration("layers of remote caches", sql: remoteLayers),
        Migration("forms of layers", sql: forms),
        Migration("checked archives", sql: checkedArchives),
        Migration("exact times of layers", sql: exactTimes),
        Migration("addresses of layers", sql: addresses),
    ]

    private static let layers = """
        -- One layer of file trees. unpacked: snapshots/<id>/ is there, complete, and durable unless the store's own
        -- table of unflushed files says otherwise; it appears only inside the transaction that sets the flag. Ids are never used twice.
        CREATE TABLE layers (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            diff_id TEXT,
            unpacked INTEGER NOT NULL DEFAULT 0,
            -- bytes of the files, and how many there are; NULL while unknown
            size INTEGER,
            entries INTEGER,
            -- bytes of the uncompressed archive; NULL while unknown
            archive_size INTEGER,
            created INTEGER NOT NULL,
            last_used INTEGER NOT NULL,
            usage_count INTEGER NOT NULL DEFAULT 0
        );
        CREATE INDEX layers_diff_id ON layers(diff_id);

        -- The blobs a layer can be read from, fetched or not: as pulled, or as compressed once for a push. position 0 is preferred.
        CREATE TABLE layer_blobs (
            layer_id INTEGER NOT NULL REFERENCES layers(id) ON DELETE CASCADE,
            digest TEXT NOT NULL,
            media_type TEXT NOT NULL,
            size INTEGER NOT NULL,
            position INTEGER NOT NULL DEFAULT 0,
            PRIMARY KEY (layer_id, digest)
        ) WITHOUT ROWID;
        CREATE INDEX layer_blobs_digest ON layer_blobs(digest);
        """

    private static let remoteLayers = """
        -- Layers of which only a remote cache says that their blob is theirs: nobody but the records of that cache may use them until
        -- they are unpacked, and where the blob is not here only a build that names the cache can have it.
        CREATE TABLE remote_layers (
            layer_id INTEGER PRIMARY KEY NOT NULL REFERENCES layers(id) ON DELETE CASCADE,
            source TEXT NOT NULL
        );
        """

    private static let forms = """
        -- JSON object of what the layer's descriptor says besides; NULL for nothing.
        ALTER TABLE layer_blobs ADD COLUMN annotations TEXT;
        -- What it was compressed with here; NULL for a blob that came as it is.
        ALTER TABLE layer_blobs ADD COLUMN recipe TEXT;

        -- Layers that were made of others on their way out, and how: with other times, or in a form that adds to the archive.
        CREATE TABLE derived_layers (
            layer_id INTEGER NOT NULL REFERENCES layers(id) ON DELETE CASCADE,
            recipe TEXT NOT NULL,
            derived_id INTEGER NOT NULL REFERENCES layers(id) ON DELETE CASCADE,
            PRIMARY KEY (layer_id, recipe)
        ) WITHOUT ROWID;
        CREATE INDEX derived_layers_derived ON derived_layers(derived_id);
        """

    private static let checkedArchives = """
        -- Whether the blob is known to hold the layer: made here, read here, or unpacked. Of others an image or a cache says so.
        -- What older versions recorded is believed as it was then.
        ALTER TABLE layer_blobs ADD COLUMN checked INTEGER NOT NULL DEFAULT 1;
        """

    private static let exactTimes = """
        -- What is missing in created to the nanosecond: the layers of an image that was built within a second have
        -- times of their own.
        ALTER TABLE layers ADD COLUMN created_nanoseconds INTEGER NOT NULL DEFAULT 0;
        """

    private static let addresses = """
        -- JSON object whose "urls" are where else than in repositories the blob can be had; NULL for nowhere.
        ALTER TABLE layer_blobs ADD COLUMN urls TEXT;
        """

    package static let recordedTables = ["layers", "layer_blobs", "remote_layers", "derived_layers"]
        .map { RecordedTable($0) }
    package static let countedTables = ["layers"]
    package static let heldBlobs = [ContentReference("layer_blobs", "digest")]

    // MARK: Rows

    /// A row of `layers`.
    struct Layer: Decodable, FetchableRecord {
        static let columns =
            "id, diff_id AS diffID, unpacked AS isUnpacked, size, created, created_nanoseconds AS nanoseconds"

        let id: LayerID
        let diffID: Digest?
        let isUnpacked: Bool
        let size: Int64?
        let created: Int64
        let nanoseconds: Int32
    }

    /// A row of `layer_blobs`.
    struct Blob: Decodable, FetchableRecord {
        static let columns = "digest, media_type AS mediaType, size, annotations, urls, recipe, checked AS isChecked"

        let digest: Digest
        let mediaType: String
        let size: Int64
        /// A JSON object.
        let annotations: String?
        /// A JSON object.
        let urls: String?
        let recipe: String?
        let isChecked: Bool
    }

    static func find(_ layer: LayerID, in db: Database) throws -> Layer? {
        let statement = try db.cachedStatement(sql: "SELECT \(Layer.columns) FROM layers WHERE id = ?")
        return try Layer.fetchOne(statement, arguments: [layer])
    }

    /// The archives that a layer is said to be in, the preferred one first.
    static func archives(of layer: LayerID, in db: Database) throws -> [Blob] {
        let statement = try db.cachedStatement(
            sql: "SELECT \(Blob.columns) FROM layer_blobs WHERE layer_id = ? ORDER BY position, digest"
        )
        return try Blob.fetchAll(statement, arguments: [layer])
    }

    // MARK: Keeping house

    package static func collect(
        keeping held: HeldContent,
        into garbage: inout CollectedGarbage,
        in db: Database
    ) throws {
        let unheld = "SELECT \(Layer.columns) FROM layers WHERE NOT \(held.holdsLayer("layers.id"))"
        let delete = try db.cachedStatement(sql: "DELETE FROM layers WHERE id = ?")
        for layer in try Layer.fetchAll(db, sql: unheld) {
            garbage.add(layer.id, diffID: layer.diffID, bytes: layer.isUnpacked ? layer.size ?? 0 : nil)
            try delete.execute(arguments: [layer.id])
        }
    }

    package static func layersWithFiles(in db: Database) throws -> Set<LayerID> {
        try LayerID.fetchSet(db, sql: "SELECT id FROM layers WHERE unpacked = 1")
    }

    package static func forgetFiles(of layer: LayerID, in db: Database) throws {
        try db.execute(sql: "UPDATE layers SET unpacked = 0 WHERE id = ?", arguments: [layer])
    }

    package static func problems(in db: Database, _ layout: StoreLayout) throws -> [StoreProblem] {
        var problems: [StoreProblem] = []
        for id in try layersWithFiles(in: db).sorted() where try HostFiles.status(of: layout.snapshot(id)) == nil {
            problems.append(.snapshotMissing(layer: id))
        }
        let empty = """
            SELECT id FROM layers WHERE unpacked = 0 AND NOT EXISTS (SELECT 1 FROM layer_blobs WHERE layer_id = layers.id)
            ORDER BY id
            """
        return problems + (try LayerID.fetchAll(db, sql: empty).map { .layerWithoutContent(layer: $0) })
    }

    // MARK: Lost content

    /// The layers that are neither here, nor in a blob that is here, nor known to a registry or a cache.
    package static func lostLayers(in db: Database) throws -> [LayerID] {
        let sql = "SELECT id FROM layers WHERE NOT unpacked AND NOT \(SnapshotStore.isRemote) ORDER BY id"
        return try LayerID.fetchAll(db, sql: sql).filter { layer in
            try !blobs(of: [layer], in: db).contains {
                try BlobTable.contains($0, in: db) || BlobTable.isElsewhere($0, in: db)
            }
        }
    }

    package static func removeUnreported(_ lost: LostContent, in db: Database) throws {
        let unheld = "id IN (SELECT value FROM json_each(?)) AND NOT \(lost.held.holdsLayer("layers.id"))"
        try db.execute(sql: "DELETE FROM layers WHERE \(unheld)", arguments: [LayerID.json(lost.layers)])
    }

    package static func removeLost(_ lost: LostContent, in db: Database) throws -> [String] {
        try db.execute(
            sql: """
                DELETE FROM layers WHERE id IN (SELECT value FROM json_each(?))
                AND id NOT IN (SELECT layer_id FROM layer_blobs) AND NOT \(lost.held.holdsLayer("layers.id"))
                """,
            arguments: [LayerID.json(lost.layers)]
        )
        return []
    }

    package static func restore(_ recorded: RecordedIDs, from layout: StoreLayout, in db: Database) throws {
        var unpacked: Set<LayerID> = []
        for name in try HostFiles.entries(of: layout.snapshots) {
            if let id = Int64(String(decoding: name, as: UTF8.self)) { unpacked.insert(LayerID(rawValue: id)) }
        }
        for id in try layersWithFiles(in: db) where !unpacked.contains(id) { try forgetFiles(of: id, in: db) }
        // Ids are never used twice, also those of layers that are gone.
        let greatest = max(recorded.greatest(of: "layers"), unpacked.max()?.rawValue ?? 0)
        try db.execute(
            sql: "INSERT OR REPLACE INTO layers (id, created, last_used) VALUES (?, 0, 0)",
            arguments: [greatest + 1]
        )
        try db.execute(sql: "DELETE FROM layers WHERE id = ?", arguments: [greatest + 1])
    }
}
