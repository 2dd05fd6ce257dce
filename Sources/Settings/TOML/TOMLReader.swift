/// Reads typed values of a TOML table; errors name the file and the key in full.
struct TOMLReader {
    package let table: [String: TOMLValue]
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
        guard case .table(let inner) = value else { throw invalid(key, "expected a table") }
        return TOMLReader(table: inner, file: file, path: full(key))
    }

    package func tables(_ key: String) throws(SettingsError) -> [TOMLReader] {
        guard let value = table[key] else { return [] }
        guard case .array(let array) = value else { throw invalid(key, "expected an array of tables") }
        var result: [TOMLReader] = []
        for (index, element) in array.enumerated() {
            guard case .table(let inner) = element else { throw invalid(key, "expected an array of tables") }
            result.append(TOMLReader(table: inner, file: file, path: "\(full(key))[\(index)]"))
        }
        return result
    }

    func bool(_ key: String) throws(SettingsError) -> Bool? {
        guard let value = table[key] else { return nil }
        guard case .boolean(let result) = value else { throw invalid(key, "expected true or false") }
        return result
    }

    func string(_ key: String) throws(SettingsError) -> String? {
        guard let value = table[key] else { return nil }
        guard case .string(let result) = value else { throw invalid(key, "expected a string") }
        return result
    }

    func quantity(_ key: String) throws(SettingsError) -> SlipwayConfiguration.Quantity? {
        guard let value = table[key] else { return nil }
        switch value {
        case .integer(let number): return .number(number)
        case .string(let text): return .text(text)
        case .float, .boolean, .date, .array, .table: throw invalid(key, "expected a number or a string")
        }
    }

    func strings(_ key: String) throws(SettingsError) -> [String] {
        guard let value = table[key] else { return [] }
        guard case .array(let array) = value else { throw invalid(key, "expected an array of strings") }
        var result: [String] = []
        for element in array {
            guard case .string(let text) = element else { throw invalid(key, "expected an array of strings") }
            result.append(text)
        }
        return result
    }

    private func full(_ key: String) -> String {
        (path.isEmpty ? "" : path + ".") + TOMLValue.written([key])
    }
}
