internal import GRDB
internal import LinuxSystem
internal import OCI
package import SystemPackage

/// What was done about a damaged database.
package struct RebuiltDatabase: Sendable {
    /// What was wrong with it.
    package let damage: String
    /// Whether its records could be read; without them the names of images are lost at least.
    package fileprivate(set) var hasRecords = true
    /// Where it is now, and what else was set aside.
    package fileprivate(set) var setAside: [FilePath] = []
    /// How many rows the tables have that people count.
    package fileprivate(set) var counts: [String: Int] = [:]
    /// What could not be had again, each as a sentence.
    package fileprivate(set) var losses: [String] = []
}

extension Store {
    /// Makes the database of a store anew from its records, where it is damaged.
    ///
    /// What the database was, and what the records do not name, is set aside.
    /// - Returns: what was done; nil for a database that is as its records say.
    /// - Throws: `StorageError.inUse`, and what opening a store throws but `.databaseDamaged`.
    package static func rebuildIfDamaged(at root: FilePath, tables: StoreTables) async throws -> RebuiltDatabase? {
        try await onBlockingPool {
            try whileDoing("making the database anew", in: root) {
                let layout = StoreLayout(root: root)
                guard try HostFiles.status(of: root) != nil, let damage = try damage(of: layout, tables) else {
                    return nil
                }
                return try rebuild(layout, tables, damage)
            }
        }
    }

    /// What is wrong with the database; nil for nothing.
    private static func damage(of layout: StoreLayout, _ tables: StoreTables) throws -> String? {
        do {
            let database = try StoreDatabase(path: layout.database, tables: tables)
            if let problem = try database.integrityProblems().first { return problem }
            if case .differ(let reason) = try database.comparisonWithRecords() { return reason }
            return nil
        } catch StorageError.databaseDamaged(_, let reason) {
            return reason
        } catch StorageError.database(_, let reason) {
            return reason
        }
    }

    private static func rebuild(_ layout: StoreLayout, _ tables: StoreTables, _ damage: String) throws
        -> RebuiltDatabase
    {
        try layout.create()
        try checkAlone(in: layout)
        var rebuilt = RebuiltDatabase(damage: damage)
        let scratch = layout.tmp.appending("rebuild")
        try removeTree(scratch)
        try HostFiles.createDirectory(scratch, mode: 0o700)
        try WriteLock(database: layout.database, timeout: .seconds(60)).withLock {
            try draft(in: scratch, for: layout, tables, &rebuilt)
            try place(scratch, layout, &rebuilt)
        }
        try removeTree(scratch)
        let database = try StoreDatabase(path: layout.database, tables: tables)
        database.distrust()
        let store = Store(layout: layout, database: database)
        let unknown = try store.removeOrphans()
        store.process.close()
        if unknown > 0 {
            rebuilt.losses.append("\(unknown) files of layers and blobs that no record names were set aside")
        }
        try database.exclusively { db in try database.recordEverything(db) }
        return rebuilt
    }

    /// Other processes would go on with the old database.
    static func checkAlone(in layout: StoreLayout) throws {
        for entry in try HostFiles.entries(of: layout.run) where StoreOwner.isName(entry) {
            let name = String(decoding: entry, as: UTF8.self)
            guard let file = try OpenFile.openLocked(layout.run.appending(name)) else {
                throw StorageError.inUse(root: layout.root, process: Int32(name.prefix { $0 != "." }) ?? 0)
            }
            withExtendedLifetime(file) {}
        }
    }

    /// Makes a database in a directory of its own that says what the records say.
    private static func draft(
        in scratch: FilePath,
        for layout: StoreLayout,
        _ tables: StoreTables,
        _ rebuilt: inout RebuiltDatabase
    ) throws {
        var rows = try StoreRecords(database: layout.database).load()
        rebuilt.hasRecords = rows.generation != nil
        if !rebuilt.hasRecords { rows.tables.merge(salvage(layout, tables)) { own, _ in own } }
        let database = try StoreDatabase(path: scratch.appending("slipway.db"), tables: tables)
        let refused = try database.write { db in try fill(db, tables, with: rows, layout) }
        try database.exclusively { db in
            guard try Int.fetchOne(db, sql: "PRAGMA wal_checkpoint(TRUNCATE)") == 0 else {
                throw StorageError.database(path: database.path, reason: "its log could not be emptied")
            }
            rebuilt.counts = try tables.counts(in: db)
        }
        rebuilt.losses += rows.losses + refused
        rebuilt.losses.append("the build cache and the history of builds are empty: builds run all their steps once")
    }

    private static func fill(
        _ db: Database,
        _ tables: StoreTables,
        with rows: RecordedRows,
        _ layout: StoreLayout
    ) throws -> [String] {
        var refused: [String] = []
        for table in tables.recorded.all {
            let columns = try RecordedTables.Columns(of: table, in: db)
            for (key, row) in (rows.tables[table] ?? [:]).sorted(by: { $0.key < $1.key }) {
                do {
                    try RecordedTables.insert(row, into: table, columns, in: db)
                } catch let error as DatabaseError where error.resultCode == .SQLITE_CONSTRAINT {
                    refused.append("\(table) \(key): it refers to something that is missing")
                }
            }
        }
        try tables.restore(rows.ids, from: layout, in: db)
        if let store = rows.store, let generation = rows.generation {
            // One commit ahead of the records: what they belong to, and what follows.
            try db.execute(
                sql: "UPDATE generation SET store = ?, number = ?, tag = ?",
                arguments: [store, generation.number, generation.tag]
            )
        }
        return refused
    }

    /// Puts the new database where the old one was.
    ///
    /// Killed in between, the store has no database, and records that say that it had one.
    private static func place(_ scratch: FilePath, _ layout: StoreLayout, _ rebuilt: inout RebuiltDatabase) throws {
        let quarantine = Quarantine(layout: layout)
        for suffix in StoreDatabase.suffixes {
            let file = StoreDatabase.file(suffix, of: layout.database)
            if try HostFiles.status(of: file) != nil { rebuilt.setAside.append(try quarantine.take(file)) }
        }
        for suffix in ["-sums", ""] {
            let made = StoreDatabase.file(suffix, of: scratch.appending("slipway.db"))
            try OpenFile.open(made, .readOnly).synchronize()
            try HostFiles.rename(made, to: StoreDatabase.file(suffix, of: layout.database))
        }
        try HostFiles.synchronizeDirectory(layout.root)
        if try HostFiles.status(of: layout.records) != nil {
            rebuilt.setAside.append(try quarantine.take(layout.records))
        }
    }

    /// What a damaged database without records still gives away.
    private static func salvage(_ layout: StoreLayout, _ known: StoreTables) -> [String: [String: String]] {
        let database = StoreDatabase(damaged: layout.database, tables: known)
        var tables: [String: [String: String]] = [:]
        for table in known.recorded.all {
            tables[table] = try? database.read { db in try RecordedTables.rows(of: table, in: db) }
        }
        return tables
    }
}
