internal import CSQLite
package import GRDB
internal import LinuxSystem
internal import Synchronization
package import SystemPackage

/// The one SQLite database of a store, shared by every Slipway process that uses the store.
///
/// Reads see a snapshot and wait for nobody. Each write transaction, and each checkpoint of the write-ahead log, holds an
/// exclusive flock(2) on `slipway.db.lock` beside SQLite's own locks. Before 3.51.3 SQLite can lose a commit that races with another connection's
/// checkpoint (the WAL-reset bug): here no two of them ever run at once, on one writer connection a process, with
/// automatic checkpoints off, also when a connection closes.
package final class StoreDatabase: Sendable {
    /// The database's file.
    package let path: FilePath
    private let lock: WriteLock
    private let readers = Mutex<[DatabaseQueue]>([])
    private let writer = Mutex<Writer?>(nil)

    /// From this many pages on a commit is followed by a checkpoint: 8 MiB.
    private static let checkpointPages: CInt = 2000

    /// When what is written must be on the disk.
    package let durability: Durability

    private struct Writer: Sendable {
        let queue: DatabaseQueue
        let pages: PageCount
    }

    /// Whether the database was known to have everything when it was opened; only then is what it does not know nobody's.
    var isKnownWhole: Bool { knownWhole.withLock { $0 } }
    private let knownWhole = Mutex(false)
    let records: StoreRecords
    /// Who has which tables.
    package let tables: StoreTables
    let recorded: RecordedTables

    /// Opens the database, creating it or bringing its schema up to date where needed.
    /// - Throws: `StorageError.newerSchema`, `.databaseDamaged`, `.databaseLocked`, `.noSpace`.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    init(
        path: FilePath,
        tables: StoreTables,
        durability: Durability = .reported,
        lockTimeout: Duration = .seconds(60)
    ) throws {
        self.path = path
        self.tables = tables
        self.durability = durability
        recorded = tables.recorded
        lock = WriteLock(database: path, timeout: lockTimeout)
        records = StoreRecords(database: path)
        guard Self.comparesPages else {
            throw StorageError.database(path: path, reason: "SQLite does not let its pages be checked")
        }
        // Read before the database, which meanwhile may only get ahead of them.
        let recorded = try records.end()
        let status = try HostFiles.status(of: path)
        if let status, status.mode & 0o077 != 0 { try keepPrivate() }
        let isPresent = (status?.size ?? 0) > 0
        let found = isPresent ? try opened(recorded) : (version: 0, wholeness: .whole)
        if found.version > tables.version {
            throw StorageError.newerSchema(found: found.version, known: tables.version, path: path)
        }
        if case .damaged(let reason) = found.wholeness {
            throw StorageError.databaseDamaged(path: path, reason: reason)
        }
        knownWhole.withLock { $0 = found.wholeness == .whole }
        if found.version < tables.version { try migrate() }
    }

    /// A database that is read as far as it can be, whatever it is.
    init(damaged path: FilePath, tables: StoreTables) {
        self.path = path
        self.tables = tables
        durability = .strict
        recorded = tables.recorded
        lock = WriteLock(database: path, timeout: .seconds(1))
        records = StoreRecords(database: path)
    }

    /// Whether pages are compared with their sums, which is asked of SQLite before the first database is opened.
    private static let comparesPages = slipway_sqlite_use_page_sums() == 0

    /// The version of the schema, and whether everything is there; where a process died while it created the database, a writer is
    /// needed to undo that first.
    private func opened(_ recorded: StoreRecords.End) throws -> (version: Int, wholeness: Wholeness) {
        do {
            return try read { db in
                let version = try StoreTables.version(in: db)
                if version > tables.version { return (version, .unknown) }
                return (version, try wholeness(of: db, recorded: recorded))
            }
        } catch StorageError.database where recorded == .missing {
            return (0, .unknown)
        }
    }

    // MARK: Reading

    /// Reads from one consistent snapshot, on a thread that may block.
    package func read<Value: Sendable>(_ body: @escaping @Sendable (Database) throws -> Value) async throws -> Value {
        try await onBlockingPool { try self.read(body) }
    }

    /// Reads from one consistent snapshot; for code that runs on the blocking pool already.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package func read<Value>(_ body: (Database) throws -> Value) throws -> Value {
        try explainingErrors(while: "reading the database") {
            let reader =
                try readers.withLock { $0.popLast() }
                ?? DatabaseQueue(path: path.string, configuration: readerConfiguration)
            defer { readers.withLock { $0.append(reader) } }
            return try reader.read(body)
        }
    }

    // MARK: Writing

    /// Runs one transaction: all of it is durable when this returns, none of it happened if it throws.
    package func write<Value: Sendable>(_ body: @escaping @Sendable (Database) throws -> Value) async throws -> Value {
        try await onBlockingPool { try self.write(body) }
    }

    /// Runs one transaction; for code that runs on the blocking pool already.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package func write<Value>(_ body: (Database) throws -> Value) throws -> Value {
        try write(settlingFirst: false, body)
    }

    /// Runs one transaction after `settle`, with no other process's write between the two.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package func writeSettled<Value>(_ body: (Database) throws -> Value) throws -> Value {
        try write(settlingFirst: true, body)
    }

    /// Runs one transaction whose deleted rows leave nothing behind that could be read, as secrets of a container.
    package func writeErasing<Value: Sendable>(_ body: @escaping @Sendable (Database) throws -> Value) async throws
        -> Value
    {
        try await onBlockingPool { try self.write(erases: true, body) }
    }

    /// Runs one transaction that the machine's power may take away, and nothing less: a later transaction that is durable makes this
    /// one durable, too.
    ///
    /// For what can be had again. With `Durability.strict` it is as any other.
    package func writeLazily<Value: Sendable>(_ body: @escaping @Sendable (Database) throws -> Value) async throws
        -> Value
    {
        try await onBlockingPool { try self.writeLazily(body) }
    }

    /// Runs one transaction that the machine's power may take away; for code that runs on the blocking pool already.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package func writeLazily<Value>(_ body: (Database) throws -> Value) throws -> Value {
        try write(isLazy: durability == .reported, body)
    }

    private func write<Value>(
        settlingFirst: Bool = false,
        erases: Bool = false,
        isLazy: Bool = false,
        _ body: (Database) throws -> Value
    ) throws -> Value {
        try explainingErrors(while: "writing the database") {
            let writer = try openWriter()
            return try writer.queue.writeWithoutTransaction { db in
                try lock.withLock {
                    if settlingFirst { try transact(db, countsAlways: true) { _ in } }
                    if isLazy {
                        // SQLite then leaves out the flush of the log that ends a commit, and no other.
                        try db.execute(sql: "PRAGMA synchronous = NORMAL")
                        defer { try? db.execute(sql: "PRAGMA synchronous = FULL") }
                        let value = try transactLazily(db, body)
                        if writer.pages.value >= Self.checkpointPages { try checkpoint(db, records: false) }
                        return value
                    }
                    if erases { _ = try Int.fetchOne(db, sql: "PRAGMA secure_delete = ON") }
                    let value = try transact(db, body)
                    if erases { try forgetErased(db) }
                    if writer.pages.value >= Self.checkpointPages { try checkpoint(db) }
                    return value
                }
            }
        }
    }

    /// Runs one transaction and records it; one that changed nothing is no commit, unless it is to be one.
    private func transact<Value>(_ db: Database, countsAlways: Bool = false, _ body: (Database) throws -> Value) throws
        -> Value
    {
        var result: (value: Value, change: StoreRecords.Change?)?
        try db.inTransaction(.immediate) {
            let before = db.totalChangesCount
            let value = try body(db)
            let hasChanged = countsAlways || db.totalChangesCount != before
            result = (value, hasChanged ? try advance(db) : nil)
            return .commit
        }
        guard let result else { throw StorageError.database(path: path, reason: "a transaction gave no result") }
        if let change = result.change { record(change, db) }
        return result.value
    }

    /// Runs one transaction that is not counted.
    ///
    /// Should the machine's power take it away, nothing that is recorded is missing. What it changes is recorded with the next that is
    /// counted.
    private func transactLazily<Value>(_ db: Database, _ body: (Database) throws -> Value) throws -> Value {
        var value: Value?
        try db.inTransaction(.immediate) {
            value = try body(db)
            return .commit
        }
        guard let value else { throw StorageError.database(path: path, reason: "a transaction gave no result") }
        return value
    }

    /// Moves the log into the database as far as readers let it; on a full disk that is left for later.
    private func checkpoint(_ db: Database, _ mode: String = "PASSIVE", records isRecording: Bool = true) throws {
        do {
            try db.execute(sql: "PRAGMA wal_checkpoint(\(mode))")
            if try isRecording && records.haveGrown() { try recordEverything(db) }
        } catch let error as DatabaseError where error.resultCode == .SQLITE_FULL {
            return
        } catch let error as SystemCallError where error.errno == .noSpace || error.errno == .diskQuotaExceeded {
            return
        }
    }

    /// Empties the log, where rows that were erased from the database still stand, unless a reader has it open.
    private func forgetErased(_ db: Database) throws {
        _ = try Int.fetchOne(db, sql: "PRAGMA secure_delete = FAST")
        try db.execute(sql: "PRAGMA busy_timeout = 0")
        defer { try? db.execute(sql: "PRAGMA busy_timeout = 10000") }
        try checkpoint(db, "TRUNCATE")
    }

    /// Settles what a process that was killed inside a commit had begun: done or not done, it stays so.
    ///
    /// Such a commit may be complete in the write-ahead log and yet not in its index. As long as some process has the
    /// database open nobody sees it; once the index is built anew it would come to life. One write of our own takes its place in
    /// the log. Needed before files are removed because no row names them.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    func settle() throws { try write(settlingFirst: true) { _ in } }

    /// Gives the space of deleted rows back to the file system, as far as readers do not still need it; waits for none.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package func compact() throws {
        try explainingErrors(while: "compacting the database") {
            try openWriter().queue.writeWithoutTransaction { db in
                try lock.withLock {
                    do {
                        _ = try Row.fetchAll(db, sql: "PRAGMA incremental_vacuum")
                    } catch let error as DatabaseError where error.resultCode == .SQLITE_FULL {
                        // What was removed is removed: the database is compacted another time.
                        return
                    }
                    try checkpoint(db)
                }
            }
        }
    }

    /// Holds the write lock, with a connection that may write, outside of any transaction.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    func exclusively<Value>(_ body: (Database) throws -> Value) throws -> Value {
        try explainingErrors(while: "checking the database") {
            try openWriter().queue.writeWithoutTransaction { db in try lock.withLock { try body(db) } }
        }
    }

    /// Believes the database no more when it says that nothing refers to something.
    func distrust() { knownWhole.withLock { $0 = false } }

    /// What SQLite itself finds wrong with its file; empty for a sound database.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package func integrityProblems() throws -> [String] {
        try read { db in
            let text = try String.fetchAll(db, sql: "PRAGMA integrity_check(20)").filter { $0 != "ok" }
            let dangling = try Dangling.fetchAll(db, sql: "PRAGMA foreign_key_check").prefix(20)
            return text
                + dangling.map { "\($0.table ?? "") row \($0.rowid ?? 0) names a missing \($0.parent ?? "")" }
        }
    }

    /// A row that refers to one that is not there, as SQLite reports it.
    private struct Dangling: Decodable, FetchableRecord {
        let table: String?
        let rowid: Int64?
        let parent: String?
    }

    // MARK: Connections

    private func migrate() throws {
        try explainingErrors(while: "creating the database") {
            // Before SQLite sees it, which would throw away the log of a database without content.
            try lock.withLock {
                if (try HostFiles.status(of: path)?.size ?? 0) == 0 { try Self.checkAbsence(of: path) }
            }
            let queue = try openWriter().queue
            try lock.withLock {
                // Another process may have migrated, or a newer one may have come, while we waited for the lock.
                let version = try queue.writeWithoutTransaction { db in
                    if try String.fetchOne(db, sql: "PRAGMA journal_mode") != "wal" {
                        try db.execute(sql: "PRAGMA auto_vacuum = INCREMENTAL")
                        _ = try String.fetchOne(db, sql: "PRAGMA journal_mode = WAL")
                    }
                    return try StoreTables.version(in: db)
                }
                if version > tables.version {
                    throw StorageError.newerSchema(found: version, known: tables.version, path: path)
                }
                if version == 0 { try Self.checkAbsence(of: path) }
                if version < tables.version {
                    try tables.migrate(queue)
                    queue.writeWithoutTransaction { db in try? recordEverything(db) }
                }
            }
        }
    }

    private func openWriter() throws -> Writer {
        try writer.withLock { writer in
            if let writer { return writer }
            // Whoever closes a file gives up all locks that his process has on it: nobody may have it open when its pages are read.
            readers.withLock { $0 = [] }
            try lock.withLock { try prepareFiles() }
            let pages = PageCount()
            var configuration = Self.commonConfiguration(label: "slipway.database.writer")
            configuration.prepareDatabase { db in
                // What is deleted is overwritten where its page is written anyway.
                _ = try Int.fetchOne(db, sql: "PRAGMA secure_delete = FAST")
                try db.execute(sql: "PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 0")
                try db.execute(sql: "PRAGMA journal_size_limit = 67108864")
                slipway_sqlite_no_checkpoint_on_close(Self.pointer(to: db))
                slipway_sqlite_count_wal_pages(Self.pointer(to: db), pages.storage)
            }
            let opened = Writer(queue: try DatabaseQueue(path: path.string, configuration: configuration), pages: pages)
            writer = opened
            return opened
        }
    }

    private var readerConfiguration: Configuration {
        var configuration = Self.commonConfiguration(label: "slipway.database.reader")
        configuration.readonly = true
        configuration.prepareDatabase { db in slipway_sqlite_no_checkpoint_on_close(Self.pointer(to: db)) }
        return configuration
    }

    private static func commonConfiguration(label: String) -> Configuration {
        var configuration = Configuration()
        configuration.label = label
        // Only SQLite's own short locks (recovery after a crash, a reset of the log) are waited for this way.
        configuration.busyMode = .timeout(10)
        return configuration
    }

    private static func pointer(to db: Database) -> UnsafeMutableRawPointer? {
        db.sqliteConnection.map { UnsafeMutableRawPointer($0) }
    }

    private func explainingErrors<Value>(while phase: String, _ body: () throws -> Value) throws -> Value {
        do {
            return try body()
        } catch let error as DatabaseError {
            let reason = error.message ?? "SQLite error \(error.resultCode.rawValue)"
            switch error.extendedResultCode {
            case .SQLITE_IOERR_DATA:
                throw StorageError.databaseDamaged(path: path, reason: "one of its pages differs from what was written")
            case .SQLITE_IOERR_READ, .SQLITE_IOERR_SHORT_READ:
                throw StorageError.databaseDamaged(path: path, reason: "one of its pages cannot be read")
            case .SQLITE_IOERR_SHMSIZE: throw StorageError.noSpace(phase: phase, path: path)
            default: break
            }
            switch error.resultCode {
            case .SQLITE_FULL: throw StorageError.noSpace(phase: phase, path: path)
            case .SQLITE_CORRUPT, .SQLITE_NOTADB: throw StorageError.databaseDamaged(path: path, reason: reason)
            case .SQLITE_BUSY, .SQLITE_LOCKED:
                throw StorageError.databaseLocked(path: path, holder: lock.holder(), seconds: 10)
            default:
                throw StorageError.database(
                    path: path,
                    reason: "\(phase): \(reason)" + (error.sql.map { " (\($0))" } ?? "")
                )
            }
        } catch is RowDecodingError {
            throw StorageError.databaseDamaged(path: path, reason: "one of its rows differs from what was written")
        } catch let error as SystemCallError {
            throw StorageError(error, while: phase, in: path)
        }
    }
}

/// Where SQLite's hook leaves the length of the write-ahead log; read only on the writer's own queue.
private final class PageCount: @unchecked Sendable {
    // Written and read on the serial queue of the one writer connection.
    let storage = UnsafeMutablePointer<CInt>.allocate(capacity: 1)

    init() { storage.initialize(to: 0) }

    deinit { storage.deallocate() }

    var value: CInt { storage.pointee }
}
