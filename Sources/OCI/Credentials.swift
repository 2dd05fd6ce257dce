import Text

/// Text with the user information of addresses masked as BuildKit masks it, so that the text may be shown and kept.
///
/// Masked are passwords in addresses of any kind, and in web addresses also a name alone, which may be a token. The user of
/// `ssh://git@host` is no secret.
package func withoutCredentials(_ text: [UInt8]) -> [UInt8] {
    let mark: [UInt8] = "://"
    var result: [UInt8] = []
    // Up to here the text is in the result.
    var done = 0
    var next = 0
    while let colon = text[next...].firstIndex(of: ":") {
        guard text[colon...].starts(with: mark) else {
            next = colon + 1
            continue
        }
        let scheme = text[..<colon].suffix(5)
        let isWeb = scheme.suffix(4) == "http" || scheme == "https"
        let start = colon + mark.count
        let authority = text[start...].prefix { $0 > 0x20 && !"/?#\"',]".utf8.contains($0) }
        next = authority.endIndex
        guard let at = authority.lastIndex(of: "@") else { continue }
        let hasPassword = authority[..<at].contains(":")
        guard isWeb || hasPassword else { continue }
        result += text[done..<start] + Array(hasPassword ? "xxxxx:xxxxx".utf8 : "xxxxx".utf8)
        done = at
    }
    return done == 0 ? text : result + text[done...]
}

/// Text with the user information of addresses masked.
package func withoutCredentials(_ text: String) -> String {
    text.contains("://") ? String(decoding: withoutCredentials(Array(text.utf8)), as: UTF8.self) : text
}
