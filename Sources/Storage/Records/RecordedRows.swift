internal import OCI
internal import Text

/// The rows that records hold, as JSON texts by the JSON of their keys.
struct RecordedRows: Sendable {
    /// By table and key.
    var tables: [String: [String: String]] = [:]
    /// The identity of the store.
    var store: String?
    /// The greatest ids that were ever given out.
    var ids = RecordedIDs()
    /// How far the records go.
    var generation: Generation?
    /// What is wrong with the file of records; nil for nothing.
    var damage: String?
    /// Directories of containers whose record is missing or damaged.
    var lostContainers: [String] = []

    /// What is missing, each as a sentence.
    var losses: [String] {
        let containers = lostContainers.map {
            "container \($0): its record is missing or damaged; its files are where they were"
        }
        return (damage.map { [$0 + ": their content is lost"] } ?? []) + containers
    }

    /// Reads frames as far as they are whole.
    mutating func read(_ bytes: [UInt8]) {
        var rest = bytes[...]
        while !rest.isEmpty {
            guard let frame = RecordFrame(at: rest), frame.kind == .everything || generation != nil,
                frame.kind == .everything || frame.generation.number == (generation?.number ?? -1) + 1
            else {
                damage = "its records are damaged from byte \(rest.startIndex) of \(bytes.count) on"
                return
            }
            if frame.kind == .everything { tables = [:] }
            apply(frame.content)
            generation = frame.generation
            rest = rest.dropFirst(frame.size)
        }
        if generation == nil { damage = "its file of records is empty" }
    }

    /// Reads the record of a container.
    mutating func readContainer(named name: String, _ bytes: [UInt8]?) {
        guard let bytes, let frame = RecordFrame(at: bytes[...]), frame.size == bytes.count else {
            lostContainers.append(name)
            return
        }
        apply(frame.content)
    }

    /// Applies lines that no frame has yet.
    mutating func apply(_ lines: [String]) { apply(Array(lines.joined(separator: "\n").utf8)) }

    private mutating func apply(_ content: [UInt8]) {
        for line in content.split(separator: "\n") {
            let text = String(decoding: line.dropFirst(), as: UTF8.self)
            let parts = text.split(separator: "\t", maxSplits: 2).map(String.init)
            switch (line.first.map { UnicodeScalar($0) }, parts.count) {
            case ("+", 3):
                tables[parts[0], default: [:]][parts[1]] = parts[2]
                // Of a key that is one number.
                note(parts[0], id: Int64(parts[1].dropFirst().dropLast()))
            case ("-", 2): tables[parts[0]]?[parts[1]] = nil
            case ("=", 2) where parts[0] == "store": store = parts[1]
            case ("=", 2): note(parts[0], id: Int64(parts[1]))
            default: continue
            }
        }
    }

    private mutating func note(_ table: String, id: Int64?) {
        guard let id else { return }
        ids.greatest[table] = max(ids.greatest(of: table), id)
    }
}
