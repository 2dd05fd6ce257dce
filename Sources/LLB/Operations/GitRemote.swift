import Text

/// The address of a git repository: one of the forms that lead over a network, and none that git would read as an option.
package struct GitRemote: Hashable, Sendable {
    package enum Transport: String, Hashable, Sendable {
        case http, https, git, ssh
    }

    package let transport: Transport
    /// `user` or `user:password`, as written in the address, or nil.
    package let userInformation: [UInt8]?
    /// With the port, if there is one.
    package let host: [UInt8]
    /// From the first slash on; without one in the short form of ssh addresses.
    package let path: [UInt8]
    /// Whether it is written `user@host:path`.
    private let isShort: Bool

    /// Parses `http://`, `https://`, `git://` and `ssh://` addresses without query and fragment, and `user@host:path`.
    /// - Returns: nil for anything else, `file://` and `ext::` among it, and for characters that addresses do not have.
    package init?(parsing text: [UInt8]) {
        guard text.count <= 8192, text.allSatisfy({ $0 > 0x20 && $0 < 0x7f && !"\\#?".utf8.contains($0) }) else {
            return nil
        }
        let mark: [UInt8] = "://"
        let colon = text.indices.first { text[$0...].starts(with: mark) }
        guard let remote = colon.map({ Self.url(text, colon: $0) }) ?? Self.short(text) else { return nil }
        self = remote
    }

    private init(_ transport: Transport, user: [UInt8]?, host: ArraySlice<UInt8>, path: ArraySlice<UInt8>, short: Bool)
    {
        self.transport = transport
        userInformation = user
        self.host = Array(host)
        self.path = Array(path)
        isShort = short
    }

    private static func url(_ text: [UInt8], colon: Int) -> GitRemote? {
        let rest = text[(colon + 3)...]
        guard let transport = Transport(rawValue: String(decoding: text[..<colon], as: UTF8.self).lowercased()),
            let slash = rest.firstIndex(of: "/")
        else { return nil }
        let authority = rest[..<slash]
        let at = authority.lastIndex(of: "@")
        let host = authority[(at.map { $0 + 1 } ?? authority.startIndex)...]
        let path = rest[slash...]
        guard isHost(host, allowsPort: true), path.count > 1 else { return nil }
        if let at, transport == .ssh, !isUser(authority[..<at]) { return nil }
        return GitRemote(transport, user: at.map { Array(authority[..<$0]) }, host: host, path: path, short: false)
    }

    private static func short(_ text: [UInt8]) -> GitRemote? {
        guard let at = text.firstIndex(of: "@"),
            let colon = text[at...].firstIndex(of: ":")
        else { return nil }
        let path = text[(colon + 1)...]
        guard isUser(text[..<at]), isHost(text[(at + 1)..<colon], allowsPort: false), !path.isEmpty,
            path.first != "-"
        else { return nil }
        return GitRemote(.ssh, user: Array(text[..<at]), host: text[(at + 1)..<colon], path: path, short: true)
    }

    private static func isLetterOrDigit(_ byte: UInt8) -> Bool {
        ("a"..."z").contains(byte | 0x20) || (0x30...0x39).contains(byte)
    }

    private static func isUser(_ text: ArraySlice<UInt8>) -> Bool {
        text.first != "-" && !text.isEmpty
            && text.allSatisfy { isLetterOrDigit($0) || "-_.".utf8.contains($0) }
    }

    private static func isHost(_ text: ArraySlice<UInt8>, allowsPort: Bool) -> Bool {
        let special: StaticString = allowsPort ? "-_.:[]" : "-_."
        return text.first != "-" && !text.isEmpty
            && text.allSatisfy { byte in
                isLetterOrDigit(byte) || special.withUTF8Buffer { $0.contains(byte) }
            }
    }

    /// The whole address, with user information: for git alone.
    package var address: [UInt8] { written(with: userInformation) }

    /// The address for git's command line, messages and files: what proves the user is left out.
    package var publicAddress: [UInt8] {
        switch transport {
        case .http, .https: written(with: nil)
        case .git, .ssh: address
        }
    }

    private func written(with user: [UInt8]?) -> [UInt8] {
        let prefix = user.map { $0 + "@" } ?? []
        if isShort { return prefix + host + ":" + path }
        return "\(transport.rawValue)://" + prefix + host + path
    }
}
