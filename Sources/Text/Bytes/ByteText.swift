/// What the language counts as blank inside a line.
///
/// Line feeds never reach the callers: lines are split first.
package func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || (0x09...0x0d).contains(byte) }

/// Whether a byte is an ASCII digit.
package func isDigit(_ byte: UInt8) -> Bool { ("0"..."9").contains(byte) }

/// Whether a byte is an ASCII letter.
package func isLetter(_ byte: UInt8) -> Bool {
    let lower = byte | 0x20
    return ("a"..."z").contains(lower)
}

extension Collection where Element == UInt8 {
    /// The bytes as text for messages; what is not UTF-8 is shown as U+FFFD.
    ///
    /// Never used to decide anything.
    package var displayText: String { String(decoding: self, as: UTF8.self) }

    /// ASCII letters in lower case; everything else untouched.
    package var asciiLowercased: [UInt8] {
        map { ("A"..."Z").contains($0) ? $0 | 0x20 : $0 }
    }

    /// ASCII letters in upper case; everything else untouched.
    package var asciiUppercased: [UInt8] {
        map { ("a"..."z").contains($0) ? $0 & ~0x20 : $0 }
    }
}

extension RandomAccessCollection where Element == UInt8, Index == Int {
    /// The range without the blanks at both ends.
    package func trimmedRange(_ range: Range<Int>) -> Range<Int> {
        var range = range
        while let first = range.first, isBlank(self[first]) { range = (first + 1)..<range.upperBound }
        while let last = range.last, isBlank(self[last]) { range = range.lowerBound..<last }
        return range
    }
}

extension [UInt8] {
    /// The bytes without blanks at both ends.
    package var trimmed: [UInt8] { Array(self[trimmedRange(indices)]) }
}
