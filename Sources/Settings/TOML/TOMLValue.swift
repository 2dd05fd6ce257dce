internal import Text

/// A value of a TOML 1.0 document (https://toml.io/en/v1.0.0).
package enum TOMLValue: Hashable, Sendable {
    case string(String)
    case integer(Int64)
    case float(Double)
    case boolean(Bool)
    /// A date, a time of day or both, as the document has it.
    case date(String)
    case array([TOMLValue])
    case table([String: TOMLValue])

    /// The table that is the whole document.
    /// - Throws: `TOMLError` at the first mistake. No text ends the process, however deep it nests.
    package static func table(parsing text: String) throws(TOMLError) -> [String: TOMLValue] {
        var parser = TOMLParser(text)
        return try parser.document()
    }

    /// A key as a document would have it, fit for a message.
    static func written(_ key: some Collection<String>) -> String {
        key.map { part in
            let isBare = !part.isEmpty && part.utf8.allSatisfy(TOMLParser.isBare)
            return isBare ? part : "\"\(escapedForDisplay(Array(part.utf8)))\""
        }
        .joined(separator: ".")
    }
}

/// Where a TOML document breaks the grammar, and how.
package struct TOMLError: Error, Hashable, Sendable, CustomStringConvertible {
    /// Counted from 1.
    package let line: Int
    /// In characters, counted from 1.
    package let column: Int
    package let reason: String

    package var description: String { "line \(line), column \(column): \(reason)" }
}
