internal import AsyncHTTPClient
internal import LinuxSystem
internal import Text

/// Through which proxies hosts are reached: `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY`, read as Go's programs read them.
package struct ProxySettings: Sendable, Hashable {
    /// A proxy, with the `Basic` credential that its URL holds.
    struct Server: Sendable, Hashable {
        var speaksSOCKS = false
        var host: String
        var port: Int
        var user: String?
        var password: String?
    }

    /// What a variable says.
    private enum Choice: Sendable, Hashable {
        case direct
        case server(Server)
        /// Refused when it is needed, not before: most commands speak to nobody.
        case invalid(variable: String, reason: String)
    }

    private var http = Choice.direct
    private var https = Choice.direct
    private var exceptions: [Exception] = []

    /// No proxies.
    package init() {}

    /// What the environment says; the names in capitals count before those in small letters.
    package init(environment: [String: String]) {
        func value(_ name: String) -> String? {
            [name, name.lowercased()].lazy.compactMap { environment[$0] }.first { !$0.isEmpty }
        }
        http = value("HTTP_PROXY").map { Self.choice($0, "HTTP_PROXY") } ?? .direct
        https = value("HTTPS_PROXY").map { Self.choice($0, "HTTPS_PROXY") } ?? .direct
        let names = (value("NO_PROXY") ?? "").split { $0 == "," || $0 == " " }
        exceptions = names.map { Exception(String($0).lowercased()) }
    }

    /// The proxy for requests to a server; nil where it is reached directly, as the machine itself always is.
    /// - Throws: `HTTPError.unusableSetting` naming the variable that cannot be used.
    func server(for url: HTTPURL) throws(HTTPError) -> Server? {
        let host = url.host.lowercased()
        if host == "localhost" || InternetAddress(host)?.isLoopback ?? false { return nil }
        if exceptions.contains(where: { $0.covers(host, port: url.port) }) { return nil }
        switch url.scheme == .https ? https : http {
        case .direct: return nil
        case .server(let server): return server
        case .invalid(let variable, let reason):
            throw .unusableSetting(place: "environment", key: variable, reason: reason)
        }
    }

    private static func choice(_ text: String, _ variable: String) -> Choice {
        var server = Server(host: "", port: 80)
        var rest = text[...]
        if text.contains("://") {
            switch String(text.prefix { $0 != ":" }).lowercased() {
            case "http": rest = text.dropFirst("http://".count)
            case "socks5", "socks5h":
                server.speaksSOCKS = true
                server.port = 1080
                rest = text.drop { $0 != "/" }.dropFirst(2)
            default:
                return .invalid(variable: variable, reason: "only proxies of http:// and socks5:// are supported")
            }
        }
        rest = rest.prefix { $0 != "/" }
        if let at = rest.lastIndex(of: "@") {
            let pair = rest[..<at].split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
            server.user = percentDecoded(pair[0])
            server.password = pair.count > 1 ? percentDecoded(pair[1]) : ""
            rest = rest[rest.index(after: at)...]
        }
        guard let authority = Authority(parsing: rest), !authority.host.isEmpty else {
            return .invalid(variable: variable, reason: "expected http://[user:password@]host[:port]")
        }
        server.host = authority.host
        server.port = authority.port ?? server.port
        return .server(server)
    }

    /// One word of `NO_PROXY`.
    private enum Exception: Sendable, Hashable {
        case everything
        case network(InternetAddress, prefix: Int)
        /// The host itself, and the hosts of the domain.
        case domain(String, port: Int?)
        /// The hosts of a domain only.
        case subdomains(String, port: Int?)

        init(_ word: String) {
            if word == "*" {
                self = .everything
                return
            }
            let parts = word.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
            if let address = InternetAddress(String(parts[0])) {
                let whole = address.bytes.count * 8
                self = .network(address, prefix: parts.count > 1 ? min(Int(parts[1]) ?? whole, whole) : whole)
                return
            }
            // `*.name` and `.name` mean the hosts of a domain.
            let bare = word.drop { $0 == "*" }
            let isSuffix = bare.hasPrefix(".")
            let authority = Authority(parsing: bare.drop { $0 == "." })
            let name = (isSuffix ? "." : "") + (authority?.host ?? String(bare.drop { $0 == "." }))
            self =
                isSuffix
                ? .subdomains(name, port: authority?.port) : .domain(name, port: authority?.port)
        }

        func covers(_ host: String, port: Int) -> Bool {
            switch self {
            case .everything: true
            case .network(let network, let prefix): InternetAddress(host)?.isIn(network, prefix: prefix) ?? false
            case .domain(let name, let only):
                (only == nil || only == port) && (host == name || host.hasSuffix("." + name))
            case .subdomains(let name, let only): (only == nil || only == port) && host.hasSuffix(name)
            }
        }
    }
}

extension ProxySettings.Server {
    /// What the HTTP client is told.
    package var configuration: HTTPClient.Configuration.Proxy {
        if speaksSOCKS { return .socksServer(host: host, port: port) }
        guard let user else { return .server(host: host, port: port) }
        return .server(host: host, port: port, authorization: .basic(username: user, password: password ?? ""))
    }
}

/// The text with its `%XX` sequences resolved; one that is none stays.
private func percentDecoded(_ text: Substring) -> String {
    var bytes: [UInt8] = []
    var rest = Array(text.utf8)[...]
    while let byte = rest.popFirst() {
        if byte == "%", rest.count >= 2,
            let value = UInt8(String(decoding: rest.prefix(2), as: UTF8.self), radix: 16)
        {
            bytes.append(value)
            rest = rest.dropFirst(2)
        } else {
            bytes.append(byte)
        }
    }
    return String(decoding: bytes, as: UTF8.self)
}
