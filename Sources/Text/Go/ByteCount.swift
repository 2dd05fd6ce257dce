/// Sizes as people read and write them.
package enum ByteCount {
    private static let decimalUnits = ["B", "kB", "MB", "GB", "TB", "PB", "EB", "ZB", "YB"]
    private static let binaryUnits = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB", "ZiB", "YiB"]

    /// A size in decimal units with so many significant digits, as `1.09MB`.
    ///
    /// Listings of images and containers show three digits, totals four. Like Docker's, 999.9 kB with three digits is `1e+03kB`.
    package static func decimal(_ size: Int64, digits: Int) -> String {
        scaled(Double(size), base: 1000, units: decimalUnits, digits: digits)
    }

    /// A size in binary units with four significant digits, as `1.5MiB`.
    package static func binary(_ size: Int64) -> String {
        scaled(Double(size), base: 1024, units: binaryUnits, digits: 4)
    }

    private static func scaled(_ size: Double, base: Double, units: [String], digits: Int) -> String {
        var size = size
        var unit = 0
        while size >= base, unit < units.count - 1 {
            size /= base
            unit += 1
        }
        return GoNumbers.general(size, precision: digits) + units[unit]
    }
}

/// A number of bytes such as `64m`, `1.5 GiB` or `1024`: units are powers of 1024.
/// - Returns: nil for anything else, and for what does not fit 63 bits.
package func parsedByteCount(_ text: String) -> Int64? {
    let bytes = Array(text.utf8)
    let digits = bytes.prefix { isDigit($0) || $0 == "." }
    guard !digits.isEmpty, let number = Double(digits.displayText) else { return nil }
    var unit = Array(bytes.dropFirst(digits.count)).asciiLowercased
    if unit.first == 0x20 { unit.removeFirst() }
    var scale = 1.0
    if let letter = unit.first, let power = ("bkmgtp" as [UInt8]).firstIndex(of: letter) {
        for _ in 0..<power { scale *= 1024 }
        unit.removeFirst()
        guard power > 0 ? ["", "b", "ib"].contains(unit.displayText) : unit.isEmpty else { return nil }
    } else if !unit.isEmpty {
        return nil
    }
    let size = number * scale
    return size < 0x1p63 ? Int64(size) : nil
}
