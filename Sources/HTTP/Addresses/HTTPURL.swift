import Text

/// An absolute `http` or `https` address in a form that can only be read one way.
///
/// Made by hand rather than by Foundation's `URL`: that one turns odd characters of a host into a punycode label and accepts user
/// information. Only printable ASCII is accepted, no `user@`, no backslash; a fragment is dropped.
package struct HTTPURL: Hashable, Sendable, CustomStringConvertible {
    package enum Scheme: String, Sendable, Hashable {
        case http, https

        var defaultPort: Int { self == .http ? 80 : 443 }
    }

    package let scheme: Scheme
    /// In lower case; an IPv6 address has no brackets here.
    package let host: String
    package let port: Int
    /// Path and query, beginning with `/`.
    package let target: String

    package init(scheme: Scheme, host: String, port: Int? = nil, target: String = "/") {
        self.scheme = scheme
        self.host = host
        self.port = port ?? scheme.defaultPort
        self.target = target
    }

    /// Parses an absolute address.
    /// - Throws: `HTTPError.invalidURL`.
    package init(parsing text: String) throws(HTTPError) {
        func fail(_ reason: String) -> HTTPError { .invalidURL(text, reason: reason) }
        try Self.checkCharacters(text)
        let scheme: Scheme
        let rest: Substring
        let lower = text.prefix(8).lowercased()
        if lower.hasPrefix("https://") {
            (scheme, rest) = (.https, text.dropFirst(8))
        } else if lower.hasPrefix("http://") {
            (scheme, rest) = (.http, text.dropFirst(7))
        } else {
            throw fail("only http and https are supported")
        }
        let end = rest.firstIndex { "/?#".contains($0) } ?? rest.endIndex
        // An empty port is the scheme's own: RFC 3986, section 3.2.3.
        let place = rest[..<end].hasSuffix(":") ? rest[..<end].dropLast() : rest[..<end]
        guard let authority = Authority(parsing: place) else { throw fail("the host is not valid") }
        var target = String(rest[end...].prefix { $0 != "#" })
        if !target.hasPrefix("/") { target = "/" + target }
        self.init(scheme: scheme, host: authority.host, port: authority.port, target: target)
    }

    /// The address that a `Location` header given with this one means.
    ///
    /// See RFC 3986, section 5.2.
    ///
    /// - Throws: `HTTPError.invalidURL`.
    package func resolving(location: String) throws(HTTPError) -> HTTPURL {
        try Self.checkCharacters(location)
        let text = String(location.prefix { $0 != "#" })
        let schemeEnd = text.firstIndex { ":/?".contains($0) }
        if let schemeEnd, text[schemeEnd] == ":" { return try HTTPURL(parsing: text) }
        if text.hasPrefix("//") { return try HTTPURL(parsing: "\(scheme.rawValue):\(text)") }
        if text.hasPrefix("/") { return replacing(target: text) }
        let path = target.prefix { $0 != "?" }
        if text.hasPrefix("?") { return replacing(target: path + text) }
        guard !text.split(separator: "/").contains(where: { $0 == ".." || $0 == "." }) else {
            throw .invalidURL(location, reason: "a relative location must not hold dot segments")
        }
        let directory = path[...(path.lastIndex(of: "/") ?? path.startIndex)]
        return replacing(target: directory + text)
    }

    private func replacing(target: String) -> HTTPURL {
        HTTPURL(scheme: scheme, host: host, port: port, target: target)
    }

    /// The same address with parameters added to its query.
    package func adding(query: [(name: String, value: String)]) -> HTTPURL {
        guard !query.isEmpty else { return self }
        let text = query.map { "\(percentEncoded($0.name))=\(percentEncoded($0.value))" }.joined(separator: "&")
        return replacing(target: target + (target.contains("?") ? "&" : "?") + text)
    }

    /// Whether two addresses have one scheme, host and port: only then may credentials for the one be sent to the other.
    package func hasSameOrigin(as other: HTTPURL) -> Bool {
        scheme == other.scheme && host == other.host && port == other.port
    }

    /// The host as a URL spells it, with the port where it is not the scheme's own.
    package var authority: String {
        let name = host.utf8.contains(":") ? "[\(host)]" : host
        return port == scheme.defaultPort ? name : "\(name):\(port)"
    }

    package var description: String { "\(scheme.rawValue)://\(authority)\(target)" }

    /// The address without its query, which may hold signatures: what errors and logs show.
    package var redacted: String { "\(scheme.rawValue)://\(authority)\(target.prefix { $0 != "?" })" }

    private static func checkCharacters(_ text: String) throws(HTTPError) {
        guard text.utf8.count <= 8192, text.utf8.allSatisfy({ (0x21...0x7e).contains($0) && $0 != "\\" })
        else {
            throw .invalidURL(
                String(text.unicodeScalars.prefix(200).map { $0.isASCII && $0.value >= 0x20 ? Character($0) : "?" }),
                reason: "it is too long or holds a character that URLs do not have"
            )
        }
    }
}

