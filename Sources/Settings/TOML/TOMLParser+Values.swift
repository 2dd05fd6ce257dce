internal import Text

extension TOMLParser {
    /// Reads a value that has that many tables and arrays around it.
    mutating func value(depth: Int) throws(TOMLError) -> TOMLValue {
        guard depth <= TOMLTree.depthLimit else { throw error(TOMLTree.tooDeep) }
        switch next {
        case "\"", "'": return .string(try string())
        case "[": return .array(try array(depth: depth))
        case "{": return .table(try inlineTable(depth: depth))
        default: return try scalar()
        }
    }

    private mutating func array(depth: Int) throws(TOMLError) -> [TOMLValue] {
        let start = position
        position += 1
        var elements: [TOMLValue] = []
        try skipLines()
        while !skip("]") {
            guard !isAtEnd else { throw error("the array that begins here has no end", at: start) }
            elements.append(try value(depth: depth + 1))
            try skipLines()
            if skip(",") {
                try skipLines()
            } else if next != "]", !isAtEnd {
                throw error("expected , or ] after a value of an array")
            }
        }
        return elements
    }

    /// Passes over blanks, comments and ends of lines.
    private mutating func skipLines() throws(TOMLError) {
        while true {
            skipBlanks()
            try skipComment()
            guard newlineLength > 0 else { return }
            position += newlineLength
        }
    }

    /// Reads a table in braces, which stands on one line.
    private mutating func inlineTable(depth: Int) throws(TOMLError) -> [String: TOMLValue] {
        position += 1
        skipBlanks()
        var tree = TOMLTree(depth: depth)
        guard !skip("}") else { return [:] }
        repeat {
            skipBlanks()
            try assignment(to: &tree, table: 0)
            skipBlanks()
        } while skip(",")
        guard skip("}") else { throw error("expected , or } after a value of an inline table") }
        return tree.values()
    }

    /// Reads a number, a date, `true` or `false`.
    private mutating func scalar() throws(TOMLError) -> TOMLValue {
        let start = position
        skipWord()
        // Between date and time of day there may be a space.
        if TOMLDate.isDay(bytes[start..<position]), next == " ", isDigit(bytes.dropFirst(position + 1).first ?? 0) {
            position += 1
            skipWord()
        }
        let word = bytes[start..<position]
        if word == "true" { return .boolean(true) }
        if word == "false" { return .boolean(false) }
        if TOMLDate.isDate(word) { return .date(word.displayText) }
        if let value = TOMLNumber.value(word) { return value }
        if TOMLNumber.isInteger(word) { throw error("the number does not fit 64 bits", at: start) }
        throw error(word.isEmpty ? "expected a value" : "expected a value: strings have quotes", at: start)
    }

    /// Passes over what may be part of numbers, dates and words.
    private mutating func skipWord() {
        while Self.isBare(next) || next == "+" || next == "." || next == ":" { position += 1 }
    }

    static func isHexDigit(_ byte: UInt8) -> Bool { isDigit(byte) || ("a"..."f").contains(byte | 0x20) }
}
