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
            var records = try records.load()
            if let damage = records.damage { return .damaged(damage) }
            guard let own = try Identity.read(in: db) else {
                return .differ("it does not name its store")
            }
            guard records.store == own.store else { return .differ("its records are those of another store") }
            guard records.generation == own.generation else { return .behind }
            records.apply(try unrecordedLines(in: db))
            let rows = try recorded.rows(in: db)
            for table in recorded.shared where rows[table, default: [:]] != records.tables[table, default: [:]] {
                return .differ("its table \(table) differs from what was written")
            }
            for (table, _) in recorded.apart {
                for (key, row) in rows[table, default: [:]] where records.tables[table]?[key] != row {
                    return .damaged("the record of container \(key) is missing or damaged")
                }
            }
            return .agree
        }
    }
}
