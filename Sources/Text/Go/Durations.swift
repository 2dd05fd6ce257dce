/// A duration in Go's syntax, such as `1h2m3.5s`, in nanoseconds.
/// - Returns: nil for anything else, and for what does not fit 63 bits.
package func parsedDuration(_ text: [UInt8]) -> Int64? {
    var rest = text[...]
    let isNegative = rest.first == "-"
    if let sign = rest.first, "+-".utf8.contains(sign) { rest.removeFirst() }
    if rest == "0" { return 0 }
    guard !rest.isEmpty else { return nil }
    var total: Int64 = 0
    while !rest.isEmpty {
        let number = rest.prefix { isDigit($0) || $0 == "." }
        rest = rest.dropFirst(number.count)
        let unitText = rest.prefix { !isDigit($0) && $0 != "." }
        rest = rest.dropFirst(unitText.count)
        guard let unit = nanoseconds(ofUnit: Array(unitText)), let amount = scaled(number, by: unit) else { return nil }
        let (sum, overflow) = total.addingReportingOverflow(amount)
        guard !overflow else { return nil }
        total = sum
    }
    return isNegative ? -total : total
}

/// The same in seconds.
package func secondsOfDuration(_ text: String) -> Double? {
    parsedDuration(Array(text.utf8)).map { Double($0) / 1e9 }
}

private func nanoseconds(ofUnit unit: [UInt8]) -> Int64? {
    switch unit.displayText {
    case "ns": 1
    case "us", "µs", "μs": 1_000
    case "ms": 1_000_000
    case "s": 1_000_000_000
    case "m": 60_000_000_000
    case "h": 3_600_000_000_000
    default: nil
    }
}

private func scaled(_ number: ArraySlice<UInt8>, by unit: Int64) -> Int64? {
    let parts = number.split(separator: ".", omittingEmptySubsequences: false)
    guard parts.count <= 2, parts.contains(where: { !$0.isEmpty }) else { return nil }
    guard let whole = parts[0].isEmpty ? 0 : Int64(parts[0].displayText) else { return nil }
    let (product, overflow) = whole.multipliedReportingOverflow(by: unit)
    guard !overflow else { return nil }
    var fraction: Int64 = 0
    // Digits beyond a nanosecond have no weight left.
    if parts.count == 2 {
        var numerator: Int64 = 0
        var denominator: Int64 = 1
        for digit in parts[1].prefix(12) {
            let (next, overflow) = denominator.multipliedReportingOverflow(by: 10)
            guard !overflow else { break }
            denominator = next
            numerator = numerator * 10 + Int64(digit - "0")
        }
        fraction = Int64(Double(numerator) / Double(denominator) * Double(unit))
    }
    let (sum, carried) = product.addingReportingOverflow(fraction)
    return carried ? nil : sum
}

/// Go's message for a malformed duration.
package func durationMistake(_ text: [UInt8]) -> String {
    let whole = quoted(text).displayText
    let invalid = "time: invalid duration \(whole)"
    func isPartOfNumber(_ byte: UInt8) -> Bool { isDigit(byte) || byte == "." }
    var rest = text[...]
    if let sign = rest.first, sign == "-" || sign == "+" { rest = rest.dropFirst() }
    while !rest.isEmpty {
        let number = rest.prefix(while: isPartOfNumber)
        guard !number.isEmpty, number.contains(where: { $0 != "." }) else { return invalid }
        rest = rest.dropFirst(number.count)
        let unit = rest.prefix { !isPartOfNumber($0) }
        guard !unit.isEmpty else { return "time: missing unit in duration \(whole)" }
        guard nanoseconds(ofUnit: Array(unit)) != nil else {
            return "time: unknown unit \(quoted(unit).displayText) in duration \(whole)"
        }
        rest = rest.dropFirst(unit.count)
    }
    return invalid
}

/// A duration as Go prints it: `1h2m3s`, `1.5s`, `0s`.
package func durationText(_ nanoseconds: Int64) -> String {
    guard nanoseconds != 0 else { return "0s" }
    let sign = nanoseconds < 0 ? "-" : ""
    let total = nanoseconds.magnitude
    func decimal(_ value: UInt64, per unit: UInt64) -> String {
        var fraction = String(value % unit)
        fraction = String(repeating: "0", count: String(unit).count - 1 - fraction.count) + fraction
        while fraction.hasSuffix("0") { fraction.removeLast() }
        return String(value / unit) + (fraction.isEmpty ? "" : "." + fraction)
    }
    if total < 1_000 { return "\(sign)\(total)ns" }
    if total < 1_000_000 { return sign + decimal(total, per: 1_000) + "µs" }
    if total < 1_000_000_000 { return sign + decimal(total, per: 1_000_000) + "ms" }
    let minutes = total / 60_000_000_000
    let seconds = decimal(total % 60_000_000_000, per: 1_000_000_000) + "s"
    if minutes == 0 { return sign + seconds }
    if minutes < 60 { return "\(sign)\(minutes)m\(seconds)" }
    return "\(sign)\(minutes / 60)h\(minutes % 60)m\(seconds)"
}
