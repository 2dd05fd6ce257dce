/// The tables of a document while it is read, with the rules on who may add to which.
struct TOMLTree {
    /// What keys and headers ask of the tree and may not have.
    struct Conflict: Error {
        let reason: String
    }

    /// How a table came to be, which decides who may add to it.
    private enum Origin {
        /// `[a]`, an element of `[[a]]`, or the document itself.
        case header
        /// `a` of `[a.b]`: a header of its own may follow.
        case longerHeader
        /// `a` of `a.b = 1`.
        case dottedKey
    }

    private enum Entry {
        case value(TOMLValue)
        case table(Int)
        /// The number of an array of tables.
        case elements(Int)
    }

    private struct Table {
        var origin: Origin
        let depth: Int
        var entries: [String: Entry] = [:]
    }

    /// How many tables and arrays may be inside each other, so that values can be walked by recursion.
    static let depthLimit = 64
    static let tooDeep = "values are nested more than \(depthLimit) deep"

    private var tables: [Table]
    private var arrays: [[Int]] = []

    /// A tree whose root, table 0, has that many tables and arrays around it.
    init(depth: Int = 0) { tables = [Table(origin: .header, depth: depth)] }

    func depth(of table: Int) -> Int { tables[table].depth }

    /// Gives a key of a table its value; a dotted key makes the tables on its way.
    mutating func add(_ value: TOMLValue, at key: [String], in table: Int) throws(Conflict) {
        var table = table
        for (index, part) in key.dropLast().enumerated() {
            switch tables[table].entries[part] {
            case nil: table = makeTable(part, in: table, origin: .dottedKey)
            case .table(let next)? where tables[next].origin == .dottedKey: table = next
            case .table?, .elements?, .value?:
                throw Conflict(
                    reason: "\(TOMLValue.written(key[...index])) is defined already, and cannot be added to here"
                )
            }
        }
        guard let last = key.last, tables[table].entries[last] == nil else { throw Self.twice(key) }
        tables[table].entries[last] = .value(value)
    }

    /// The table that a header `[key]` begins.
    mutating func open(_ key: [String]) throws(Conflict) -> Int {
        let (parent, last) = try parent(key)
        switch tables[parent].entries[last] {
        case nil: return makeTable(last, in: parent, origin: .header)
        case .table(let table)? where tables[table].origin == .longerHeader:
            tables[table].origin = .header
            return table
        case .table?, .elements?, .value?: throw Self.twice(key)
        }
    }

    /// The element that a header `[[key]]` begins.
    mutating func openElement(_ key: [String]) throws(Conflict) -> Int {
        let (parent, last) = try parent(key)
        let array: Int
        switch tables[parent].entries[last] {
        case nil:
            array = arrays.count
            arrays.append([])
            tables[parent].entries[last] = .elements(array)
        case .elements(let number)?: array = number
        case .table?, .value?: throw Conflict(reason: "\(TOMLValue.written(key)) is not an array of tables")
        }
        arrays[array].append(tables.count)
        tables.append(Table(origin: .header, depth: tables[parent].depth + 2))
        return tables.count - 1
    }

    /// A table and all that is in it as values.
    func values(of table: Int = 0) -> [String: TOMLValue] {
        tables[table].entries.mapValues { entry in
            switch entry {
            case .value(let value): value
            case .table(let inner): .table(values(of: inner))
            case .elements(let array): .array(arrays[array].map { .table(values(of: $0)) })
            }
        }
    }

    /// The table that holds the last part of a header's key; of an array of tables it is the last element.
    private mutating func parent(_ key: [String]) throws(Conflict) -> (table: Int, last: String) {
        var table = 0
        for (index, part) in key.dropLast().enumerated() {
            switch tables[table].entries[part] {
            case nil: table = makeTable(part, in: table, origin: .longerHeader)
            case .table(let next)?: table = next
            case .elements(let array)?: table = arrays[array].last ?? table
            case .value?:
                throw Conflict(reason: "\(TOMLValue.written(key[...index])) is a value and cannot be added to")
            }
            guard tables[table].depth < Self.depthLimit else { throw Conflict(reason: Self.tooDeep) }
        }
        return (table, key.last ?? "")
    }

    private mutating func makeTable(_ part: String, in parent: Int, origin: Origin) -> Int {
        tables[parent].entries[part] = .table(tables.count)
        tables.append(Table(origin: origin, depth: tables[parent].depth + 1))
        return tables.count - 1
    }

    private static func twice(_ key: [String]) -> Conflict {
        Conflict(reason: "\(TOMLValue.written(key)) is defined twice")
    }
}
