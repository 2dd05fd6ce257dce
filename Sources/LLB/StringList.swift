/// A JSON array of strings from strings of bytes, which need not be UTF-8: BuildKit's form for lists in attributes.
func encodeStringList(_ list: [[UInt8]]) -> [UInt8] {
    var json: [UInt8] = [UInt8(ascii: "[")]
    for (position, text) in list.enumerated() {
        if position > 0 { json.append(UInt8(ascii: ",")) }
        json.append(UInt8(ascii: "\""))
        for byte in text {
            switch byte {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"): json += [UInt8(ascii: "\\"), byte]
            case 0..<0x20:
                let digits = Array("0123456789abcdef".utf8)
                json += Array("\\u00".utf8) + [digits[Int(byte >> 4)], digits[Int(byte & 15)]]
            default: json.append(byte)
            }
        }
        json.append(UInt8(ascii: "\""))
    }
    json.append(UInt8(ascii: "]"))
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
        if rest.elementsEqual("null".utf8) {
            rest = []
            return []
        }
        guard skipBlanks() == UInt8(ascii: "[") else { return nil }
        rest.removeFirst()
        var list: [[UInt8]] = []
        if skipBlanks() == UInt8(ascii: "]") {
            rest.removeFirst()
            return list
        }
        while true {
            guard skipBlanks() == UInt8(ascii: "\""), let text = string() else { return nil }
            list.append(text)
            let separator = skipBlanks()
            if separator != nil { rest.removeFirst() }
            if separator == UInt8(ascii: "]") { return list }
            guard separator == UInt8(ascii: ",") else { return nil }
        }
    }

    private mutating func string() -> [UInt8]? {
        rest.removeFirst()
        var text: [UInt8] = []
        while let byte = rest.popFirst() {
            switch byte {
            case UInt8(ascii: "\""): return text
            case UInt8(ascii: "\\"):
                guard let escaped = escape() else { return nil }
                text += escaped
            default: text.append(byte)
            }
        }
        return nil
    }

    private mutating func escape() -> [UInt8]? {
        switch rest.popFirst() {
        case UInt8(ascii: "n"): return [0x0a]
        case UInt8(ascii: "t"): return [0x09]
        case UInt8(ascii: "r"): return [0x0d]
        case UInt8(ascii: "b"): return [0x08]
        case UInt8(ascii: "f"): return [0x0c]
        case UInt8(ascii: "u"):
            guard var value = fourDigits() else { return nil }
            if (0xd800..<0xdc00).contains(value) {
                guard rest.popFirst() == UInt8(ascii: "\\"), rest.popFirst() == UInt8(ascii: "u"),
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
