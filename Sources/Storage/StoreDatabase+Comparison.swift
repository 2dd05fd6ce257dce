internal import GRDB

/// What a comparison of a database with its records found.
enum RecordComparison: Hashable, Sendable {
    case agree
    /// Some commits are not recorded yet, as after a crash.
    case behind
    /// The records cannot be relied on.
    case damaged(String)
    /// Sound records say something else than the database.
    case differ(String)
}

extension StoreDatabase {
    /// Compares every row with what is recorded of it.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    func comparisonWithRecords() throws -> RecordComparison {
        try exclusively { db in
            let recorded = try records.load()
            if let damage = recorded.damage { return .damaged(damage) }
            guard let own = try Identity(in: db) else { return .differ("it does not say which store it belongs to") }
            guard recorded.store == own.store else { return .differ("its records are those of another store") }
            guard recorded.generation == own.generation else { return .behind }
            let rows = try RecordedTables.rows(in: db)
            for table in RecordedTables.shared where rows[table, default: [:]] != recorded.tables[table, default: [:]] {
                return .differ("its table \(table) is not what was written")
            }
            let containers = rows["containers", default: [:]]
            for (key, row) in containers where recorded.tables["containers"]?[key] != row {
                return .damaged("the record of container \(key) is missing or damaged")
            }
            return .agree
        }
    }
}
