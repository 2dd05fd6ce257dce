internal import LinuxSystem
internal import Text

/// Spans of time and sizes as the page of a profile shows them.
enum ProfileNumbers {
    /// As `250 ms`, `12.3 s` or `2 min 5 s`.
    static func duration(_ seconds: Double) -> String {
        if seconds == 0 { return "0 s" }
        if seconds < 0.0005 { return "<1 ms" }
        if seconds < 0.9995 { return "\(fixedPoint(seconds * 1000, decimals: 0)) ms" }
        if seconds < 59.95 { return "\(fixedPoint(seconds, decimals: seconds < 9.995 ? 2 : 1)) s" }
        let whole = Int(seconds.rounded())
        if whole < 3600 { return "\(whole / 60) min \(whole % 60) s" }
        return "\(whole / 3600) h \(whole % 3600 / 60) min"
    }

    /// As `1.09 MB`.
    static func size(_ bytes: Int64) -> String {
        var text = ByteCount.decimal(bytes, digits: 3)
        // As docker writes 999.9 kB.
        if text.contains("e") { text = ByteCount.decimal(bytes, digits: 4) }
        let end = text.utf8.prefix { ("0"..."9").contains($0) || $0 == "." }.endIndex
        return "\(text[..<end]) \(text[end...])"
    }

    /// The memory of a step, as `34 MB`, or `≤ 34 MB` where it may be less.
    static func peak(of usage: ResourceUsage) -> String {
        (usage.isPeakBound ? "≤ " : "") + size(usage.peakMemory)
    }

    /// A share of a whole, for an attribute of SVG; at most all of it.
    static func percentage(_ part: Double, of whole: Double) -> String {
        "\(fixedPoint(whole > 0 ? min(100, max(0, part / whole * 100)) : 0, decimals: 3))%"
    }
}
