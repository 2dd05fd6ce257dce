import Text

/// A JSON array of strings from strings of bytes, which need not be UTF-8: BuildKit's form for lists in attributes.
func encodeStringList(_ list: [[UInt8]]) -> [UInt8] {
    var json: [UInt8] = "["
    for (position, text) in list.enumerated() {
        if position > 0 { json.append(",") }
        json.append("\"")
        for byte in text {
            switch byte {
            case "\"", "\\": json += ["\\", byte]
            case 0..<0x20:
                let digits: [UInt8] = "0123456789abcdef"
                json += "\\u00" + [digits[Int(byte >> 4)], digits[Int(byte & 15)]]
            default: json.append(byte)
            }
        }
        json.append("\"")
    }
    json.append("]")
    return json
}

/// Reads a JSON array of strings without asking that its bytes be UTF-8; nil for anything else.
func decodeStringList(_ json: [UInt8]) -> [[UInt8]]? {
    var reader = StringListReader(rest: json[...])
    guard let list = reader.list(), reader.skipBlanks() == nil else { return nil }
    return list
}

private struct StringListReader {
    var rest: ArraySlice<UInt8>

    /// Skips blanks; the byte that follows, or nil at the end.
    mutating func skipBlanks() -> UInt8? {
        while let byte = rest.first, [0x20, 0x09, 0x0a, 0x0d].contains(byte) { rest.removeFirst() }
        return rest.first
    }

    mutating func list() -> [[UInt8]]? {
        if rest == "null" {
            rest = []
            return []
        }
        guard skipBlanks() == "[" else { return nil }
        rest.removeFirst()
        var list: [[UInt8]] = []
        if skipBlanks() == "]" {
            rest.removeFirst()
            return list
        }
        while true {
            guard skipBlanks() == "\"", let text = string() else { return nil }
            list.append(text)
            let separator = skipBlanks()
            if separator != nil { rest.removeFirst() }
            if separator == "]" { return list }
            guard separator == "," else { return nil }
        }
    }

    private mutating func string() -> [UInt8]? {
        rest.removeFirst()
        var text: [UInt8] = []
        while let byte = rest.popFirst() {
            switch byte {
            case "\"": return text
            case "\\":
                guard let escaped = escape() else { return nil }
                text += escaped
            default: text.append(byte)
            }
        }
        return nil
    }

    private mutating func escape() -> [UInt8]? {
        switch rest.popFirst() {
        case "n": return [0x0a]
        case "t": return [0x09]
        case "r": return [0x0d]
        case "b": return [0x08]
        case "f": return [0x0c]
        case "u":
            guard var value = fourDigits() else { return nil }
            if (0xd800..<0xdc00).contains(value) {
                guard rest.popFirst() == "\\", rest.popFirst() == "u",
                    let low = fourDigits(), (0xdc00..<0xe000).contains(low)
                else { return nil }
                value = 0x10000 + (value - 0xd800) << 10 + (low - 0xdc00)
            }
            guard let scalar = Unicode.Scalar(value) else { return nil }
            return Array(String(Character(scalar)).utf8)
        case .some(let byte) where "\"\\/".utf8.contains(byte): return [byte]
        case .some, nil: return nil
        }
    }

    private mutating func fourDigits() -> UInt32? {
        guard rest.count >= 4 else { return nil }
        defer { rest.removeFirst(4) }
        return UInt32(String(decoding: rest.prefix(4), as: UTF8.self), radix: 16)
    }
}
