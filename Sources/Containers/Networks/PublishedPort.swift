internal import LinuxSystem

/// A port of the host behind which a container answers.
package struct PublishedPort: Sendable, Codable, Hashable {
    package enum Transport: String, Sendable, Codable, Hashable { case tcp, udp, sctp }

    /// Empty is every address of the host.
    package var hostAddress: String
    /// 0 is one that is free when the container starts.
    package var hostPort: UInt16
    package var containerPort: UInt16
    package var transport: Transport
    /// The last of several ports of the host, of which one that is free is taken; nil where there is no choice.
    package var lastHostPort: UInt16?

    package init(
        hostAddress: String = "",
        hostPort: UInt16,
        containerPort: UInt16,
        transport: Transport = .tcp,
        lastHostPort: UInt16? = nil
    ) {
        self.lastHostPort = lastHostPort
        self.hostAddress = hostAddress
        self.hostPort = hostPort
        self.containerPort = containerPort
        self.transport = transport
    }

    /// Reads the value of `-p`: `[[address:][port[-port]]:]port[-port][/transport]`.
    /// - Throws: `ContainerError.invalidPort`, in docker's words.
    package static func parse(_ text: String) throws(ContainerError) -> [PublishedPort] {
        func refused(_ reason: String) -> ContainerError { .invalidPort(text, reason: reason) }
        let slash = text.lastIndex(of: "/")
        let name = slash.map { String(text[text.index(after: $0)...]) } ?? "tcp"
        let spec = slash.map { text[..<$0] } ?? text[...]
        let (address, outside, inside) = split(spec)
        if inside.isEmpty { throw refused("no port specified: \(text)<empty>") }
        guard let transport = Transport(rawValue: name.lowercased()) else { throw refused("invalid proto: \(name)") }
        guard address.isEmpty || InternetAddress(address) != nil else {
            throw refused("invalid IP address: \(address)")
        }
        guard let container = range(inside), container.lowerBound > 0 else {
            throw refused("invalid containerPort: \(inside)")
        }
        func port(_ host: UInt16, _ container: UInt16, last: UInt16? = nil) -> PublishedPort {
            .init(
                hostAddress: address,
                hostPort: host,
                containerPort: container,
                transport: transport,
                lastHostPort: last
            )
        }
        let host = outside.isEmpty ? 0...0 : range(outside)
        guard let host else { throw refused("invalid hostPort: \(outside)") }
        if address.contains(":") { throw .portOnIPv6(port(host.lowerBound, container.lowerBound)) }
        if outside.isEmpty { return container.map { port(0, $0) } }
        if host.count == container.count { return zip(host, container).map { port($0, $1) } }
        guard container.count == 1 else {
            throw refused("invalid ranges specified for container and host Ports: \(inside) and \(outside)")
        }
        return [port(host.lowerBound, container.lowerBound, last: host.upperBound)]
    }

    /// Takes `[address:][host:]container` apart; an IPv6 address stands in brackets.
    private static func split(_ spec: Substring) -> (address: String, host: String, container: String) {
        var fields = spec.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
        let container = fields.popLast() ?? ""
        let host = fields.popLast() ?? ""
        var address = fields.joined(separator: ":")
        if address.hasPrefix("["), address.hasSuffix("]") { address = String(address.dropFirst().dropLast()) }
        return (address, host, container)
    }

    private static func range(_ text: String) -> ClosedRange<UInt16>? {
        let ends = text.split(separator: "-", omittingEmptySubsequences: false)
        guard ends.count <= 2, ends.allSatisfy({ $0.allSatisfy(\.isNumber) }) else { return nil }
        guard let first = ends.first.flatMap({ UInt16($0) }), let last = ends.last.flatMap({ UInt16($0) }),
            first <= last
        else { return nil }
        return first...last
    }
}

extension PublishedPort: CustomStringConvertible {
    /// As `docker ps` shows it.
    package var description: String {
        "\(hostEndpoint)->\(containerEndpoint)"
    }

    /// The port of the host: `0.0.0.0:8080`, or `[::1]:8080`.
    package var hostEndpoint: String {
        let address = hostAddress.isEmpty ? "0.0.0.0" : hostAddress
        return address.contains(":") ? "[\(address)]:\(hostPort)" : "\(address):\(hostPort)"
    }

    /// The port of the container, as `80/tcp`.
    package var containerEndpoint: String { "\(containerPort)/\(transport.rawValue)" }
}
