internal import Text

extension TOMLParser {
    /// Reads a string of any of the four kinds.
    mutating func string() throws(TOMLError) -> String {
        guard bytes[position...].starts(with: [next, next, next]) else { return try line() }
        let start = position
        let quote = next
        position += 3
        position += newlineLength
        var text: [UInt8] = []
        while !isAtEnd {
            if next == quote {
                // One or two quotes may stand before the three that end the string.
                let count = bytes[position...].prefix(5).prefix { $0 == quote }.count
                position += count
                text += Array(repeating: quote, count: count < 3 ? count : count - 3)
                if count >= 3 { return String(decoding: text, as: UTF8.self) }
            } else if next == "\\", quote == "\"" {
                if !skipLineContinuation() { text += try escape() }
            } else if newlineLength > 0 {
                text += bytes[position..<(position + newlineLength)]
                position += newlineLength
            } else {
                text.append(next)
                try skipCharacter()
            }
        }
        throw error("the string that begins here has no end", at: start)
    }

    /// Reads a string that ends on its line, as keys are.
    mutating func line() throws(TOMLError) -> String {
        let start = position
        let quote = next
        position += 1
        var text: [UInt8] = []
        while !isAtEnd, newlineLength == 0 {
            if skip(quote) { return String(decoding: text, as: UTF8.self) }
            if next == "\\", quote == "\"" {
                text += try escape()
            } else {
                text.append(next)
                try skipCharacter()
            }
        }
        throw error("the string that begins here does not end on its line", at: start)
    }

    /// Passes over a backslash at the end of a line and all blanks and ends of lines behind it.
    private mutating func skipLineContinuation() -> Bool {
        let start = position
        position += 1
        skipBlanks()
        guard newlineLength > 0 else {
            position = start
            return false
        }
        while newlineLength > 0 {
            position += newlineLength
            skipBlanks()
        }
        return true
    }

    private mutating func escape() throws(TOMLError) -> [UInt8] {
        let start = position
        position += 1
        let kind = next
        position += 1
        switch kind {
        case "b": return [0x08]
        case "t": return "\t"
        case "n": return "\n"
        case "f": return [0x0c]
        case "r": return "\r"
        case "\"", "\\": return [kind]
        case "u": return try scalar(digits: 4, start: start)
        case "U": return try scalar(digits: 8, start: start)
        default: throw error("unknown escape; known are \\b \\t \\n \\f \\r \\\" \\\\ \\uXXXX \\UXXXXXXXX", at: start)
        }
    }

    private mutating func scalar(digits count: Int, start: Int) throws(TOMLError) -> [UInt8] {
        let digits = bytes.dropFirst(position).prefix(count)
        guard digits.count == count, digits.allSatisfy(Self.isHexDigit),
            let scalar = UInt32(digits.displayText, radix: 16).flatMap(Unicode.Scalar.init)
        else { throw error("expected \(count) hexadecimal digits of a Unicode character", at: start) }
        position += count
        return Array(String(scalar).utf8)
    }
}
