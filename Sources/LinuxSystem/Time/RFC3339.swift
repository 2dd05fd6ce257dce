internal import Glibc
internal import Text

extension FileTime {
    /// A moment by calendar and clock in universal time; a second of 60 and days beyond a month's end run over.
    ///
    /// See timegm(3).
    package init(year: Int, month: Int, day: Int, hour: Int = 0, minute: Int = 0, second: Int = 0) {
        var broken = Self.calendar(year, month, day, [hour, minute, second])
        self.init(seconds: Int64(timegm(&broken)))
    }

    /// What timegm(3) and mktime(3) take.
    private static func calendar(_ year: Int, _ month: Int, _ day: Int, _ clock: [Int]) -> tm {
        var broken = tm()
        broken.tm_year = CInt(clamping: year - 1900)
        broken.tm_mon = CInt(clamping: month - 1)
        broken.tm_mday = CInt(clamping: day)
        broken.tm_hour = CInt(clamping: clock[0])
        broken.tm_min = CInt(clamping: clock[1])
        broken.tm_sec = CInt(clamping: clock[2])
        // Whether it is summer there, the system knows.
        broken.tm_isdst = -1
        return broken
    }

    /// Counts nanoseconds from 1970.
    package init(nanosecondsSinceEpoch nanoseconds: Int64) {
        let (seconds, rest) = nanoseconds.quotientAndRemainder(dividingBy: 1_000_000_000)
        self.init(seconds: rest < 0 ? seconds - 1 : seconds, nanoseconds: Int32(rest < 0 ? rest + 1_000_000_000 : rest))
    }

    /// Reads a time as configurations write it (RFC 3339): `2026-03-04T05:06:07.89Z`, `…+01:00`.
    ///
    /// - Returns: nil for anything else, and for Go's zero time, the year 1.
    package init?(rfc3339 text: String) {
        guard let (time, year, isComplete) = Self.parts(text), isComplete, year > 1 else { return nil }
        self = time
    }

    /// Reads the same or a part of it from the left, which is taken to be in UTC: `2026-03-04`, `2026-03-04 05:06`.
    package init?(partOfRFC3339 text: String) {
        guard let (time, _, _) = Self.parts(text) else { return nil }
        self = time
    }

    /// Reads a moment as docker's flags take it: how long ago, a date or a part of one, or seconds since 1970 with or without
    /// a fraction.
    ///
    /// A date without a zone is one of this machine's, as docker has it.
    package init?(docker text: String, now: FileTime) {
        if let time = Self.secondsSince1970(text) {
            self = time
        } else if let ago = secondsOfDuration(text) {
            self = now.advanced(by: -ago)
        } else if let (time, _, _) = Self.parts(text, zone: .local) {
            self = time
        } else {
            return nil
        }
    }

    /// `1795872510`, `1795872510.5`.
    private static func secondsSince1970(_ text: String) -> FileTime? {
        let fields = text.split(separator: ".", maxSplits: 1, omittingEmptySubsequences: false)
        guard let first = fields.first, let seconds = Int64(first) else { return nil }
        guard fields.count == 2 else { return FileTime(seconds: seconds) }
        var reader = TimeReader(String(fields[1]))
        guard let nanoseconds = reader.fraction(), reader.isAtEnd else { return nil }
        return FileTime(seconds: seconds, nanoseconds: nanoseconds)
    }

    /// The moment so many seconds later, or earlier.
    package func advanced(by span: Double) -> FileTime {
        let whole = span.rounded(.down)
        let nanoseconds = Int64(nanoseconds) + Int64(((span - whole) * 1e9).rounded())
        let (more, rest) = nanoseconds.quotientAndRemainder(dividingBy: 1_000_000_000)
        return FileTime(seconds: seconds + Int64(whole) + more, nanoseconds: Int32(rest))
    }

    /// The time in UTC as Go writes it: fractions only as long as they need to be.
    package var rfc3339: String {
        let time = inUniversalTime
        var fraction = ""
        if nanoseconds > 0 {
            fraction = "." + padded(Int(nanoseconds), 9)
            while fraction.hasSuffix("0") { fraction.removeLast() }
        }
        return "\(time.dateText)T\(time.clockText)\(fraction)Z"
    }

    /// The time in UTC with nine decimals and without a zone, as `2021-03-04T02:24:42.500000000`.
    package var withNanoseconds: String {
        let time = inUniversalTime
        return "\(time.dateText)T\(time.clockText).\(padded(Int(nanoseconds), 9))"
    }

    /// What a time without a zone is one of.
    private enum DefaultZone { case universal, local }

    private static func parts(
        _ text: String,
        zone: DefaultZone = .universal
    ) -> (time: FileTime, year: Int, isComplete: Bool)? {
        var reader = TimeReader(text)
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
        let isComplete = clock.count == 3 && !reader.isAtEnd
        var offset = 0
        let isLocal = reader.isAtEnd && zone == .local
        if !reader.isAtEnd, !reader.skip("Z"), !reader.skip("z") {
            let isWest = reader.skip("-")
            guard isWest || reader.skip("+"), let hours = reader.number(2), reader.skip(":"),
                let minutes = reader.number(2)
            else { return nil }
            offset = (hours * 3600 + minutes * 60) * (isWest ? -1 : 1)
        }
        guard reader.isAtEnd else { return nil }
        clock += [0, 0, 0]
        var broken = calendar(year, month, day, clock)
        var time = FileTime(seconds: Int64(isLocal ? mktime(&broken) : timegm(&broken)))
        time.seconds -= Int64(offset)
        time.nanoseconds = nanoseconds
        return (time, year, isComplete)
    }
}

extension CalendarTime {
    /// As `2021-03-04`.
    package var dateText: String { "\(padded(year, 4))-\(padded(month, 2))-\(padded(day, 2))" }
    /// As `03:24:42`.
    package var clockText: String { "\(padded(hour, 2)):\(padded(minute, 2)):\(padded(second, 2))" }

    /// The distance from Greenwich, as `+0100` or with a separator `+01:00`.
    package func offsetText(separator: String) -> String {
        let minutes = abs(offset) / 60
        return (offset < 0 ? "-" : "+") + padded(minutes / 60, 2) + separator + padded(minutes % 60, 2)
    }
}

/// A number with zeros before it.
private func padded(_ number: Int, _ width: Int) -> String {
    let digits = "\(number)"
    return String(repeating: "0", count: max(0, width - digits.utf8.count)) + digits
}

/// Reads fixed fields from the left of a time.
private struct TimeReader {
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
}
