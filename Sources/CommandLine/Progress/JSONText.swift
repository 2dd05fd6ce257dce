internal import BuildGraph
internal import OCI

/// JSON written member by member, in the order and with the escapes of Go's encoder, so that what reads BuildKit's output reads ours.
struct JSONText {
    private(set) var text = "{"

    mutating func add(_ name: String, _ value: String) { addRaw(name, Self.quoted(value)) }

    mutating func add(_ name: String, _ value: Int64) { addRaw(name, "\(value)") }

    mutating func add(_ name: String, _ value: Digest) { add(name, value.description) }

    mutating func add(_ name: String, _ value: Timestamp?) {
        if let value { add(name, value.rfc3339) }
    }

    /// Bytes, in base64.
    mutating func add(_ name: String, bytes: [UInt8]) { addRaw(name, "\"\(base64(bytes))\"") }

    /// A value that is JSON already.
    mutating func addRaw(_ name: String, _ value: String) {
        if text.utf8.count > 1 { text += "," }
        text += "\(Self.quoted(name)):\(value)"
    }

    /// The finished object.
    var object: String { text + "}" }

    static func array(_ values: [String]) -> String { "[\(values.joined(separator: ","))]" }

    static func quoted(_ value: String) -> String { JSONValue.quoted(value) }
}

extension Timestamp {
    /// As RFC 3339 in UTC, with as many digits of the second as are not zero, as Go writes it.
    var rfc3339: String {
        var (seconds, fraction) = nanoseconds.quotientAndRemainder(dividingBy: 1_000_000_000)
        if fraction < 0 {
            seconds -= 1
            fraction += 1_000_000_000
        }
        var (day, second) = seconds.quotientAndRemainder(dividingBy: 86_400)
        if second < 0 {
            day -= 1
            second += 86_400
        }
        // Days since 0000-03-01 make every leap day the last of its year; 146097 days are 400 years.
        let shifted = day + 719_468
        let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let month = (5 * dayOfYear + 2) / 153
        let date = [dayOfYear - (153 * month + 2) / 5 + 1, month < 10 ? month + 3 : month - 9]
        let year = yearOfEra + era * 400 + (date[1] <= 2 ? 1 : 0)
        func two(_ number: Int64) -> String { number < 10 ? "0\(number)" : "\(number)" }
        let time = "\(two(second / 3600)):\(two(second / 60 % 60)):\(two(second % 60))"
        return "\(year)-\(two(date[1]))-\(two(date[0]))T\(time)\(digits(of: fraction))Z"
    }

    private func digits(of fraction: Int64) -> String {
        if fraction == 0 { return "" }
        var text = String(String(fraction + 1_000_000_000).dropFirst())
        while text.hasSuffix("0") { text.removeLast() }
        return "." + text
    }
}
