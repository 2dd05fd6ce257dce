/// Text in double quotes with escapes, as Go's `%q` writes it: BuildKit's messages and history entries are in this form.
package func quoted(_ bytes: some RandomAccessCollection<UInt8>) -> [UInt8] {
    var out: [UInt8] = "\""
    for value in ScalarText(bytes).scalars {
        switch value {
        case 0x22, 0x5c: out += [0x5c, UInt8(value)]
        case 0x07: out += "\\a"
        case 0x08: out += "\\b"
        case 0x0c: out += "\\f"
        case 0x0a: out += "\\n"
        case 0x0d: out += "\\r"
        case 0x09: out += "\\t"
        case 0x0b: out += "\\v"
        case 0x20...0x7e: out.append(UInt8(value))
        case 0...0x7f: out += "\\x" + hexadecimal(value, digits: 2)
        case ScalarText.invalidBase...: out += "\\x" + hexadecimal(value - ScalarText.invalidBase, digits: 2)
        default:
            if let scalar = Unicode.Scalar(value), isPrintable(scalar) {
                out += ScalarText.bytes(of: [value])
            } else if value < 0x1_0000 {
                out += "\\u" + hexadecimal(value, digits: 4)
            } else {
                out += "\\U" + hexadecimal(value, digits: 8)
            }
        }
    }
    out.append("\"")
    return out
}

/// Text in double quotes with escapes, as Go's `%q` writes it.
package func quoted(_ text: some StringProtocol) -> String { String(decoding: quoted(Array(text.utf8)), as: UTF8.self) }

private func hexadecimal(_ value: UInt32, digits: Int) -> [UInt8] {
    let text = Array(String(value, radix: 16).utf8)
    return Array(repeating: "0", count: max(0, digits - text.count)) + text
}

private func isPrintable(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.properties.generalCategory {
    case .control, .format, .surrogate, .privateUse, .unassigned, .spaceSeparator, .lineSeparator, .paragraphSeparator:
        false
    default: true
    }
}
