internal import FoundationEssentials
internal import GRDB
internal import OCI
package import Storage

/// What web servers gave for requests, to ask them whether that is still right.
package enum DownloadTable: TableOwner {
    package static let migrations = [
        Migration(
            "downloads",
            sql: """
                -- request is a digest of the address and of what else decides the answer; the content is a blob, which may be gone.
                CREATE TABLE downloads (
                    request TEXT PRIMARY KEY NOT NULL,
                    digest TEXT NOT NULL,
                    size INTEGER NOT NULL,
                    etag TEXT,
                    last_modified TEXT,
                    -- the file name that the server gave
                    name BLOB,
                    checked INTEGER NOT NULL
                ) WITHOUT ROWID;
                """
        )
    ]

    /// A row of `downloads`.
    struct Download: Codable, FetchableRecord, PersistableRecord {
        static let databaseTableName = "downloads"
        static let persistenceConflictPolicy = PersistenceConflictPolicy(insert: .replace)

        enum CodingKeys: String, CodingKey, ColumnExpression {
            case request, digest, size, etag, name, checked
            case lastModified = "last_modified"
        }

        var request: String
        var digest: String
        var size: Int64
        var etag: String?
        var lastModified: String?
        var name: Data?
        var checked: Int64
    }

    static func find(_ request: Digest, in db: Database) throws -> Download? {
        try Download.fetchOne(db, key: request.description)
    }

    /// Keeps an answer, and forgets those that were not asked for since some moment.
    static func keep(_ download: Download, forgettingBefore limit: Int64, in db: Database) throws {
        try download.insert(db)
        try Download.filter(Download.CodingKeys.checked < limit).deleteAll(db)
    }
}
