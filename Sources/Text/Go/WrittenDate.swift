/// A date and a time of day as RFC 3339 writes them, or a part of it from the left: `2026-03-04`, `2026-03-04 05:06`.
package struct WrittenDate: Sendable, Hashable {
    package let year: Int
    package let month: Int
    package let day: Int
    /// Hours, minutes and seconds; 0 where they are not written.
    package let clock: [Int]
    package let nanoseconds: Int32
    /// Seconds east of Greenwich; nil where no zone is written.
    package let offset: Int?
    /// Whether nothing is missing.
    package let isComplete: Bool

    /// - Returns: nil for anything else.
    package init?(_ text: String) {
        var reader = FieldReader(text)
        guard let year = reader.number(4), reader.skip("-"), let month = reader.number(2), reader.skip("-"),
            let day = reader.number(2), (1...12).contains(month), (1...31).contains(day)
        else { return nil }
        var clock: [Int] = []
        var nanoseconds: Int32 = 0
        if reader.skip("T") || reader.skip("t") || reader.skip(" ") {
            for limit in [23, 59, 60] where clock.isEmpty || reader.skip(":") {
                guard let number = reader.number(2), number <= limit else { return nil }
                clock.append(number)
            }
            if reader.skip(".") {
                guard let decimals = reader.fraction() else { return nil }
                nanoseconds = decimals
            }
        }
        isComplete = clock.count == 3 && !reader.isAtEnd
        var offset: Int?
        if !reader.isAtEnd {
            guard let written = reader.zone() else { return nil }
            offset = written
        }
        guard reader.isAtEnd else { return nil }
        self.year = year
        self.month = month
        self.day = day
        self.clock = Array((clock + [0, 0, 0]).prefix(3))
        self.nanoseconds = nanoseconds
        self.offset = offset
    }
}

/// A moment as docker's flags take it: how long ago, a date or a part of one, or seconds since 1970 with or without a fraction.
package enum WrittenMoment: Sendable, Hashable {
    case sinceEpoch(seconds: Int64, nanoseconds: Int32)
    /// Seconds.
    case ago(Double)
    case date(WrittenDate)

    /// - Returns: nil for anything else.
    package init?(_ text: String) {
        if let (seconds, nanoseconds) = Self.secondsSince1970(text) {
            self = .sinceEpoch(seconds: seconds, nanoseconds: nanoseconds)
        } else if let ago = secondsOfDuration(text) {
            self = .ago(ago)
        } else if let date = WrittenDate(text) {
            self = .date(date)
        } else {
            return nil
        }
    }

    /// `1795872510`, `1795872510.5`.
    private static func secondsSince1970(_ text: String) -> (Int64, Int32)? {
        let fields = text.split(separator: ".", maxSplits: 1, omittingEmptySubsequences: false)
        guard let first = fields.first, let seconds = Int64(first) else { return nil }
        guard fields.count == 2 else { return (seconds, 0) }
        var reader = FieldReader(String(fields[1]))
        guard let nanoseconds = reader.fraction(), reader.isAtEnd else { return nil }
        return (seconds, nanoseconds)
    }
}

/// Reads fixed fields from the left of a time.
private struct FieldReader {
    private var rest: Substring.UTF8View

    init(_ text: String) { rest = text[...].utf8 }

    var isAtEnd: Bool { rest.isEmpty }

    mutating func skip(_ character: Unicode.Scalar) -> Bool {
        guard let first = rest.first, UInt32(first) == character.value else { return false }
        rest = rest.dropFirst()
        return true
    }

    mutating func number(_ digits: Int) -> Int? {
        let field = rest.prefix(digits)
        guard field.count == digits, field.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
        rest = rest.dropFirst(digits)
        return field.reduce(0) { $0 * 10 + Int($1 - 0x30) }
    }

    /// Decimals as nanoseconds; those beyond nine are dropped.
    mutating func fraction() -> Int32? {
        let field = rest.prefix { (0x30...0x39).contains($0) }
        guard !field.isEmpty else { return nil }
        rest = rest.dropFirst(field.count)
        let digits = field.prefix(9)
        let value = digits.reduce(Int32(0)) { $0 * 10 + Int32($1 - 0x30) }
        return (digits.count..<9).reduce(value) { value, _ in value * 10 }
    }

    /// `Z`, or the distance from Greenwich as `+01:00`, in seconds.
    mutating func zone() -> Int? {
        if skip("Z") || skip("z") { return 0 }
        let isWest = skip("-")
        guard isWest || skip("+"), let hours = number(2), skip(":"), let minutes = number(2) else { return nil }
        return (hours * 3600 + minutes * 60) * (isWest ? -1 : 1)
    }
}
