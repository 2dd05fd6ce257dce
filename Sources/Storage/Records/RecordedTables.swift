internal import GRDB
internal import Text

/// The tables whose rows are recorded outside of the database too, and how: triggers write each changed row into `changes`,
/// from where its commit takes it.
///
/// Which they are, their owners say. Not recorded is what a build finds out again: the cache, the history, downloads, digests of
/// files; nor `blobs`, which the files themselves tell.
struct RecordedTables: Sendable {
    /// In the order in which their rows refer to each other.
    let tables: [RecordedTable]

    var shared: [String] { tables.filter { $0.directoryColumn == nil }.map(\.name) }
    /// Recorded in a directory of `containers/` each; the second column's value is the directory's name.
    var apart: [(table: String, id: String)] {
        tables.compactMap { table in table.directoryColumn.map { (table.name, $0) } }
    }

    var all: [String] { shared + apart.map(\.table) }

    /// The columns of a table, those of its key first.
    struct Columns {
        let key: [String]
        let all: [String]

        init(of table: String, in db: Database) throws {
            let columns = try TableColumn.fetchAll(
                db,
                sql: "SELECT name, pk FROM pragma_table_info(?) ORDER BY cid",
                arguments: [table]
            )
            all = columns.map(\.name)
            key = columns.filter { $0.pk > 0 }.sorted { $0.pk < $1.pk }.map(\.name)
        }

        private struct TableColumn: Decodable, FetchableRecord {
            let name: String
            /// The place in the key, from 1 on; 0 for a column that is not part of it.
            let pk: Int
        }

        /// SQL for the key as a JSON array, of a row that is called `row`.
        func keyText(_ row: String) -> String {
            "json_array(" + key.map { "\(row).\($0)" }.joined(separator: ", ") + ")"
        }

        /// SQL for the row as a JSON object.
        func rowText(_ row: String) -> String {
            "json_object(" + all.map { "'\($0)', \(row).\($0)" }.joined(separator: ", ") + ")"
        }

        /// SQL for the line that says that a row is there.
        func line(_ table: String, _ row: String) -> String {
            "'+\(table)' || char(9) || \(keyText(row)) || char(9) || \(rowText(row))"
        }
    }

    /// Makes the triggers for the tables as they are now, once there is something for them to write to.
    func makeTriggers(in db: Database) throws {
        guard try db.tableExists("changes") else { return }
        for table in shared where try db.tableExists(table) {
            let columns = try Columns(of: table, in: db)
            let gone = "SELECT '-\(table)' || char(9) || \(columns.keyText("OLD"))"
            let there = "SELECT \(columns.line(table, "NEW"))"
            // A row whose key changes is another row.
            let moved = "\(gone) WHERE \(columns.keyText("OLD")) <> \(columns.keyText("NEW"))"
            try Self.make(table, "INSERT", [there], in: db)
            try Self.make(table, "UPDATE", [moved, there], in: db)
            try Self.make(table, "DELETE", [gone], in: db)
        }
        for (table, id) in apart where try db.tableExists(table) {
            try Self.make(table, "INSERT", ["SELECT '*' || NEW.\(id)"], in: db)
            try Self.make(table, "UPDATE", ["SELECT '*' || NEW.\(id)"], in: db)
            try Self.make(table, "DELETE", ["SELECT '*' || OLD.\(id)"], in: db)
        }
    }

    private static func make(_ table: String, _ event: String, _ lines: [String], in db: Database) throws {
        let name = "record_\(table)_\(event.lowercased())"
        let values = lines.map { "INSERT INTO changes (line) \($0);" }.joined(separator: " ")
        try db.execute(sql: "DROP TRIGGER IF EXISTS \(name)")
        try db.execute(sql: "CREATE TRIGGER \(name) AFTER \(event) ON \(table) BEGIN \(values) END")
    }

    // MARK: Reading rows

    /// Every row of the shared tables, each as a line.
    func lines(in db: Database) throws -> [UInt8] {
        var lines: [UInt8] = []
        for table in shared {
            let sql = "SELECT \(try Columns(of: table, in: db).line(table, "t")) FROM \(table) AS t"
            let rows = try String.fetchCursor(db, sql: sql)
            while let line = try rows.next() { lines += "\(line)\n" }
        }
        return lines
    }

    /// The rows that are recorded in one directory, each as a line; empty where they are gone.
    func lines(ofDirectory directory: String, in db: Database) throws -> [UInt8] {
        try apart.flatMap { table, id in
            let line = try Columns(of: table, in: db).line(table, "t")
            let sql = "SELECT \(line) FROM \(table) AS t WHERE t.\(id) = ?"
            return try String.fetchAll(db, sql: sql, arguments: [directory]).flatMap { row -> [UInt8] in
                "\(row)\n"
            }
        }
    }

    /// Every row of every recorded table, as records hold it.
    func rows(in db: Database) throws -> [String: [String: String]] {
        try all.reduce(into: [:]) { tables, table in tables[table] = try Self.rows(of: table, in: db) }
    }

    /// The directories that rows are recorded in.
    func directories(in db: Database) throws -> [String] {
        try apart.reduce(into: Set()) { directories, table in
            directories.formUnion(try String.fetchSet(db, sql: "SELECT \(table.id) FROM \(table.table)"))
        }.sorted()
    }

    /// The greatest ids that shared tables ever gave out, of those that never give one out twice.
    func greatestIDs(in db: Database) throws -> RecordedIDs {
        let counters = try Counter.fetchAll(db, sql: "SELECT name, seq FROM sqlite_sequence")
        let greatest = Dictionary(counters.map { ($0.name, $0.seq) }) { max($0, $1) }
        return RecordedIDs(greatest: greatest.filter { shared.contains($0.key) })
    }

    /// The last id that SQLite gave out in a table.
    private struct Counter: Decodable, FetchableRecord {
        let name: String
        let seq: Int64
    }

    /// A row as records hold it: its key and all of it, in JSON.
    private struct RecordedText: Decodable, FetchableRecord {
        let id: String
        let content: String
    }

    static func rows(of table: String, in db: Database) throws -> [String: String] {
        let columns = try Columns(of: table, in: db)
        let cursor = try RecordedText.fetchCursor(
            db,
            sql: "SELECT \(columns.keyText("t")) AS id, \(columns.rowText("t")) AS content FROM \(table) AS t"
        )
        var rows: [String: String] = [:]
        while let row = try cursor.next() { rows[row.id] = row.content }
        return rows
    }

    /// Writes a recorded row into the database; columns that the record does not know keep their defaults.
    static func insert(_ row: String, into table: String, _ known: Columns, in db: Database) throws {
        let keys = try String.fetchAll(try db.cachedStatement(sql: "SELECT key FROM json_each(?)"), arguments: [row])
        let columns = keys.filter(known.all.contains)
        let values = columns.map { "json_extract(?1, '$.\($0)')" }.joined(separator: ", ")
        let statement = try db.cachedStatement(
            sql: "INSERT OR REPLACE INTO \(table) (\(columns.joined(separator: ", "))) SELECT \(values)"
        )
        try statement.execute(arguments: [row])
    }
}
