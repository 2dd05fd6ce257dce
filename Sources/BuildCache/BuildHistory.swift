package import BuildGraph
import FoundationEssentials
import GRDB
package import OCI
package import Storage
internal import Text

/// The record of one build: what was asked, how it ended, and why each step ran or did not.
package struct BuildRecord: Hashable, Sendable, Codable {
    package enum Status: String, Hashable, Sendable, Codable {
        case completed, failed, canceled
    }

    package let id: String
    package let started: Timestamp
    package let completed: Timestamp
    package let status: Status
    /// What was built: the context's path and the Dockerfile's name.
    package let name: String
    package let imageID: Digest?
    /// The text of the error that ended the build.
    package let error: String?
    package let steps: [StepExplanation]

    package init(
        id: String,
        started: Timestamp,
        completed: Timestamp,
        status: Status,
        name: String,
        imageID: Digest? = nil,
        error: String? = nil,
        steps: [StepExplanation] = []
    ) {
        self.id = id
        self.started = started
        self.completed = completed
        self.status = status
        self.name = name
        self.imageID = imageID
        self.error = error
        self.steps = steps
    }
}

/// The builds that a store remembers, newest first.
///
/// What `slipway explain` reads.
package struct BuildHistory: Sendable {
    /// How many builds are remembered.
    package static let limit = 50

    private let store: Store

    package init(store: Store) { self.store = store }

    /// Remembers a build and forgets the oldest beyond the limit.
    package func add(_ record: BuildRecord) async throws {
        let content = Data(try StrictJSON.encode(record))
        try await store.database.write { db in
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
            try db.execute(
                sql: """
                    DELETE FROM build_history WHERE id NOT IN
                        (SELECT id FROM build_history ORDER BY started_ns DESC LIMIT ?)
                    """,
                arguments: [Self.limit]
            )
        }
    }

    /// The last build that got as far as its steps, or nil.
    package func last() async throws -> BuildRecord? {
        try await record("SELECT record FROM build_history ORDER BY started_ns DESC LIMIT 1", [])
    }

    /// The build of an id or a unique beginning of one, else the last build that made the image of that id.
    package func find(_ text: String) async throws -> BuildRecord? {
        let isHexadecimal = text.utf8.allSatisfy {
            ("0"..."9").contains($0) || ("a"..."f").contains($0)
        }
        guard isHexadecimal, !text.isEmpty else { return nil }
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
