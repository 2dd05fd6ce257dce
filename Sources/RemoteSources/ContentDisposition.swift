internal import LLB
internal import Text

/// The file name that a `Content-Disposition` header gives.
///
/// See RFC 6266.
///
/// - Returns: a safe last component, or nil.
func fileName(inDisposition header: String) -> [UInt8]? {
    var rest = Array(header.utf8)[...]
    var plain: [UInt8]?
    var extended: [UInt8]?
    while let semicolon = rest.firstIndex(of: ";") {
        rest = rest[(semicolon + 1)...].drop { $0 == 0x20 || $0 == 0x09 }
        guard let equals = rest.firstIndex(of: "=") else { break }
        let name = String(decoding: rest[..<equals], as: UTF8.self).lowercased()
        rest = rest[(equals + 1)...]
        let value = takeValue(&rest)
        switch name {
        case "filename": plain = value
        case "filename*":
            // `UTF-8''encoded%20name`
            let parts = value.split(separator: "'", omittingEmptySubsequences: false)
            if parts.count == 3 { extended = percentDecoded(parts[2]) }
        default: continue
        }
    }
    return (extended ?? plain).flatMap(HTTPSource.safeName)
}

/// A token or a quoted string at the beginning of a text.
private func takeValue(_ rest: inout ArraySlice<UInt8>) -> [UInt8] {
    guard rest.first == "\"" else {
        let token = rest.prefix { $0 != ";" && $0 != 0x20 }
        rest = rest[token.endIndex...]
        return Array(token)
    }
    rest = rest.dropFirst()
    var value: [UInt8] = []
    while let byte = rest.popFirst(), byte != "\"" {
        if byte == "\\", let escaped = rest.popFirst() {
            value.append(escaped)
        } else {
            value.append(byte)
        }
    }
    return value
}
