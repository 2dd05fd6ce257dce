/// Bytes as progress displays write them: `123B`, `1.23kB`, `45.00MB`.
func progressBytes(_ count: Int64) -> String {
    let magnitude = Double(count.magnitude)
    if magnitude < 1000 { return "\(count)B" }
    var (size, unit) = (magnitude, 0)
    let units = ["B", "kB", "MB", "GB", "TB", "PB", "EB"]
    while size >= 1000, unit < units.count - 1 {
        size /= 1000
        unit += 1
    }
    return (count < 0 ? "-" : "") + fixedPoint(size, decimals: 2) + units[unit]
}

/// How far a counter is: `1.05MB / 3.40MB`, or only the first if the total is not known; empty for a mere activity.
func progressCount(_ current: Int64, of total: Int64) -> String {
    if total != 0 { return "\(progressBytes(current)) / \(progressBytes(total))" }
    return current == 0 ? "" : progressBytes(current)
}

/// Seconds since a step began, in front of its log lines: at most five characters below a thousand seconds.
func logTime(_ seconds: Double) -> String {
    fixedPoint(seconds, decimals: seconds < 10 ? 3 : seconds < 100 ? 2 : 1)
}

/// A number with so many digits after the point, as C's `%.Nf`; for what fits an integer with them.
package func fixedPoint(_ number: Double, decimals: Int) -> String {
    let scale = (0..<decimals).reduce(1.0) { scale, _ in scale * 10 }
    guard let scaled = Int64(exactly: (number.magnitude * scale).rounded(.toNearestOrEven)) else { return "\(number)" }
    let (whole, fraction) = scaled.quotientAndRemainder(dividingBy: Int64(scale))
    let sign = number < 0 && scaled != 0 ? "-" : ""
    if decimals == 0 { return "\(sign)\(whole)" }
    let digits = "\(fraction)"
    return "\(sign)\(whole).\(String(repeating: "0", count: decimals - digits.count))\(digits)"
}
