/// How many columns of a terminal a text takes: none for what combines with the character before it, two for East Asian wide
/// characters and emoji.
func displayWidth(_ text: String) -> Int {
    text.utf8.allSatisfy { $0 < 0x80 } ? text.utf8.count : text.unicodeScalars.reduce(0) { $0 + displayWidth($1) }
}

/// As much of the beginning of a text as fits into some columns.
func clipped(_ text: String, to width: Int) -> String {
    if displayWidth(text) <= width { return text }
    var (result, used) = (String.UnicodeScalarView(), 0)
    for scalar in text.unicodeScalars {
        used += displayWidth(scalar)
        if used > width { break }
        result.append(scalar)
    }
    return String(result)
}

/// The text followed by spaces up to some columns.
package func padded(_ text: String, to width: Int) -> String {
    text + String(repeating: " ", count: max(0, width - displayWidth(text)))
}

func displayWidth(_ scalar: Unicode.Scalar) -> Int {
    switch scalar.value {
    case 0..<0x300: return 1
    case 0x1100...0x115f, 0x2e80...0x303e, 0x3041...0xa4cf, 0xac00...0xd7a3, 0xf900...0xfaff, 0xfe30...0xfe6f,
        0xff00...0xff60, 0xffe0...0xffe6, 0x1f300...0x1f64f, 0x1f680...0x1f6ff, 0x1f900...0x1f9ff, 0x20000...0x3fffd:
        return 2
    default: break
    }
    switch scalar.properties.generalCategory {
    case .nonspacingMark, .enclosingMark, .format: return 0
    default: return 1
    }
}
