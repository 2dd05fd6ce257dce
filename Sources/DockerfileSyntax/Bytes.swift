/// What the language counts as blank inside a line.
///
/// Line feeds never reach the callers: lines are split first.
func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || (0x09...0x0d).contains(byte) }

func isDigit(_ byte: UInt8) -> Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) }

func isLetter(_ byte: UInt8) -> Bool {
    let lower = byte | 0x20
    return (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(lower)
}

extension Collection where Element == UInt8 {
    /// The bytes as text for messages; what is not UTF-8 is shown as U+FFFD.
    ///
    /// Never used to decide anything.
    package var displayText: String { String(decoding: self, as: UTF8.self) }

    /// ASCII letters in lower case; everything else untouched.
    package var asciiLowercased: [UInt8] {
        map { (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains($0) ? $0 | 0x20 : $0 }
    }

    /// ASCII letters in upper case; everything else untouched.
    package var asciiUppercased: [UInt8] {
        map { (UInt8(ascii: "a")...UInt8(ascii: "z")).contains($0) ? $0 & ~0x20 : $0 }
    }

    package func equals(_ text: StaticString) -> Bool {
        count == text.utf8CodeUnitCount
            && elementsEqual(UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
    }
}

extension RandomAccessCollection where Element == UInt8, Index == Int {
    package func starts(with text: StaticString) -> Bool {
        prefix(text.utf8CodeUnitCount).equals(text)
    }

    /// The range without the blanks at both ends.
    func trimmedRange(_ range: Range<Int>) -> Range<Int> {
        var range = range
        while let first = range.first, isBlank(self[first]) { range = (first + 1)..<range.upperBound }
        while let last = range.last, isBlank(self[last]) { range = range.lowerBound..<last }
        return range
    }
}

extension [UInt8] {
    package init(_ text: StaticString) {
        self = Array(UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
    }

    /// The bytes without blanks at both ends.
    package var trimmed: [UInt8] { Array(self[trimmedRange(indices)]) }
}

/// Text as Unicode scalars, so that `?` in a pattern means one character; a byte that is not UTF-8 counts as one character
/// of its own, above every scalar, and comes back as that byte.
struct ScalarText {
    static let invalidBase: UInt32 = 0x11_0000

    var scalars: [UInt32]

    init(scalars: [UInt32]) { self.scalars = scalars }

    init(_ bytes: some RandomAccessCollection<UInt8>) {
        scalars = []
        scalars.reserveCapacity(bytes.count)
        var rest = bytes[...]
        while let byte = rest.first {
            guard byte >= 0x80 else {
                scalars.append(UInt32(byte))
                rest.removeFirst()
                continue
            }
            var decoder = UTF8()
            var iterator = rest.prefix(4).makeIterator()
            if case .scalarValue(let scalar) = decoder.decode(&iterator) {
                scalars.append(scalar.value)
                rest.removeFirst(UTF8.width(scalar))
            } else {
                scalars.append(Self.invalidBase + UInt32(byte))
                rest.removeFirst()
            }
        }
    }

    static func bytes(of scalars: some Sequence<UInt32>) -> [UInt8] {
        var bytes: [UInt8] = []
        for value in scalars {
            if value < 0x80 {
                bytes.append(UInt8(value))
            } else if let scalar = Unicode.Scalar(value) {
                bytes.append(contentsOf: Array(String(Character(scalar)).utf8))
            } else {
                bytes.append(UInt8(truncatingIfNeeded: value - invalidBase))
            }
        }
        return bytes
    }
}

/// Text in double quotes with escapes, as Go's `%q` writes it: BuildKit's messages and history entries are in this form.
package func quoted(_ bytes: some RandomAccessCollection<UInt8>) -> [UInt8] {
    var out: [UInt8] = [UInt8(ascii: "\"")]
    for value in ScalarText(bytes).scalars {
        switch value {
        case 0x22, 0x5c: out += [0x5c, UInt8(value)]
        case 0x07: out += Array("\\a")
        case 0x08: out += Array("\\b")
        case 0x0c: out += Array("\\f")
        case 0x0a: out += Array("\\n")
        case 0x0d: out += Array("\\r")
        case 0x09: out += Array("\\t")
        case 0x0b: out += Array("\\v")
        case 0x20...0x7e: out.append(UInt8(value))
        case 0...0x7f: out += Array("\\x") + hexadecimal(value, digits: 2)
        case ScalarText.invalidBase...: out += Array("\\x") + hexadecimal(value - ScalarText.invalidBase, digits: 2)
        default:
            if let scalar = Unicode.Scalar(value), isPrintable(scalar) {
                out += ScalarText.bytes(of: [value])
            } else if value < 0x1_0000 {
                out += Array("\\u") + hexadecimal(value, digits: 4)
            } else {
                out += Array("\\U") + hexadecimal(value, digits: 8)
            }
        }
    }
    out.append(UInt8(ascii: "\""))
    return out
}

/// Text in double quotes with escapes, as Go's `%q` writes it.
package func quoted(_ text: some StringProtocol) -> String { String(decoding: quoted(Array(text.utf8)), as: UTF8.self) }

private func hexadecimal(_ value: UInt32, digits: Int) -> [UInt8] {
    let text = Array(String(value, radix: 16).utf8)
    return Array(repeating: UInt8(ascii: "0"), count: max(0, digits - text.count)) + text
}

private func isPrintable(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.properties.generalCategory {
    case .control, .format, .surrogate, .privateUse, .unassigned, .spaceSeparator, .lineSeparator, .paragraphSeparator:
        false
    default: true
    }
}
