internal import GRDB

/// The tables whose rows are recorded outside of the database too, and how: triggers write each changed row into `changes`,
/// from where its commit takes it.
///
/// Not recorded is what a build finds out again: the cache, the history, downloads, digests of files; nor `blobs`, which the
/// files themselves tell.
enum RecordedTables {
    /// In the order in which their rows refer to each other.
    static let shared = [
        "layers", "layer_blobs", "remote_layers", "derived_layers", "blob_sources", "images", "image_names",
        "image_digests", "image_layers", "image_members",
    ]
    /// Recorded beside each container; the second column's value is the container's id.
    static let ofContainers = [(table: "containers", id: "id"), (table: "container_layers", id: "container_id")]

    static var all: [String] { shared + ofContainers.map(\.table) }

    /// The columns of a table, those of its key first.
    struct Columns {
        let key: [String]
        let all: [String]

        init(of table: String, in db: Database) throws {
            let rows = try Row.fetchAll(
                db,
                sql: "SELECT name, pk FROM pragma_table_info(?) ORDER BY cid",
                arguments: [table]
            )
            all = rows.map { $0[0] }
            key = rows.filter { ($0[1] as Int) > 0 }.sorted { ($0[1] as Int) < ($1[1] as Int) }.map { $0[0] }
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

    /// Makes the triggers for the tables as they are now.
    static func makeTriggers(in db: Database) throws {
        for table in shared {
            let columns = try Columns(of: table, in: db)
            let gone = "SELECT '-\(table)' || char(9) || \(columns.keyText("OLD"))"
            let there = "SELECT \(columns.line(table, "NEW"))"
            // A row whose key changes is another row.
            let moved = "\(gone) WHERE \(columns.keyText("OLD")) <> \(columns.keyText("NEW"))"
            try make(table, "INSERT", [there], in: db)
            try make(table, "UPDATE", [moved, there], in: db)
            try make(table, "DELETE", [gone], in: db)
        }
        for (table, id) in ofContainers {
            try make(table, "INSERT", ["SELECT '*' || NEW.\(id)"], in: db)
            try make(table, "UPDATE", ["SELECT '*' || NEW.\(id)"], in: db)
            try make(table, "DELETE", ["SELECT '*' || OLD.\(id)"], in: db)
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
    static func lines(in db: Database) throws -> [UInt8] {
        var lines: [UInt8] = []
        for table in shared {
            let sql = "SELECT \(try Columns(of: table, in: db).line(table, "t")) FROM \(table) AS t"
            let rows = try String.fetchCursor(db, sql: sql)
            while let line = try rows.next() { lines += Array(line.utf8) + [UInt8(ascii: "\n")] }
        }
        return lines
    }

    /// The rows of one container, each as a line; empty where it is gone.
    static func lines(ofContainer container: String, in db: Database) throws -> [UInt8] {
        try ofContainers.flatMap { table, id in
            let line = try Columns(of: table, in: db).line(table, "t")
            let sql = "SELECT \(line) FROM \(table) AS t WHERE t.\(id) = ?"
            return try String.fetchAll(db, sql: sql, arguments: [container]).flatMap {
                Array($0.utf8) + [UInt8(ascii: "\n")]
            }
        }
    }

    /// Every row of every recorded table, as records hold it.
    static func rows(in db: Database) throws -> [String: [String: String]] {
        try all.reduce(into: [:]) { tables, table in tables[table] = try rows(of: table, in: db) }
    }

    static func rows(of table: String, in db: Database) throws -> [String: String] {
        let columns = try Columns(of: table, in: db)
        let cursor = try Row.fetchCursor(
            db,
            sql: "SELECT \(columns.keyText("t")), \(columns.rowText("t")) FROM \(table) AS t"
        )
        var rows: [String: String] = [:]
        while let row = try cursor.next() { rows[row[0]] = row[1] }
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