/// A host with an optional port, as it stands in a URL or in the name of an image.
package struct Authority: Hashable, Sendable {
    /// In lower case, without brackets.
    package let host: String
    package let port: Int?

    /// Parses `host`, `host:port`, `[v6]` or `[v6]:port`; nil for anything else, user information included.
    package init?(parsing text: some StringProtocol) {
        let bytes = Array(text.utf8)
        var name = bytes[...]
        var portText: ArraySlice<UInt8>?
        if bytes.first == "[" {
            guard let close = bytes.firstIndex(of: "]") else { return nil }
            name = bytes[1..<close]
            let rest = bytes[(close + 1)...]
            guard !name.isEmpty,
                name.allSatisfy({ isHexadecimal($0) || $0 == ":" || $0 == "." })
            else {
                return nil
            }
            if !rest.isEmpty {
                guard rest.first == ":" else { return nil }
                portText = rest.dropFirst()
            }
        } else {
            if let colon = bytes.firstIndex(of: ":") {
                name = bytes[..<colon]
                portText = bytes[(colon + 1)...]
            }
            guard Self.isName(name) else { return nil }
        }
        host = String(decoding: name, as: UTF8.self).lowercased()
        guard let portText else {
            port = nil
            return
        }
        guard (1...5).contains(portText.count), portText.allSatisfy({ (0x30...0x39).contains($0) }),
            let number = Int(String(decoding: portText, as: UTF8.self)), (1...65_535).contains(number)
        else { return nil }
        port = number
    }

    private static func isName(_ bytes: ArraySlice<UInt8>) -> Bool {
        guard !bytes.isEmpty, bytes.count <= 253 else { return false }
        return bytes.split(separator: ".", omittingEmptySubsequences: false).allSatisfy { label in
            !label.isEmpty
                && label.allSatisfy {
                    ("a"..."z").contains($0 | 0x20) || (0x30...0x39).contains($0)
                        || $0 == "-" || $0 == "_"
                }
        }
    }
}

private func isHexadecimal(_ byte: UInt8) -> Bool {
    (0x30...0x39).contains(byte) || ("a"..."f").contains(byte | 0x20)
}

/// Text with everything but RFC 3986's unreserved characters written as `%XX`.
package func percentEncoded(_ text: String) -> String {
    let digits = "0123456789ABCDEF".map(\.self)
    return text.utf8.reduce(into: "") { result, byte in
        let isUnreserved =
            (0x30...0x39).contains(byte)
            || ("a"..."z").contains(byte | 0x20) && byte & 0x80 == 0
            || "-._~".utf8.contains(byte)
        if isUnreserved {
            result.unicodeScalars.append(Unicode.Scalar(byte))
        } else {
            result += "%\(digits[Int(byte >> 4)])\(digits[Int(byte & 15)])"
        }
    }
}
