internal import GRDB
internal import LinuxSystem
internal import SystemPackage
internal import Text

/// Whether a database has everything that was committed to it.
enum Wholeness: Hashable, Sendable {
    case whole
    /// The records that would say so are missing or damaged.
    case unknown
    /// The database is not the one that its records were written for, or has lost commits.
    case damaged(String)
}

extension StoreDatabase {
    /// The row of `generation`.
    struct Identity: Decodable, FetchableRecord {
        let store: String
        let number: Int64
        let tag: String
        let previous: String

        var generation: Generation { Generation(number: number, tag: tag) }

        static func read(in db: Database) throws -> Identity? {
            try fetchOne(try db.cachedStatement(sql: "SELECT store, number, tag, previous FROM generation"))
        }
    }

    /// Compares the database with how far its records go, which was read before the database was.
    func wholeness(of db: Database, recorded end: StoreRecords.End) throws -> Wholeness {
        // Asking for the table would read the whole schema, each time that a store is opened.
        guard try StoreTables.version(in: db) == tables.version || db.tableExists("generation") else {
            return end == .missing ? .unknown : .damaged("it is older than its records")
        }
        guard let own = try Identity.read(in: db) else { return .damaged("it does not name its store") }
        guard case .generation(let recorded) = end else { return .unknown }
        let missing = recorded.number - own.generation.number
        if missing > 0 { return .damaged("it has lost its last \(missing) changes") }
        let isOther =
            missing == 0 && recorded.tag != own.generation.tag || missing == -1 && recorded.tag != own.previous
        return isOther ? .damaged("it is not the one that its records belong to") : .whole
    }

    /// Counts a commit, and takes what it changed out of `changes`; called as the last thing of a transaction.
    func advance(_ db: Database) throws -> StoreRecords.Change {
        guard let own = try Identity.read(in: db) else {
            throw DatabaseError(resultCode: .SQLITE_CORRUPT, message: "it does not name its store")
        }
        var change = StoreRecords.Change(
            previous: own.generation,
            generation: Generation(number: own.generation.number + 1, tag: Generation.makeTag())
        )
        try db.cachedStatement(sql: "UPDATE generation SET number = ?, tag = ?, previous = ?")
            .execute(arguments: [change.generation.number, change.generation.tag, own.generation.tag])
        let lines = try unrecordedLines(in: db)
        if lines.isEmpty { return change }
        try db.execute(sql: "DELETE FROM changes")
        var containers: Set<String> = []
        for line in lines {
            if line.hasPrefix("*") {
                containers.insert(String(line.dropFirst()))
            } else {
                change.lines += "\(line)\n"
            }
        }
        change.containers = try containers.sorted().map { ($0, try recorded.lines(ofDirectory: $0, in: db)) }
        return change
    }

    /// What was changed since the last commit that was counted.
    func unrecordedLines(in db: Database) throws -> [String] {
        try String.fetchAll(try db.cachedStatement(sql: "SELECT line FROM changes ORDER BY id"))
    }

    /// Everything that records hold, as of the database's last commit.
    func everything(in db: Database) throws -> StoreRecords.Change {
        guard let own = try Identity.read(in: db) else {
            throw DatabaseError(resultCode: .SQLITE_CORRUPT, message: "it does not name its store")
        }
        let greatest = try recorded.greatestIDs(in: db).greatest.sorted { $0.key < $1.key }
        let head = "=store\t\(own.store)\n" + greatest.map { "=\($0.key)\t\($0.value)\n" }.joined()
        var change = StoreRecords.Change(previous: own.generation, generation: own.generation)
        change.lines = Array(head.utf8) + (try recorded.lines(in: db))
        change.containers = try recorded.directories(in: db).map {
            ($0, try recorded.lines(ofDirectory: $0, in: db))
        }
        return change
    }

    /// Records a commit that is durable.
    ///
    /// Records that cannot be written now, as on a full disk, are behind until the next write.
    func record(_ change: StoreRecords.Change, _ db: Database) {
        if (try? records.append(change)) == true { return }
        try? recordEverything(db)
    }

    /// Replaces the records by what the database says, all of which must be durable; the caller holds the write lock.
    func recordEverything(_ db: Database) throws { try records.replace(with: everything(in: db)) }

    /// Throws where the store had a database before and has none now.
    static func checkAbsence(of path: FilePath) throws {
        let layout = StoreLayout(root: path.removingLastComponent())
        let places = [layout.blobs.appending("sha256"), layout.snapshots]
        let hasContent = try places.contains { place in
            try HostFiles.status(of: place) != nil && !HostFiles.entries(of: place).isEmpty
        }
        if try hasContent || HostFiles.status(of: layout.records) != nil {
            throw StorageError.databaseDamaged(path: path, reason: "it is missing or empty, and the store is not")
        }
    }
}
