import FoundationEssentials
import GRDB
import LinuxSystem
import OCI
package import Snapshots
package import Storage
import SystemPackage

/// The containers of a store: made, run, looked at and removed.
///
/// There is no daemon: what is running is asked of the kernel whenever it matters, so that a crash or a reboot leaves
/// nothing that `list` does not put right.
package final class ContainerStore: Sendable {
    let store: Store
    let snapshots: SnapshotStore

    package init(store: Store, snapshots: SnapshotStore) {
        self.store = store
        self.snapshots = snapshots
    }

    func directory(of id: String) -> FilePath { store.layout.containers.appending(id) }

    // MARK: Finding

    /// All containers, the newest first, after what has ended since anybody looked was written down.
    package func list() async throws -> [ContainerRecord] {
        let found = try await store.database.read { db in try Self.records(db, where: "1") }
        var current: [ContainerRecord] = []
        for record in found {
            if let record = try await reconcile(record) { current.append(record) }
        }
        return current
    }

    /// The container of that name, or whose id begins like that.
    /// - Throws: `ContainerError.notFound`, `.ambiguous`.
    package func container(_ nameOrID: String) async throws -> ContainerRecord {
        let text = nameOrID.hasPrefix("/") ? String(nameOrID.dropFirst()) : nameOrID
        let named = try await store.database.read { db in
            try Self.records(db, where: "name = ? OR id = ?", [text, text])
        }
        if let record = named.first {
            guard let current = try await reconcile(record) else { throw ContainerError.notFound(nameOrID) }
            return current
        }
        guard !text.isEmpty, text.allSatisfy(\.isHexDigit) else { throw ContainerError.notFound(nameOrID) }
        let matching = try await store.database.read { db in
            try Self.records(db, where: "substr(id, 1, length(?)) = ?", [text, text])
        }
        guard let first = matching.first else { throw ContainerError.notFound(nameOrID) }
        guard matching.count == 1 else { throw ContainerError.ambiguous(text) }
        guard let current = try await reconcile(first) else { throw ContainerError.notFound(nameOrID) }
        return current
    }

    /// Writes down the end of a container that has ended; one that was to be removed then is removed, and nil is returned.
    private func reconcile(_ record: ContainerRecord) async throws -> ContainerRecord? {
        guard record.state.status == .running else { return record }
        let isRunning = await onBlockingPool { record.state.process?.isRunning ?? false }
        if isRunning { return record }
        let code = try await onBlockingPool { [directory = directory(of: record.id)] in
            try Self.exitCode(in: directory.appending("exits").appending(record.id))
        }
        return try await end(record, exitCode: code ?? 137)
    }

    /// Writes down that a container has ended, and gives back what it had of the host.
    @discardableResult
    func end(_ record: ContainerRecord, exitCode: CInt) async throws -> ContainerRecord? {
        var record = record
        try await tearDownNetwork(record)
        record.state.status = .exited
        record.state.exitCode = exitCode
        record.state.finished = Int64(Date().timeIntervalSince1970)
        record.state.process = nil
        record.state.address = nil
        try await save(record)
        if record.configuration.isRemovedAtEnd {
            try await discard(record, removesVolumes: true)
            return nil
        }
        return record
    }

    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    private static func exitCode(in path: FilePath) throws -> CInt? {
        do throws(SystemCallError) {
            let bytes = try OpenFile.open(path, O_RDONLY_).readToEnd(limit: 64)
            return CInt(String(decoding: bytes.filter { $0 != 0x0a }, as: UTF8.self))
        } catch {
            if error.errno == .noSuchFileOrDirectory { return nil }
            throw error
        }
    }

    // MARK: Keeping

    static func records(_ db: Database, where condition: String, _ arguments: StatementArguments = []) throws
        -> [ContainerRecord]
    {
        let rows = try Row.fetchAll(
            db,
            sql:
                "SELECT id, name, created, configuration, state FROM containers WHERE \(condition) ORDER BY created DESC, rowid DESC",
            arguments: arguments
        )
        return try rows.map { row in
            ContainerRecord(
                id: row[0],
                name: row[1],
                created: row[2],
                configuration: try decode(row[3]),
                state: try decode(row[4])
            )
        }
    }

    private static func decode<Value: Decodable>(_ text: String) throws -> Value {
        try JSONDecoder().decode(Value.self, from: Data(text.utf8))
    }

    static func encode(_ value: some Encodable) throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return String(decoding: try encoder.encode(value), as: UTF8.self)
    }

    func save(_ record: ContainerRecord) async throws {
        let state = try Self.encode(record.state)
        let isRunning = record.state.status == .running
        try await store.database.write { db in
            try db.execute(
                sql: "UPDATE containers SET state = ?, running = ? WHERE id = ?",
                arguments: [state, isRunning ? 1 : 0, record.id]
            )
        }
    }
}

/// O_RDONLY, without Glibc's other names.
let O_RDONLY_: CInt = 0
