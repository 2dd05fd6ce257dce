/// Text from a build as a terminal or a log file may have it: nothing in it acts on the terminal or hides what follows.
///
/// Control characters (C0 but tab, DEL, C1), the characters that change the direction of text, and bytes that are not UTF-8 appear
/// as `\xNN` for each of their bytes.
package func safeText(_ bytes: some Collection<UInt8>) -> String { safeText(bytes, keepsLines: false) }

private func safeText(_ bytes: some Collection<UInt8>, keepsLines: Bool) -> String {
    // Nearly all output is plain ASCII, and there may be a million lines of it.
    if bytes.allSatisfy({ (0x20..<0x7f).contains($0) || $0 == 0x09 || (keepsLines && $0 == 0x0a) }) {
        return String(decoding: bytes, as: UTF8.self)
    }
    var rest = Array(bytes)[...]
    var text = ""
    while !rest.isEmpty {
        let (scalar, length) = firstScalar(of: rest)
        if let scalar, !isHarmful(scalar) || (keepsLines && scalar == "\n") {
            text.unicodeScalars.append(scalar)
        } else {
            for byte in rest.prefix(length) { text += escaped(byte) }
        }
        rest = rest.dropFirst(length)
    }
    return text
}

/// The same for text that is one already.
package func safeText(_ text: String) -> String {
    text.unicodeScalars.contains(where: isHarmful) ? safeText(Array(text.utf8)) : text
}

/// The same for a text that has several lines, as tables and errors have.
package func safeLines(_ text: String) -> String { safeText(text.utf8, keepsLines: true) }

/// How many bytes at the end are the beginning of a character whose rest has not come yet.
func unfinishedCharacterLength(_ bytes: [UInt8]) -> Int {
    for length in 1...3 where length <= bytes.count {
        let byte = bytes[bytes.count - length]
        if byte & 0xc0 == 0x80 { continue }
        let needed = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1
        return needed > length ? length : 0
    }
    return 0
}

private func isHarmful(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.value {
    case 0x09: false
    case 0..<0x20, 0x7f...0x9f: true
    // Marks, embeddings, overrides and isolates of direction; line and paragraph separators.
    case 0x061c, 0x200e, 0x200f, 0x2028...0x202e, 0x2066...0x2069: true
    default: false
    }
}

private func escaped(_ byte: UInt8) -> String {
    let digits = "0123456789abcdef".map(\.self)
    return "\\x\(digits[Int(byte >> 4)])\(digits[Int(byte & 15)])"
}

private func firstScalar(of bytes: ArraySlice<UInt8>) -> (Unicode.Scalar?, length: Int) {
    var decoder = UTF8()
    var iterator = bytes.makeIterator()
    switch decoder.decode(&iterator) {
    case .scalarValue(let scalar): return (scalar, UTF8.width(scalar))
    case .emptyInput, .error: return (nil, 1)
    }
}
