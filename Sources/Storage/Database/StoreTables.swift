internal import GRDB

/// All tables of a store's database, by their owners.
package struct StoreTables: Sendable {
    /// Each after those whose rows its own refer to; the store's own tables last.
    let owners: [any TableOwner.Type]

    /// - Parameter owners: each after those whose rows its own refer to.
    package init(_ owners: [any TableOwner.Type]) { self.owners = owners + [BlobTable.self] }

    /// What keeps layers and blobs from being removed.
    package var held: HeldContent {
        HeldContent(layers: owners.flatMap { $0.heldLayers }, blobs: owners.flatMap { $0.heldBlobs })
    }

    var recorded: RecordedTables { RecordedTables(tables: owners.flatMap { $0.recordedTables }) }

    // MARK: Schema

    /// `PRAGMA user_version` of a database that has all migrations.
    var version: Int { migrations.count }

    static func version(in db: Database) throws -> Int { try Int.fetchOne(db, sql: "PRAGMA user_version") ?? 0 }

    /// The names of all migrations, in the order in which a new database gets them.
    package var migrationNames: [String] { migrations.map(\.name) }

    /// The migrations of all owners; those of one name are one.
    private var migrations: [(name: String, parts: [Migration])] {
        let all = owners.flatMap { $0.migrations }
        let parts = Dictionary(grouping: all, by: \.name)
        var seen: Set<String> = []
        return all.map(\.name).filter { seen.insert($0).inserted }.map { ($0, parts[$0] ?? []) }
    }

    /// Applies what is missing, each migration in a transaction of its own.
    ///
    /// The caller holds the write lock.
    func migrate(_ queue: DatabaseQueue) throws {
        var migrator = DatabaseMigrator()
        let recorded = recorded
        for (name, parts) in migrations {
            migrator.registerMigration(name) { db in
                for part in parts { try part.apply(db) }
                // The triggers follow the tables, whatever columns they have now.
                try recorded.makeTriggers(in: db)
                let earlier = try Int.fetchOne(db, sql: "SELECT count(*) FROM grdb_migrations") ?? 0
                try db.execute(sql: "PRAGMA user_version = \(earlier + 1)")
            }
        }
        try migrator.migrate(queue)
    }

    // MARK: What all owners do

    func collect(_ garbage: inout CollectedGarbage, keeping held: HeldContent, in db: Database) throws {
        for owner in owners { try owner.collect(keeping: held, into: &garbage, in: db) }
    }

    func layersWithFiles(in db: Database) throws -> Set<LayerID> {
        try owners.reduce(into: []) { $0.formUnion(try $1.layersWithFiles(in: db)) }
    }

    func forgetFiles(of layer: LayerID, in db: Database) throws {
        for owner in owners { try owner.forgetFiles(of: layer, in: db) }
    }

    func names(ofUsersOf layer: LayerID, in db: Database) throws -> [String] {
        try owners.flatMap { try $0.names(ofUsersOf: layer, in: db) }
    }

    func problems(in db: Database, _ layout: StoreLayout) throws -> [StoreProblem] {
        try owners.flatMap { try $0.problems(in: db, layout) }
    }

    /// Takes out of the database what can no longer be had, and what is made of it.
    /// - Returns: what was lost, each as a sentence.
    func removeLost(in db: Database) throws -> [String] {
        let lost = LostContent(layers: try lostLayers(in: db).sorted(), held: held)
        // What refers to others goes before them.
        return try owners.reversed().flatMap { try $0.removeLost(lost, in: db) }
    }

    /// The layers that can no longer be had.
    func lostLayers(in db: Database) throws -> Set<LayerID> { Set(try owners.flatMap { try $0.lostLayers(in: db) }) }

    /// Takes out of the database what cannot be without lost layers, but for what was reported to somebody.
    func removeUnreported(_ layers: Set<LayerID>, in db: Database) throws {
        if layers.isEmpty { return }
        let lost = LostContent(layers: layers.sorted(), held: held)
        for owner in owners.reversed() { try owner.removeUnreported(lost, in: db) }
    }

    func restore(_ ids: RecordedIDs, from layout: StoreLayout, in db: Database) throws {
        for owner in owners { try owner.restore(ids, from: layout, in: db) }
    }

    /// How many rows the tables have that people count.
    func counts(in db: Database) throws -> [String: Int] {
        try owners.flatMap { $0.countedTables }.reduce(into: [:]) { counts, table in
            counts[table] = try Int.fetchOne(db, sql: "SELECT count(*) FROM \(table)")
        }
    }
}

/// Content that can no longer be had.
package struct LostContent: Sendable {
    package let layers: [LayerID]
    /// What rows still hold of it.
    package let held: HeldContent
}
