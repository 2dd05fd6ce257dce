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
    package fileprivate(set) var images = 0
    package fileprivate(set) var layers = 0
    package fileprivate(set) var containers = 0
    /// What could not be had again, each as a sentence.
    package fileprivate(set) var losses: [String] = []
}

extension Store {
    /// Makes the database of a store anew from its records, where it is damaged.
    ///
    /// What the database was, and what the records do not name, is set aside.
    /// - Returns: what was done; nil for a database that is as its records say.
    /// - Throws: `StorageError.inUse`, and what opening a store throws but `.databaseDamaged`.
    package static func rebuildIfDamaged(at root: FilePath) async throws -> RebuiltDatabase? {
        try await onBlockingPool {
            try whileDoing("making the database anew", in: root) {
                let layout = StoreLayout(root: root)
                guard try HostFiles.status(of: root) != nil, let damage = try damage(of: layout) else { return nil }
                return try rebuild(layout, damage)
            }
        }
    }

    /// What is wrong with the database; nil for nothing.
    private static func damage(of layout: StoreLayout) throws -> String? {
        do {
            let database = try StoreDatabase(path: layout.database)
            if let problem = try database.integrityProblems().first { return problem }
            if case .differ(let reason) = try database.comparisonWithRecords() { return reason }
            return nil
        } catch StorageError.databaseDamaged(_, let reason) {
            return reason
        } catch StorageError.database(_, let reason) {
            return reason
        }
    }

    private static func rebuild(_ layout: StoreLayout, _ damage: String) throws -> RebuiltDatabase {
        try layout.create()
        try checkAlone(in: layout)
        var rebuilt = RebuiltDatabase(damage: damage)
        let scratch = layout.tmp.appending("rebuild")
        try removeTree(scratch)
        try HostFiles.createDirectory(scratch, mode: 0o700)
        try WriteLock(database: layout.database, timeout: .seconds(60)).withLock {
            try draft(in: scratch, for: layout, &rebuilt)
            try place(scratch, layout, &rebuilt)
        }
        try removeTree(scratch)
        let database = try StoreDatabase(path: layout.database)
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
    private static func checkAlone(in layout: StoreLayout) throws {
        for entry in try HostFiles.entries(of: layout.run) where StoreOwner.isName(entry) {
            let name = String(decoding: entry, as: UTF8.self)
            guard let file = try OpenFile.openLocked(layout.run.appending(name)) else {
                throw StorageError.inUse(root: layout.root, process: Int32(name.prefix { $0 != "." }) ?? 0)
            }
            withExtendedLifetime(file) {}
        }
    }

    /// Makes a database in a directory of its own that says what the records say.
    private static func draft(in scratch: FilePath, for layout: StoreLayout, _ rebuilt: inout RebuiltDatabase) throws {
        var rows = try StoreRecords(database: layout.database).load()
        rebuilt.hasRecords = rows.generation != nil
        if !rebuilt.hasRecords { rows.tables.merge(salvage(layout)) { own, _ in own } }
        let database = try StoreDatabase(path: scratch.appending("slipway.db"))
        let refused = try database.write { db in try fill(db, with: rows, layout) }
        try database.exclusively { db in
            guard try Int.fetchOne(db, sql: "PRAGMA wal_checkpoint(TRUNCATE)") == 0 else {
                throw StorageError.database(path: database.path, reason: "its log could not be emptied")
            }
            (rebuilt.images, rebuilt.layers, rebuilt.containers) = try (
                Int.fetchOne(db, sql: "SELECT count(*) FROM images") ?? 0,
                Int.fetchOne(db, sql: "SELECT count(*) FROM layers") ?? 0,
                Int.fetchOne(db, sql: "SELECT count(*) FROM containers") ?? 0
            )
        }
        rebuilt.losses += rows.losses + refused
        rebuilt.losses.append("the build cache and the history of builds are empty: builds run all their steps once")
    }

    private static func fill(_ db: Database, with rows: RecordedRows, _ layout: StoreLayout) throws -> [String] {
        var refused: [String] = []
        for table in RecordedTables.all {
            let columns = try RecordedTables.Columns(of: table, in: db)
            for (key, row) in (rows.tables[table] ?? [:]).sorted(by: { $0.key < $1.key }) {
                do {
                    try RecordedTables.insert(row, into: table, columns, in: db)
                } catch let error as DatabaseError where error.resultCode == .SQLITE_CONSTRAINT {
                    refused.append("\(table) \(key): something that it refers to is not there")
                }
            }
        }
        try fillFromFiles(db, greatestLayer: rows.greatestLayer, layout)
        if let store = rows.store, let generation = rows.generation {
            // One commit ahead of the records: what they belong to, and what follows.
            try db.execute(
                sql: "UPDATE generation SET store = ?, number = ?, tag = ?",
                arguments: [store, generation.number, generation.tag]
            )
        }
        return refused
    }

    /// What the files themselves tell: blobs, and which layers are unpacked.
    private static func fillFromFiles(_ db: Database, greatestLayer: Int64, _ layout: StoreLayout) throws {
        for algorithm in ["sha256", "sha384", "sha512"] {
            for name in try HostFiles.entries(of: layout.blobs.appending(algorithm)) {
                guard let digest = try? Digest(parsing: "\(algorithm):" + String(decoding: name, as: UTF8.self)),
                    let status = try HostFiles.status(of: layout.blob(digest))
                else { continue }
                try db.execute(
                    sql: "INSERT OR REPLACE INTO blobs (digest, size, created, last_used) VALUES (?, ?, ?, ?)",
                    arguments: [digest, status.size, status.modified.seconds, currentTime()]
                )
            }
        }
        var unpacked: Set<Int64> = []
        for name in try HostFiles.entries(of: layout.snapshots) {
            if let id = Int64(String(decoding: name, as: UTF8.self)) { unpacked.insert(id) }
        }
        for id in try Int64.fetchAll(db, sql: "SELECT id FROM layers WHERE unpacked") where !unpacked.contains(id) {
            try db.execute(sql: "UPDATE layers SET unpacked = 0 WHERE id = ?", arguments: [id])
        }
        // Ids are never used twice, also those of layers that are gone.
        let greatest = max(greatestLayer, unpacked.max() ?? 0)
        try db.execute(
            sql: "INSERT OR REPLACE INTO layers (id, created, last_used) VALUES (?, 0, 0)",
            arguments: [greatest + 1]
        )
        try db.execute(sql: "DELETE FROM layers WHERE id = ?", arguments: [greatest + 1])
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
    private static func salvage(_ layout: StoreLayout) -> [String: [String: String]] {
        let database = StoreDatabase(damaged: layout.database)
        var tables: [String: [String: String]] = [:]
        for table in RecordedTables.all {
            tables[table] = try? database.read { db in try RecordedTables.rows(of: table, in: db) }
        }
        return tables
    }
}
