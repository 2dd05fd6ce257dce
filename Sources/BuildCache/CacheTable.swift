import FoundationEssentials
package import GRDB
import OCI
package import Storage

/// Results of builds, and the history of builds.
package enum CacheTable: TableOwner {
    package static let migrations = [
        Migration("build cache", sql: buildCache), Migration("build history", sql: buildHistory),
        Migration("build_history blobs", sql: historyBlobs),
    ]

    private static let buildCache = """
        -- The result of one vertex. slot is the stable identity of the Dockerfile step it came from, for explain; outputs is a JSON
        -- document of the whole entry. origin and reason are not used.
        CREATE TABLE cache_records (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            canonical_key TEXT NOT NULL UNIQUE,
            slot TEXT,
            name TEXT NOT NULL DEFAULT '',
            origin TEXT,
            reason TEXT,
            outputs BLOB NOT NULL,
            created INTEGER NOT NULL,
            last_used INTEGER NOT NULL,
            usage_count INTEGER NOT NULL DEFAULT 0
        );
        CREATE INDEX cache_records_slot ON cache_records(slot, last_used);

        -- Every key under which a record is found: its definition key, its content keys.
        CREATE TABLE cache_keys (
            key TEXT PRIMARY KEY NOT NULL,
            record_id INTEGER NOT NULL REFERENCES cache_records(id) ON DELETE CASCADE
        ) WITHOUT ROWID;
        CREATE INDEX cache_keys_record ON cache_keys(record_id);

        -- The layers that a record's outputs are made of; they live as long as the record.
        CREATE TABLE cache_layers (
            record_id INTEGER NOT NULL REFERENCES cache_records(id) ON DELETE CASCADE,
            output INTEGER NOT NULL,
            position INTEGER NOT NULL,
            layer_id INTEGER NOT NULL REFERENCES layers(id),
            PRIMARY KEY (record_id, output, position)
        ) WITHOUT ROWID;
        CREATE INDEX cache_layers_layer ON cache_layers(layer_id);

        -- Blobs that a record's outputs need besides its layers.
        CREATE TABLE cache_blobs (
            record_id INTEGER NOT NULL REFERENCES cache_records(id) ON DELETE CASCADE,
            digest TEXT NOT NULL,
            PRIMARY KEY (record_id, digest)
        ) WITHOUT ROWID;
        CREATE INDEX cache_blobs_digest ON cache_blobs(digest);

        -- What the record's key was made of, part by part, so that explain can say what differs.
        CREATE TABLE cache_components (
            record_id INTEGER NOT NULL REFERENCES cache_records(id) ON DELETE CASCADE,
            position INTEGER NOT NULL,
            name TEXT NOT NULL,
            value BLOB NOT NULL,
            PRIMARY KEY (record_id, position)
        ) WITHOUT ROWID;

        -- The files behind a content key, packed by the engine; kept by the content's digest, so equal content is kept once.
        CREATE TABLE content_entries (
            digest TEXT PRIMARY KEY NOT NULL,
            entries BLOB NOT NULL
        ) WITHOUT ROWID;
        CREATE TABLE cache_contents (
            record_id INTEGER NOT NULL REFERENCES cache_records(id) ON DELETE CASCADE,
            input INTEGER NOT NULL,
            digest TEXT NOT NULL,
            PRIMARY KEY (record_id, input)
        ) WITHOUT ROWID;
        CREATE INDEX cache_contents_digest ON cache_contents(digest);
        """

    private static let buildHistory = """
        -- Finished and failed builds; record is a JSON document of the engine: steps, timings, reasons of cache misses.
        CREATE TABLE build_history (
            id TEXT PRIMARY KEY NOT NULL,
            started_ns INTEGER NOT NULL,
            completed_ns INTEGER,
            -- running, completed, failed, canceled
            status TEXT NOT NULL,
            -- identity of what was built (context and Dockerfile), so that explain compares like with like
            subject TEXT NOT NULL,
            name TEXT NOT NULL,
            image_id TEXT,
            record BLOB NOT NULL
        );
        CREATE INDEX build_history_started ON build_history(started_ns);
        CREATE INDEX build_history_subject ON build_history(subject, started_ns);
        """

    private static let historyBlobs = """
        -- The blobs that a build's record names, such as its log; they live as long as the record.
        CREATE TABLE build_history_blobs (
            build_id TEXT NOT NULL REFERENCES build_history(id) ON DELETE CASCADE,
            digest TEXT NOT NULL,
            PRIMARY KEY (build_id, digest)
        ) WITHOUT ROWID;
        CREATE INDEX build_history_blobs_digest ON build_history_blobs(digest);

        -- The builds whose records stay until they are removed.
        CREATE TABLE build_history_pins (
            id TEXT PRIMARY KEY NOT NULL REFERENCES build_history(id) ON DELETE CASCADE
        ) WITHOUT ROWID;
        CREATE INDEX build_history_completed ON build_history(completed_ns, id);
        """

    // MARK: Rows

    /// A row of `cache_records`, without what is kept of its entry.
    struct Record: Decodable, FetchableRecord {
        static let columns = "id, name, created, last_used AS lastUsed, usage_count AS usageCount"

        let id: Int64
        let name: String
        let created: Int64
        let lastUsed: Int64
        let usageCount: Int
    }

    /// A record as a key leads to it.
    struct Found: Decodable, FetchableRecord {
        let id: Int64
        let canonicalKey: Digest
    }

    /// What is kept of the entry of a record, in JSON.
    struct Kept: Decodable, FetchableRecord {
        let id: Int64
        let outputs: Data
    }

    /// A row of `cache_layers`.
    struct Layer: FetchableRecord {
        static let columns = "record_id, output, layer_id"

        let record: Int64
        let output: Int
        let layer: LayerID

        /// By position: there is a row for each layer of each step, and a decoder takes ten times as long.
        init(row: Row) {
            record = row[0]
            output = row[1]
            layer = LayerID(rawValue: row[2])
        }
    }

    // MARK: Keeping house

    package static let heldLayers = [ContentReference("cache_layers", "layer_id", isCache: true)]
    package static let heldBlobs = [
        ContentReference("cache_blobs", "digest", isCache: true), ContentReference("build_history_blobs", "digest"),
    ]

    package static func collect(
        keeping held: HeldContent,
        into garbage: inout CollectedGarbage,
        in db: Database
    ) throws {
        try db.execute(sql: "DELETE FROM content_entries WHERE digest NOT IN (SELECT digest FROM cache_contents)")
    }

    /// Results of builds with lost layers go: the steps run again.
    package static func removeUnreported(_ lost: LostContent, in db: Database) throws {
        try db.execute(
            sql: """
                DELETE FROM cache_records WHERE id IN (
                    SELECT record_id FROM cache_layers WHERE layer_id IN (SELECT value FROM json_each(?)))
                """,
            arguments: [LayerID.json(lost.layers)]
        )
    }

    package static func removeLost(_ lost: LostContent, in db: Database) throws -> [String] {
        try removeUnreported(lost, in: db)
        return []
    }
}
