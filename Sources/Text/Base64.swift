internal import FoundationEssentials

/// Bytes in standard base64 with padding.
///
/// See RFC 4648, section 4.
package func base64(_ bytes: [UInt8]) -> String { Data(bytes).base64EncodedString() }

/// The bytes of standard base64, whose padding may be missing; nil for malformed text.
package func bytes(ofBase64 text: String) -> [UInt8]? {
    let digits = text.prefix { $0 != "=" }
    guard text.dropFirst(digits.count).allSatisfy({ $0 == "=" }) else { return nil }
    let padding = String(repeating: "=", count: (4 - digits.utf8.count % 4) % 4)
    return Data(base64Encoded: digits + padding).map { Array($0) }
}
