package import LinuxSystem

/// Spans of time as people read and write them.
package enum DurationText {
    /// A rough length, as `About a minute` or `2 weeks`.
    package static func rough(seconds: Int64) -> String {
        switch seconds {
        case ..<1: return "Less than a second"
        case 1: return "1 second"
        case ..<60: return "\(seconds) seconds"
        default: break
        }
        let minutes = seconds / 60
        if minutes == 1 { return "About a minute" }
        if minutes < 60 { return "\(minutes) minutes" }
        let hours = (seconds + 1800) / 3600
        if hours == 1 { return "About an hour" }
        if hours < 48 { return "\(hours) hours" }
        if hours < 24 * 14 { return "\(hours / 24) days" }
        if hours < 24 * 60 { return "\(hours / 24 / 7) weeks" }
        if hours < 24 * 365 * 2 { return "\(hours / 24 / 30) months" }
        return "\(seconds / 3600 / 24 / 365) years"
    }

    /// How long ago something was, as `2 weeks ago`.
    package static func ago(_ time: FileTime, now: FileTime) -> String {
        rough(seconds: now.seconds - time.seconds) + " ago"
    }

    /// Reads a duration in Go's form, as `1h30m`, `1.5h`, `90s` or `0`; nil where it is none.
    ///
    /// Seconds.
    package static func parse(_ text: String) -> Double? {
        let isNegative = text.hasPrefix("-")
        var rest = isNegative || text.hasPrefix("+") ? text.dropFirst() : text[...]
        if rest == "0" { return 0 }
        if rest.isEmpty { return nil }
        let units: [(String, Double)] = [
            ("ns", 1e-9), ("us", 1e-6), ("µs", 1e-6), ("ms", 1e-3), ("s", 1), ("m", 60), ("h", 3600),
        ]
        var total = 0.0
        while !rest.isEmpty {
            let digits = rest.prefix { $0.isASCII && ($0.isNumber || $0 == ".") }
            guard let number = Double(digits) else { return nil }
            rest = rest.dropFirst(digits.count)
            let word = rest.prefix { $0.isLetter }
            guard let unit = units.first(where: { $0.0 == word }) else { return nil }
            rest = rest.dropFirst(word.count)
            total += number * unit.1
        }
        // Go counts nanoseconds in 64 bits, so this is its longest duration too.
        guard total < 9_223_372_036 else { return nil }
        return isNegative ? -total : total
    }
}

/// Points in time as Docker prints and reads them.
package enum TimeText {
    /// As `2021-03-04 03:24:42 +0100 CET`, in local time.
    package static func listing(_ time: FileTime) -> String {
        let local = time.inLocalTime
        return "\(date(local)) \(clock(local)) \(offset(local, separator: "")) \(local.zone)"
    }

    /// RFC 3339 in local time, as `2021-03-04T03:24:42+01:00`.
    package static func local(_ time: FileTime) -> String {
        let local = time.inLocalTime
        return "\(date(local))T\(clock(local))" + (local.offset == 0 ? "Z" : offset(local, separator: ":"))
    }

    /// RFC 3339 in universal time, with as many decimals as there are, as `2021-03-04T02:24:42.5Z`.
    package static func universal(_ time: FileTime) -> String {
        let calendar = time.inUniversalTime
        return "\(date(calendar))T\(clock(calendar))\(fraction(time.nanoseconds))Z"
    }

    /// RFC 3339 in universal time with nine decimals, as log lines carry it.
    package static func logLine(_ time: FileTime) -> String {
        let calendar = time.inUniversalTime
        return "\(date(calendar))T\(clock(calendar)).\(padded(Int(time.nanoseconds), 9))Z"
    }

    /// Reads RFC 3339 text, or a part of it from the left (`2021-03-04`, `2021-03-04T03:24`); nil where it is neither.
    package static func parse(_ text: String) -> FileTime? {
        var scanner = TimeScanner(text)
        guard let year = scanner.number(4), scanner.skip("-"), let month = scanner.number(2), scanner.skip("-"),
            let day = scanner.number(2), (1...12).contains(month), (1...31).contains(day)
        else { return nil }
        var seconds = days(year: year, month: month, day: day) * 86_400
        var nanoseconds: Int32 = 0
        if scanner.skip("T") || scanner.skip(" ") {
            guard let hour = scanner.number(2), hour < 24 else { return nil }
            seconds += Int64(hour) * 3600
            if scanner.skip(":") {
                guard let minute = scanner.number(2), minute < 60 else { return nil }
                seconds += Int64(minute) * 60
            }
            if scanner.skip(":") {
                guard let second = scanner.number(2), second <= 60 else { return nil }
                seconds += Int64(second)
            }
            if scanner.skip(".") {
                guard let decimals = scanner.fraction() else { return nil }
                nanoseconds = decimals
            }
        }
        if !scanner.isAtEnd, !scanner.skip("Z"), !scanner.skip("z") {
            let sign: Int64 = scanner.skip("-") ? -1 : 1
            if sign == 1, !scanner.skip("+") { return nil }
            guard let hours = scanner.number(2), scanner.skip(":"), let minutes = scanner.number(2) else { return nil }
            seconds -= sign * (Int64(hours) * 3600 + Int64(minutes) * 60)
        }
        return scanner.isAtEnd ? FileTime(seconds: seconds, nanoseconds: nanoseconds) : nil
    }

    /// Days from 1970-01-01 in the Gregorian calendar.
    private static func days(year: Int, month: Int, day: Int) -> Int64 {
        let shifted = month <= 2 ? year - 1 : year
        let era = (shifted >= 0 ? shifted : shifted - 399) / 400
        let yearOfEra = shifted - era * 400
        let dayOfYear = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1
        let dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
        return Int64(era * 146_097 + dayOfEra - 719_468)
    }

    private static func date(_ time: CalendarTime) -> String {
        "\(padded(time.year, 4))-\(padded(time.month, 2))-\(padded(time.day, 2))"
    }

    private static func clock(_ time: CalendarTime) -> String {
        "\(padded(time.hour, 2)):\(padded(time.minute, 2)):\(padded(time.second, 2))"
    }

    private static func offset(_ time: CalendarTime, separator: String) -> String {
        let minutes = abs(time.offset) / 60
        return (time.offset < 0 ? "-" : "+") + padded(minutes / 60, 2) + separator + padded(minutes % 60, 2)
    }

    private static func fraction(_ nanoseconds: Int32) -> String {
        if nanoseconds == 0 { return "" }
        var digits = padded(Int(nanoseconds), 9)
        while digits.hasSuffix("0") { digits.removeLast() }
        return "." + digits
    }

    private static func padded(_ number: Int, _ width: Int) -> String {
        let digits = "\(number)"
        return String(repeating: "0", count: max(0, width - digits.count)) + digits
    }
}

/// Reads fixed fields from the left of a time.
private struct TimeScanner {
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
