package import GRDB
internal import LinuxSystem
package import OCI
internal import SystemPackage

/// The store's own tables: blobs, what is still to be unlinked, and what the records compare.
package enum BlobTable: TableOwner {
    package static let migrations = [
        Migration("blobs and layers", sql: blobs),
        Migration("generations") { db in
            try db.execute(sql: generations)
            try db.execute(
                sql: "INSERT INTO generation VALUES (1, ?, 1, ?, '')",
                arguments: [Generation.makeTag() + Generation.makeTag(), Generation.makeTag()]
            )
        },
        Migration("unflushed files", sql: unflushed),
    ]

    private static let blobs = """
        -- A blob whose row is here is in blobs/<algorithm>/<hex>, complete and verified; durable unless unflushed says otherwise.
        CREATE TABLE blobs (
            digest TEXT PRIMARY KEY NOT NULL,
            size INTEGER NOT NULL,
            created INTEGER NOT NULL,
            last_used INTEGER NOT NULL
        ) WITHOUT ROWID;

        -- Rows were deleted, files are still to be: the second half of a two-phase removal. kind is blob or layer.
        CREATE TABLE tombstones (
            kind TEXT NOT NULL,
            name TEXT NOT NULL,
            PRIMARY KEY (kind, name)
        ) WITHOUT ROWID;

        -- Repositories (docker.io/library/python) known to hold a blob: mounted from there rather than uploaded.
        CREATE TABLE blob_sources (
            digest TEXT NOT NULL,
            repository TEXT NOT NULL,
            PRIMARY KEY (digest, repository)
        ) WITHOUT ROWID;
        """

    private static let generations = """
        -- Which store this is, how many commits it had, and words that say which the last two were: compared with the records
        -- outside of the database, they tell whether it is whole.
        CREATE TABLE generation (
            id INTEGER PRIMARY KEY CHECK (id = 1),
            store TEXT NOT NULL,
            number INTEGER NOT NULL,
            tag TEXT NOT NULL,
            previous TEXT NOT NULL
        );

        -- What the transaction that runs has changed of recorded tables, and those before it that were not counted.
        CREATE TABLE changes (
            id INTEGER PRIMARY KEY,
            line TEXT NOT NULL
        );
        """

    private static let unflushed = """
        -- Blobs and layers whose files may not be on the disk yet, and the boot of the machine that still has them in memory: after
        -- another boot they are as good as gone. What is made anew has a new id.
        CREATE TABLE unflushed (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            -- "blob <digest>" or "layer <id>"
            resource TEXT NOT NULL UNIQUE,
            boot TEXT NOT NULL,
            written INTEGER NOT NULL
        );
        """

    // The blobs themselves are told by their files.
    package static let recordedTables = [RecordedTable("blob_sources"), RecordedTable("unflushed")]
    package static let countedTables = ["blobs"]

    // MARK: Rows

    /// A row of `blobs`; its digest is as it stands there, which may be none.
    struct Blob: Decodable, FetchableRecord {
        let digest: String
        let size: Int64
    }

    /// A row of `tombstones`.
    struct Tombstone: Decodable, FetchableRecord {
        enum Kind: String, Decodable { case blob, layer }

        let kind: Kind
        let name: String
    }

    /// A row of `unflushed`.
    struct Unflushed: Decodable, FetchableRecord {
        let id: Int64
        private let name: String

        private enum CodingKeys: String, CodingKey {
            case id
            case name = "resource"
        }

        /// Nil in a row that is damaged.
        var resource: StoreResource? { StoreResource(parsing: name) }
    }

    /// How many blobs are here, and their bytes.
    package struct Usage: Decodable, FetchableRecord, Sendable {
        package let count: Int
        package let bytes: Int64
    }

    // MARK: For other owners

    /// Whether a blob is here.
    package static func contains(_ digest: Digest, in db: Database) throws -> Bool {
        let statement = try db.cachedStatement(sql: "SELECT EXISTS (SELECT 1 FROM blobs WHERE digest = ?)")
        return try Bool.fetchOne(statement, arguments: [digest]) ?? false
    }

    /// Whether a registry is known to have a blob.
    package static func isElsewhere(_ digest: Digest, in db: Database) throws -> Bool {
        let statement = try db.cachedStatement(sql: "SELECT EXISTS (SELECT 1 FROM blob_sources WHERE digest = ?)")
        return try Bool.fetchOne(statement, arguments: [digest]) ?? false
    }

    /// Whether the files of something may not be on the disk.
    package static func isUnflushed(_ resource: StoreResource, in db: Database) throws -> Bool {
        let statement = try db.cachedStatement(sql: "SELECT EXISTS (SELECT 1 FROM unflushed WHERE resource = ?)")
        return try Bool.fetchOne(statement, arguments: ["\(resource)"]) ?? false
    }

    /// How many blobs are here, and their bytes.
    package static func usage(in db: Database) throws -> Usage {
        try Usage.fetchOne(db, sql: "SELECT count(*) AS count, COALESCE(sum(size), 0) AS bytes FROM blobs")
            ?? Usage(count: 0, bytes: 0)
    }

    /// The bytes of those blobs that are here.
    package static func bytes(of digests: Set<Digest>, in db: Database) throws -> Int64 {
        let sql = "SELECT sum(size) FROM blobs WHERE digest IN (SELECT value FROM json_each(?))"
        return try Int64.fetchOne(db, sql: sql, arguments: [Digest.json(digests)]) ?? 0
    }

    // MARK: Keeping house

    package static func collect(
        keeping held: HeldContent,
        into garbage: inout CollectedGarbage,
        in db: Database
    ) throws {
        let unheld = "SELECT digest, size FROM blobs WHERE NOT \(held.holdsBlob("blobs.digest"))"
        let bury = try db.cachedStatement(sql: "INSERT OR IGNORE INTO tombstones VALUES ('blob', ?)")
        let delete = try db.cachedStatement(sql: "DELETE FROM blobs WHERE digest = ?")
        let forget = try db.cachedStatement(sql: "DELETE FROM blob_sources WHERE digest = ?")
        let flushed = try db.cachedStatement(sql: "DELETE FROM unflushed WHERE resource = 'blob ' || ?")
        for blob in try Blob.fetchAll(db, sql: unheld) {
            garbage.bytes += blob.size
            if let digest = try? Digest(parsing: blob.digest) { garbage.blobs.append(digest) }
            for statement in [bury, delete, forget, flushed] { try statement.execute(arguments: [blob.digest]) }
        }
        let buryLayer = try db.cachedStatement(sql: "INSERT INTO tombstones VALUES ('layer', ?)")
        let flushedLayer = try db.cachedStatement(sql: "DELETE FROM unflushed WHERE resource = 'layer ' || ?")
        for layer in garbage.directories {
            for statement in [buryLayer, flushedLayer] { try statement.execute(arguments: ["\(layer)"]) }
        }
    }

    package static func problems(in db: Database, _ layout: StoreLayout) throws -> [StoreProblem] {
        var problems: [StoreProblem] = []
        for blob in try Blob.fetchAll(db, sql: "SELECT digest, size FROM blobs ORDER BY digest") {
            guard let digest = try? Digest(parsing: blob.digest) else {
                problems.append(.database("blobs has a row for \"\(blob.digest)\", which is not a digest"))
                continue
            }
            guard let status = try HostFiles.status(of: layout.blob(digest)) else {
                problems.append(.blobMissing(digest))
                continue
            }
            if status.size != blob.size {
                problems.append(.blobSize(digest, recorded: blob.size, actual: status.size))
            }
        }
        return problems
    }

    package static func restore(_ recorded: RecordedIDs, from layout: StoreLayout, in db: Database) throws {
        let insert = try db.cachedStatement(
            sql: "INSERT OR REPLACE INTO blobs (digest, size, created, last_used) VALUES (?, ?, ?, ?)"
        )
        for algorithm in ["sha256", "sha384", "sha512"] {
            for name in try HostFiles.entries(of: layout.blobs.appending(algorithm)) {
                guard let digest = try? Digest(parsing: "\(algorithm):" + String(decoding: name, as: UTF8.self)),
                    let status = try HostFiles.status(of: layout.blob(digest))
                else { continue }
                try insert.execute(arguments: [digest, status.size, status.modified.seconds, currentTime()])
            }
        }
    }
}
