internal import Text

/// A document inside a Dockerfile: `<<EOF` on an instruction's line and the lines up to `EOF` below it.
package struct Heredoc: Hashable, Sendable {
    /// The delimiter, without quotes.
    package let name: [UInt8]
    /// The number before `<<`, as a shell reads it, or 0.
    package let fileDescriptor: UInt
    /// False where a part of the delimiter was quoted: variables in the body then stay as they are.
    package let expands: Bool
    /// `<<-`: leading tabs of every line do not count.
    package let stripsTabs: Bool
    /// The lines of the body as they stand, line feeds included.
    package fileprivate(set) var content: [UInt8] = []
    /// The lines of the body and the delimiter's.
    package fileprivate(set) var range: SourceRange?

    /// Reads `<<EOF` and its variants.
    /// - Returns: nil where the word is something else.
    init?(word: [UInt8]) throws(ExpansionError) {
        var index = 0
        var descriptor: UInt = 0
        while index < word.count, isDigit(word[index]) {
            let (product, overflow) = descriptor.multipliedReportingOverflow(by: 10)
            descriptor = overflow ? .max : product &+ UInt(word[index] - "0")
            index += 1
        }
        guard word.dropFirst(index).starts(with: "<<") else { return nil }
        index += 2
        stripsTabs = index < word.count && word[index] == "-"
        if stripsTabs { index += 1 }
        while index < word.count, isBlank(word[index]) { index += 1 }
        let rest = Array(word[index...])
        guard !rest.isEmpty, !rest.contains("<") else { return nil }
        var expander = WordExpander()
        expander.keepsUnset = true
        let plain = try expander.expand(rest, with: Variables()).words
        guard plain.count == 1, let name = plain.first else { return nil }
        expander.keepsQuotes = true
        let raw = try expander.expand(rest, with: Variables()).words.first ?? name
        self.name = name
        fileDescriptor = descriptor
        expands = Self.quoteCount(name) == Self.quoteCount(raw)
    }

    private static func quoteCount(_ bytes: [UInt8]) -> Int {
        bytes.count { $0 == "'" || $0 == "\"" }
    }

    /// The body as a shell would see it: without leading tabs for `<<-`.
    package var effectiveContent: [UInt8] {
        guard stripsTabs else { return content }
        var result: [UInt8] = []
        var isAtStart = true
        for byte in content where !(isAtStart && byte == 0x09) {
            result.append(byte)
            isAtStart = byte == 0x0a
        }
        return result
    }

    mutating func setBody(_ content: [UInt8], at range: SourceRange) {
        self.content = content
        self.range = range
    }

    /// The heredocs that a line announces, in their order.
    static func announced(by line: [UInt8]) throws(ExpansionError) -> [Heredoc] {
        var expander = WordExpander()
        expander.keepsQuotes = true
        expander.keepsEscapes = true
        expander.keepsUnset = true
        // JSON-form arguments have no heredocs; the instruction itself reports bad text.
        guard let words = try? expander.expand(line, with: Variables()).words else { return [] }
        var found: [Heredoc] = []
        for word in words {
            if let heredoc = try Heredoc(word: word) { found.append(heredoc) }
        }
        return found
    }
}
