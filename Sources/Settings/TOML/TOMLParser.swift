internal import Text

/// Reads a document from its beginning to its end: lines, headers and keys.
struct TOMLParser {
    let bytes: [UInt8]
    var position = 0

    init(_ text: String) { bytes = Array(text.utf8) }

    mutating func document() throws(TOMLError) -> [String: TOMLValue] {
        // A byte order mark is no part of the text.
        if bytes.starts(with: [0xef, 0xbb, 0xbf]) { position = 3 }
        var tree = TOMLTree()
        /// The table to which the lines that follow belong.
        var table = 0
        while !isAtEnd {
            skipBlanks()
            if next == "[" {
                table = try header(in: &tree)
            } else if !isAtEnd, next != "#", newlineLength == 0 {
                try assignment(to: &tree, table: table)
            }
            try endLine()
        }
        return tree.values()
    }

    private mutating func header(in tree: inout TOMLTree) throws(TOMLError) -> Int {
        let start = position
        position += 1
        let isElement = skip("[")
        skipBlanks()
        let key = try key(of: "the name of a table")
        guard skip("]"), !isElement || skip("]") else {
            throw error("expected \(isElement ? "]]" : "]") after the name of the table")
        }
        do {
            return try isElement ? tree.openElement(key) : tree.open(key)
        } catch {
            throw self.error(error.reason, at: start)
        }
    }

    /// Reads `key = value` into a table of a tree: the document's, or the one of an inline table.
    mutating func assignment(to tree: inout TOMLTree, table: Int) throws(TOMLError) {
        let start = position
        let key = try key(of: "a key")
        guard skip("=") else { throw error("expected = after the key") }
        skipBlanks()
        let value = try value(depth: tree.depth(of: table) + key.count)
        do {
            try tree.add(value, at: key, in: table)
        } catch {
            throw self.error(error.reason, at: start)
        }
    }

    /// Reads a key with the blanks behind it.
    private mutating func key(of what: String) throws(TOMLError) -> [String] {
        var parts = [try keyPart(of: what)]
        skipBlanks()
        while skip(".") {
            guard parts.count < TOMLTree.depthLimit else { throw error(TOMLTree.tooDeep) }
            skipBlanks()
            parts.append(try keyPart(of: what))
            skipBlanks()
        }
        return parts
    }

    private mutating func keyPart(of what: String) throws(TOMLError) -> String {
        if next == "\"" || next == "'" { return try line() }
        let start = position
        while Self.isBare(next) { position += 1 }
        guard position > start else { throw error("expected \(what)") }
        return text(from: start)
    }

    /// Whether a byte may stand in a key without quotes.
    static func isBare(_ byte: UInt8) -> Bool { isLetter(byte) || isDigit(byte) || byte == "_" || byte == "-" }
}

// MARK: Single bytes

extension TOMLParser {
    var isAtEnd: Bool { position >= bytes.count }

    /// The byte to be read; NUL, which no document may have, at the end.
    var next: UInt8 { isAtEnd ? 0 : bytes[position] }

    /// The length of the end of the line that is here, or 0.
    var newlineLength: Int {
        if next == "\n" { return 1 }
        return bytes[position...].starts(with: "\r\n") ? 2 : 0
    }

    mutating func skip(_ byte: UInt8) -> Bool {
        guard next == byte else { return false }
        position += 1
        return true
    }

    mutating func skipBlanks() {
        while next == " " || next == "\t" { position += 1 }
    }

    /// Reads what may follow on a line that is complete, and its end.
    private mutating func endLine() throws(TOMLError) {
        skipBlanks()
        try skipComment()
        guard isAtEnd || newlineLength > 0 else { throw error("expected the end of the line") }
        position += newlineLength
    }

    mutating func skipComment() throws(TOMLError) {
        guard next == "#" else { return }
        while !isAtEnd, newlineLength == 0 { try skipCharacter() }
    }

    /// Reads one byte of a comment or a string.
    mutating func skipCharacter() throws(TOMLError) {
        guard next == "\t" || (next >= 0x20 && next != 0x7f) else { throw error("a control character must be escaped") }
        position += 1
    }

    func text(from start: Int) -> String { String(decoding: bytes[start..<position], as: UTF8.self) }

    /// A mistake at a place, or here.
    func error(_ reason: String, at place: Int? = nil) -> TOMLError {
        let before = bytes[..<(place ?? position)]
        let line = before.suffix(from: before.lastIndex(of: "\n").map { $0 + 1 } ?? 0)
        // Bytes that continue a character do not count.
        let column = line.count { $0 & 0xc0 != 0x80 }
        return TOMLError(line: before.count { $0 == "\n" } + 1, column: column + 1, reason: reason)
    }
}
