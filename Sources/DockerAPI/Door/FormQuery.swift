internal import Text

/// The parameters of a request's query, as HTML forms are sent.
package struct FormQuery: Sendable, Hashable {
    private let values: [String: [String]]

    /// - Throws: `DockerAPIError.invalidQuery` where an escape is broken.
    package init(parsing text: String) throws(DockerAPIError) {
        var values: [String: [String]] = [:]
        for pair in text.utf8.split(separator: "&") {
            let parts = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            let name = try Self.unescaped(parts[0])
            values[name, default: []].append(parts.count > 1 ? try Self.unescaped(parts[1]) : "")
        }
        self.values = values
    }

    /// The first value of a parameter; empty if it is missing.
    package subscript(name: String) -> String { values[name]?.first ?? "" }

    /// All values of a parameter.
    package func all(_ name: String) -> [String] { values[name] ?? [] }

    /// A truth value as Docker reads it: whatever is not a word for no.
    package func truth(_ name: String) -> Bool {
        !["", "0", "no", "false", "none"].contains(self[name].filter { !$0.isWhitespace }.lowercased())
    }

    /// A number; nil where it is 0 or not given.
    package func number(_ name: String) throws(DockerAPIError) -> Int64? {
        let text = self[name]
        if text.isEmpty { return nil }
        guard let number = Int64(text) else { throw .invalidNumber(parameter: name, value: text) }
        return number == 0 ? nil : number
    }

    /// A path without its escapes.
    /// - Throws: `DockerAPIError.invalidQuery` where one is broken.
    static func unescapedPath(_ text: String) throws(DockerAPIError) -> String {
        text.utf8.contains("%") ? try unescaped(text.utf8, plusIsBlank: false) : text
    }

    private static func unescaped(
        _ text: some Sequence<UInt8>,
        plusIsBlank: Bool = true
    ) throws(DockerAPIError) -> String {
        var bytes: [UInt8] = []
        var rest = Array(text)[...]
        while let byte = rest.popFirst() {
            switch byte {
            case "+": bytes.append(plusIsBlank ? " " : byte)
            case "%":
                let digits = String(decoding: rest.prefix(2), as: UTF8.self)
                guard digits.utf8.count == 2, digits.allSatisfy(\.isHexDigit), let value = UInt8(digits, radix: 16)
                else {
                    throw .invalidQuery("%" + digits)
                }
                bytes.append(value)
                rest = rest.dropFirst(2)
            default: bytes.append(byte)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
