/// Bytes as a person may see them: printable UTF-8 as it is, everything else as `\xNN`.
package func escapedForDisplay(_ bytes: some Collection<UInt8>) -> String {
    if let text = String(validating: bytes, as: UTF8.self),
        !text.unicodeScalars.contains(where: { $0.value < 0x20 || (0x7f...0x9f).contains($0.value) })
    {
        return text
    }
    let digits = "0123456789abcdef".map(\.self)
    return bytes.reduce(into: "") { text, byte in
        if (0x20..<0x7f).contains(byte) {
            text.unicodeScalars.append(Unicode.Scalar(byte))
        } else {
            text += "\\x\(digits[Int(byte >> 4)])\(digits[Int(byte & 15)])"
        }
    }
}
