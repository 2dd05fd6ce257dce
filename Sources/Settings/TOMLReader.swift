internal import TOMLKit
internal import Text

/// Reads typed values of a TOML table; errors name the file and the key in full.
struct TOMLReader {
    package let table: TOMLTable
    package let file: String
    package let path: String

    var keys: [String] { table.keys.sorted() }

    package func invalid(_ key: String?, _ reason: String) -> SettingsError {
        .invalid(file: file, key: key.map(full) ?? path, reason: reason)
    }

    func refuseOthers(than known: Set<String>) throws(SettingsError) {
        if let key = keys.first(where: { !known.contains($0) }) {
            throw invalid(key, "unknown key; known here: \(known.sorted().joined(separator: ", "))")
        }
    }

    package func table(_ key: String) throws(SettingsError) -> TOMLReader? {
        guard let value = table[key] else { return nil }
        guard let inner = value.table else { throw invalid(key, "expected a table") }
        return TOMLReader(table: inner, file: file, path: full(key))
    }

    package func tables(_ key: String) throws(SettingsError) -> [TOMLReader] {
        guard let value = table[key] else { return [] }
        guard let array = value.array else { throw invalid(key, "expected an array of tables") }
        var result: [TOMLReader] = []
        for (index, element) in array.enumerated() {
            guard let inner = element.table else { throw invalid(key, "expected an array of tables") }
            result.append(TOMLReader(table: inner, file: file, path: "\(full(key))[\(index)]"))
        }
        return result
    }

    func bool(_ key: String) throws(SettingsError) -> Bool? {
        guard let value = table[key] else { return nil }
        guard let result = value.bool else { throw invalid(key, "expected true or false") }
        return result
    }

    func string(_ key: String) throws(SettingsError) -> String? {
        guard let value = table[key] else { return nil }
        guard let result = value.string else { throw invalid(key, "expected a string") }
        return result
    }

    func quantity(_ key: String) throws(SettingsError) -> SlipwayConfiguration.Quantity? {
        guard let value = table[key] else { return nil }
        if let number = value.int { return .number(Int64(number)) }
        guard let text = value.string else { throw invalid(key, "expected a number or a string") }
        return .text(text)
    }

    func strings(_ key: String) throws(SettingsError) -> [String] {
        guard let value = table[key] else { return [] }
        guard let array = value.array else { throw invalid(key, "expected an array of strings") }
        var result: [String] = []
        for element in array {
            guard let text = element.string else { throw invalid(key, "expected an array of strings") }
            result.append(text)
        }
        return result
    }

    private func full(_ key: String) -> String {
        let isBare = key.utf8.allSatisfy {
            ("a"..."z").contains($0 | 0x20) || (0x30...0x39).contains($0) || $0 == 0x5f
                || $0 == 0x2d
        }
        return (path.isEmpty ? "" : path + ".") + (isBare ? key : "\"\(key)\"")
    }
}
