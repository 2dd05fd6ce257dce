internal import BuildGraph
import FoundationEssentials
import GRDB
package import OCI
package import Storage
internal import Text

/// The builds that a store remembers, newest first.
///
/// What `slipway explain` reads, and what clients of the daemon are shown.
package struct BuildHistory: Sendable {
    /// How many builds are remembered; those that are pinned do not count.
    package struct Limits: Sendable, Hashable {
        /// So many stay however old they are.
        package var entries = 50
        /// Younger ones stay as well, in seconds.
        package var age: Double = 48 * 3600
        /// More than so many do not stay, however young: BuildKit has no such limit, and a machine that builds all day
        /// would fill its database.
        package static let most = 1000

        package init() {}
    }

    private let store: Store
    private let limits: Limits

    package init(store: Store, limits: Limits = Limits()) {
        self.store = store
        self.limits = limits
    }

    // MARK: Changes

    /// Remembers a build and forgets the oldest beyond the limits.
    package func add(_ record: BuildRecord) async throws {
        let content = Data(try StrictJSON.encode(record))
        try await store.database.writeLazily { [limits] db in
            try db.execute(
                sql: """
                    INSERT OR REPLACE INTO build_history
                        (id, started_ns, completed_ns, status, subject, name, image_id, record)
                    VALUES (?, ?, ?, ?, ?, ?, ?, ?)
                    """,
                arguments: [
                    record.id, record.started.nanoseconds, record.completed.nanoseconds, record.status.rawValue,
                    record.name, record.name, record.imageID?.description, content,
                ]
            )
            try Self.hold(record, in: db)
            try db.execute(
                sql: """
                    DELETE FROM build_history
                    WHERE id NOT IN (SELECT id FROM build_history_pins)
                    AND id NOT IN (
                        SELECT id FROM build_history WHERE id NOT IN (SELECT id FROM build_history_pins)
                        ORDER BY completed_ns DESC, id LIMIT ?)
                    AND (completed_ns < ? OR id NOT IN (
                        SELECT id FROM build_history WHERE id NOT IN (SELECT id FROM build_history_pins)
                        ORDER BY completed_ns DESC, id LIMIT ?))
                    """,
                arguments: [
                    limits.entries, record.completed.advanced(by: -limits.age).nanoseconds,
                    max(Limits.most, limits.entries),
                ]
            )
        }
    }

    /// Changes what clients are told of a build.
    /// - Returns: the record as it is now, or nil if there is no build of that id that a client asked for.
    @discardableResult
    package func update(
        _ id: String,
        _ change: @escaping @Sendable (inout ClientRecord) -> Void
    ) async throws -> BuildRecord? {
        try await store.database.write { db in
            let sql = "SELECT record FROM build_history WHERE id = ?"
            guard let content = try Data.fetchOne(db, sql: sql, arguments: [id]) else { return nil }
            var record = try JSONDecoder().decode(BuildRecord.self, from: content)
            guard var client = record.client else { return nil }
            change(&client)
            client.generation += 1
            record.client = client
            try db.execute(
                sql: "UPDATE build_history SET record = ? WHERE id = ?",
                arguments: [Data(try StrictJSON.encode(record)), id]
            )
            try Self.hold(record, in: db)
            return record
        }
    }

    /// Has the blobs stay that a record names, and the record too if it is pinned.
    private static func hold(_ record: BuildRecord, in db: Database) throws {
        let id = record.id
        try db.execute(sql: "DELETE FROM build_history_blobs WHERE build_id = ?", arguments: [id])
        for blob in record.client?.blobs ?? [] {
            try db.execute(
                sql: "INSERT INTO build_history_blobs (build_id, digest) VALUES (?, ?)",
                arguments: [id, blob]
            )
        }
        try db.execute(sql: "DELETE FROM build_history_pins WHERE id = ?", arguments: [id])
        guard record.client?.isPinned ?? false else { return }
        try db.execute(sql: "INSERT INTO build_history_pins (id) VALUES (?)", arguments: [id])
    }

    /// Forgets a build; returns whether there was one.
    package func remove(_ id: String) async throws -> Bool {
        try await store.database.write { db in
            try db.execute(sql: "DELETE FROM build_history WHERE id = ?", arguments: [id])
            return db.changesCount > 0
        }
    }

    // MARK: Reading

    /// The builds that clients of a daemon asked for.
    package func ofClients() async throws -> [BuildRecord] {
        let contents = try await store.database.read { db in
            try Data.fetchAll(db, sql: "SELECT record FROM build_history ORDER BY started_ns DESC")
        }
        let decoder = JSONDecoder()
        return try contents.map { try decoder.decode(BuildRecord.self, from: $0) }.filter { $0.client != nil }
    }

    /// The blobs that stay because builds name them.
    package func blobs() async throws -> [Digest] {
        try await store.database.read { db in
            try Digest.fetchAll(db, sql: "SELECT DISTINCT digest FROM build_history_blobs ORDER BY digest")
        }
    }

    /// The build of an id, or nil.
    package func build(_ id: String) async throws -> BuildRecord? {
        try await record("SELECT record FROM build_history WHERE id = ?", [id])
    }

    /// The last build that got as far as its steps, or nil.
    package func last() async throws -> BuildRecord? {
        try await record("SELECT record FROM build_history ORDER BY started_ns DESC LIMIT 1", [])
    }

    /// The build of an id or a unique beginning of one, else the last build that made the image of that id.
    package func find(_ text: String) async throws -> BuildRecord? {
        // Clients of the daemon name their builds themselves, with letters and digits.
        let isPlain = text.utf8.allSatisfy { ("0"..."9").contains($0) || ("a"..."z").contains($0) }
        guard isPlain, !text.isEmpty else { return nil }
        return try await record(
            "SELECT record FROM build_history WHERE id LIKE ? ORDER BY started_ns DESC LIMIT 1",
            [text + "%"]
        )
    }

    /// The last build that made an image, or nil.
    package func find(image: Digest) async throws -> BuildRecord? {
        try await record(
            "SELECT record FROM build_history WHERE image_id = ? ORDER BY started_ns DESC LIMIT 1",
            [image.description]
        )
    }

    private func record(_ sql: String, _ arguments: StatementArguments) async throws -> BuildRecord? {
        let content = try await store.database.read { db in try Data.fetchOne(db, sql: sql, arguments: arguments) }
        guard let content else { return nil }
        return try JSONDecoder().decode(BuildRecord.self, from: content)
    }
}
