internal import Text

/// The JSON that the language knows: an array of strings.
///
/// Anything else that is valid JSON is told apart from what is not.
enum JSONForm {
    enum Outcome {
        case strings([[UInt8]])
        /// An array, but not of strings only.
        case otherElements
        /// No JSON array: the text is in the shell's form.
        case notAnArray
    }

    /// Reads the whole of `text` as an array.
    static func array(_ text: [UInt8]) -> Outcome {
        var reader = Reader(bytes: text)
        reader.skipSpace()
        guard reader.take("[") else { return .notAnArray }
        var strings: [[UInt8]] = []
        var allStrings = true
        reader.skipSpace()
        if !reader.take("]") {
            repeat {
                reader.skipSpace()
                if reader.peek == "\"" {
                    guard let string = reader.string() else { return .notAnArray }
                    strings.append(string)
                } else {
                    guard reader.skipValue() else { return .notAnArray }
                    allStrings = false
                }
                reader.skipSpace()
            } while reader.take(",")
            guard reader.take("]") else { return .notAnArray }
        }
        reader.skipSpace()
        guard reader.isAtEnd else { return .notAnArray }
        return allStrings ? .strings(strings) : .otherElements
    }

    /// The string under `name` in an object that is the whole of `text`.
    static func stringMember(_ name: [UInt8], of text: [UInt8]) -> [UInt8]? {
        var reader = Reader(bytes: text)
        reader.skipSpace()
        guard reader.take("{") else { return nil }
        var found: [UInt8]?
        reader.skipSpace()
        if !reader.take("}") {
            repeat {
                reader.skipSpace()
                guard reader.peek == "\"", let key = reader.string() else { return nil }
                reader.skipSpace()
                guard reader.take(":") else { return nil }
                reader.skipSpace()
                if key == name {
                    guard reader.peek == "\"", let value = reader.string() else { return nil }
                    found = value
                } else {
                    guard reader.skipValue() else { return nil }
                }
                reader.skipSpace()
            } while reader.take(",")
            guard reader.take("}") else { return nil }
        }
        reader.skipSpace()
        return reader.isAtEnd ? found : nil
    }
}

private struct Reader {
    static let maximumDepth = 1000

    let bytes: [UInt8]
    var position = 0

    init(bytes: [UInt8]) { self.bytes = bytes }

    var peek: UInt8? { position < bytes.count ? bytes[position] : nil }
    var isAtEnd: Bool { position >= bytes.count }

    mutating func take(_ byte: UInt8) -> Bool {
        guard peek == byte else { return false }
        position += 1
        return true
    }

    mutating func skipSpace() {
        while let byte = peek, byte == 0x20 || byte == 0x09 || byte == 0x0a || byte == 0x0d { position += 1 }
    }

    /// Reads a string, or nil if it is invalid.
    mutating func string() -> [UInt8]? {
        position += 1
        var result: [UInt8] = []
        while let byte = peek {
            position += 1
            switch byte {
            case "\"": return result
            case 0..<0x20: return nil
            case "\\":
                guard let escape = peek else { return nil }
                position += 1
                switch escape {
                case "\"", "\\", "/": result.append(escape)
                case "b": result.append(0x08)
                case "f": result.append(0x0c)
                case "n": result.append(0x0a)
                case "r": result.append(0x0d)
                case "t": result.append(0x09)
                case "u":
                    guard let scalar = unicodeEscape() else { return nil }
                    result += Array(String(Character(scalar)).utf8)
                default: return nil
                }
            default: result.append(byte)
            }
        }
        return nil
    }

    /// The scalar of `\uXXXX`, a surrogate pair taken together; a lone surrogate is U+FFFD, as in Go.
    private mutating func unicodeEscape() -> Unicode.Scalar? {
        guard let unit = hexadecimalUnit() else { return nil }
        if let scalar = Unicode.Scalar(UInt32(unit)) { return scalar }
        let before = position
        if UTF16.isLeadSurrogate(unit), take("\\"), take("u"), let low = hexadecimalUnit(),
            UTF16.isTrailSurrogate(low)
        {
            return UTF16.decode(UTF16.EncodedScalar([unit, low]))
        }
        position = before
        return "\u{fffd}"
    }

    private mutating func hexadecimalUnit() -> UInt16? {
        guard position + 4 <= bytes.count else { return nil }
        let text = bytes[position..<(position + 4)]
        guard text.allSatisfy({ isDigit($0) || ("a"..."f").contains($0 | 0x20) }) else {
            return nil
        }
        position += 4
        return UInt16(text.displayText, radix: 16)
    }

    /// Passes over a value of any kind; false where it is not valid.
    mutating func skipValue() -> Bool {
        var open: [UInt8] = []
        while true {
            skipSpace()
            switch peek {
            case "{", "[":
                let isObject = peek == "{"
                position += 1
                skipSpace()
                let close: UInt8 = isObject ? "}" : "]"
                if !take(close) {
                    guard open.count < Self.maximumDepth else { return false }
                    open.append(close)
                    guard !isObject || key() else { return false }
                    continue
                }
            case "\"": guard string() != nil else { return false }
            default: guard scalar() else { return false }
            }
            while true {
                guard let close = open.last else { return true }
                skipSpace()
                if take(close) {
                    open.removeLast()
                    continue
                }
                guard take(",") else { return false }
                skipSpace()
                guard close != "}" || key() else { return false }
                break
            }
        }
    }

    private mutating func key() -> Bool {
        guard peek == "\"", string() != nil else { return false }
        skipSpace()
        return take(":")
    }

    private mutating func scalar() -> Bool {
        let start = position
        while let byte = peek, isDigit(byte) || isLetter(byte) || "+-.".utf8.contains(byte) { position += 1 }
        let text = bytes[start..<position]
        if text == "true" || text == "false" || text == "null" { return true }
        return Self.isNumber(text)
    }

    private static func isNumber(_ text: ArraySlice<UInt8>) -> Bool {
        var rest = text
        func takeDigits() -> Int {
            let count = rest.prefix(while: isDigit).count
            rest = rest.dropFirst(count)
            return count
        }
        if rest.first == "-" { rest.removeFirst() }
        let leading = rest.first
        let count = takeDigits()
        guard count == 1 || (count > 1 && leading != "0") else { return false }
        if rest.first == "." {
            rest.removeFirst()
            guard takeDigits() > 0 else { return false }
        }
        if let byte = rest.first, byte | 0x20 == "e" {
            rest.removeFirst()
            if let sign = rest.first, "+-".utf8.contains(sign) { rest.removeFirst() }
            guard takeDigits() > 0 else { return false }
        }
        return rest.isEmpty
    }
}
