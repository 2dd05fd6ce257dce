internal import Glibc
package import Text

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
        guard let date = WrittenDate(text), date.isComplete, date.year > 1 else { return nil }
        self.init(date, zone: .universal)
    }

    /// Reads the same or a part of it from the left, which is taken to be in UTC: `2026-03-04`, `2026-03-04 05:06`.
    package init?(partOfRFC3339 text: String) {
        guard let date = WrittenDate(text) else { return nil }
        self.init(date, zone: .universal)
    }

    /// The moment that docker's flags say.
    ///
    /// A date without a zone is one of this machine's, as docker has it.
    package init(_ moment: WrittenMoment, now: FileTime) {
        switch moment {
        case .sinceEpoch(let seconds, let nanoseconds): self.init(seconds: seconds, nanoseconds: nanoseconds)
        case .ago(let span): self = now.advanced(by: -span)
        case .date(let date): self.init(date, zone: .local)
        }
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

    private init(_ date: WrittenDate, zone: DefaultZone) {
        var broken = Self.calendar(date.year, date.month, date.day, date.clock)
        let isLocal = date.offset == nil && zone == .local
        let seconds = Int64(isLocal ? mktime(&broken) : timegm(&broken)) - Int64(date.offset ?? 0)
        self.init(seconds: seconds, nanoseconds: date.nanoseconds)
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
