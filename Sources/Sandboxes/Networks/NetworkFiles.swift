internal import LinuxSystem
internal import SystemPackage

/// The files through which a process finds names and addresses.
enum NetworkFiles {
    static func hosts(_ configuration: SandboxConfiguration) -> [UInt8] {
        let hostname = String(decoding: configuration.hostname, as: UTF8.self)
        let given = configuration.hosts.map { "\($0.address)\t\($0.name)" }
        let lines =
            switch configuration.purpose {
            // A server of a step that listens on 127.0.0.1 alone is found by the step's own name.
            case .step: ["127.0.0.1\tlocalhost \(hostname)", "::1\tlocalhost ip6-localhost ip6-loopback"] + given
            case .container: containerLines + given + ownName(hostname, in: configuration)
            }
        return Array((lines.joined(separator: "\n") + "\n").utf8)
    }

    private static let containerLines = [
        "127.0.0.1\tlocalhost",
        "::1\tlocalhost ip6-localhost ip6-loopback",
        "fe00::\tip6-localnet",
        "ff00::\tip6-mcastprefix",
        "ff02::1\tip6-allnodes",
        "ff02::2\tip6-allrouters",
    ]

    private static func ownName(_ hostname: String, in configuration: SandboxConfiguration) -> [String] {
        let isGiven = configuration.hosts.contains { $0.name.utf8.elementsEqual(hostname.utf8) }
        return hostname.isEmpty || isGiven ? [] : ["127.0.1.1\t\(hostname)"]
    }

    /// Google's, as with docker, where the host has none that another network could reach.
    private static let publicServers = ["nameserver 8.8.8.8", "nameserver 8.8.4.4"]

    /// The name servers: given ones, or the host's.
    ///
    /// In a network of its own a process does not reach servers on the host's loopback, nor any by IPv6.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    static func resolver(_ configuration: SandboxConfiguration, host content: [UInt8]? = nil) -> [UInt8] {
        let host = merge(configuration.resolverLines, into: content ?? hostResolver())
        let own: String?
        switch configuration.network {
        case .host, .none: return host
        case .namespace(_, let nameServer): own = nameServer
        case .own(let network): own = network.nameServer
        }
        if configuration.resolverLines?.replacesNameServers ?? false { return host }
        let lines = String(decoding: host, as: UTF8.self).split(separator: "\n").map(String.init)
        let others = lines.filter { nameServer(of: $0) == nil }
        let usable = lines.filter { isUsable($0) }
        let substitutes = own.map { ["nameserver \($0)"] } ?? publicServers
        return Array(((usable.isEmpty ? substitutes : usable) + others).joined(separator: "\n").utf8) + [0x0a]
    }

    /// Whether another network reaches none of the host's name servers by their addresses.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    static var hostServersAreOutOfReach: Bool {
        !String(decoding: hostResolver(), as: UTF8.self).split(separator: "\n").contains { isUsable(String($0)) }
    }

    private static func isUsable(_ line: String) -> Bool {
        nameServer(of: line).map { !$0.hasPrefix("127.") && !$0.contains(":") } ?? false
    }

    private static func nameServer(of line: String) -> Substring? {
        let fields = line.split(whereSeparator: \.isWhitespace)
        return fields.first == "nameserver" ? fields.dropFirst().first : nil
    }

    /// The host's lines but those whose kind is given, and the given ones.
    private static func merge(_ given: SandboxConfiguration.ResolverLines?, into host: [UInt8]) -> [UInt8] {
        guard let given else { return host }
        func kind(_ line: some StringProtocol) -> String {
            let word = line.split(whereSeparator: \.isWhitespace).first ?? ""
            return word == "domain" ? "search" : String(word)
        }
        let replaced = Set(given.lines.map { kind($0) })
        let kept = String(decoding: host, as: UTF8.self).split(separator: "\n").filter { !replaced.contains(kind($0)) }
        return Array(((given.lines + kept.map(String.init)).joined(separator: "\n") + "\n").utf8)
    }

    /// The host's file; where it only names systemd-resolved's stub, the file with the real servers.
    private static func hostResolver() -> [UInt8] {
        for path in ["/etc/resolv.conf", "/run/systemd/resolve/resolv.conf"] as [FilePath] {
            guard let content = try? OpenFile.open(path, .readOnly).readToEnd(limit: 1 << 20) else { continue }
            let text = String(decoding: content, as: UTF8.self)
            if path == "/etc/resolv.conf", text.contains("nameserver 127.0.0.53") { continue }
            return content
        }
        return []
    }
}
