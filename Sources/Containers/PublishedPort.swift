/// A port of the host behind which a container answers.
package struct PublishedPort: Sendable, Codable, Hashable {
    package enum Transport: String, Sendable, Codable, Hashable { case tcp, udp, sctp }

    /// Empty is every address of the host.
    package var hostAddress: String
    /// 0 is one that is free when the container starts.
    package var hostPort: UInt16
    package var containerPort: UInt16
    package var transport: Transport

    package init(hostAddress: String = "", hostPort: UInt16, containerPort: UInt16, transport: Transport = .tcp) {
        self.hostAddress = hostAddress
        self.hostPort = hostPort
        self.containerPort = containerPort
        self.transport = transport
    }

    /// Reads the value of `-p`: `[[address:][port[-port]]:]port[-port][/transport]`.
    /// - Throws: `ContainerError.invalidPort`.
    package static func parse(_ text: String) throws(ContainerError) -> [PublishedPort] {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count <= 2, let transport = Transport(rawValue: parts.count == 2 ? parts[1].lowercased() : "tcp")
        else {
            throw .invalidPort(text)
        }
        var rest = parts[0]
        var address = ""
        if rest.hasPrefix("["), let close = rest.firstIndex(of: "]") {
            address = String(rest[rest.index(after: rest.startIndex)..<close])
            rest = rest[rest.index(after: close)...]
            guard rest.hasPrefix(":") else { throw .invalidPort(text) }
            rest = rest.dropFirst()
        }
        var fields = rest.split(separator: ":", omittingEmptySubsequences: false)
        if fields.count == 3, address.isEmpty { address = String(fields.removeFirst()) }
        guard let inside = fields.popLast(), fields.count <= 1, let container = range(inside) else {
            throw .invalidPort(text)
        }
        let outside = fields.first ?? ""
        guard !outside.isEmpty else {
            return container.map { .init(hostAddress: address, hostPort: 0, containerPort: $0, transport: transport) }
        }
        guard let host = range(outside), host.count == container.count else { throw .invalidPort(text) }
        return zip(host, container).map {
            .init(hostAddress: address, hostPort: $0, containerPort: $1, transport: transport)
        }
    }

    private static func range(_ text: Substring) -> ClosedRange<UInt16>? {
        let ends = text.split(separator: "-", omittingEmptySubsequences: false).map { UInt16($0) }
        guard ends.count <= 2, let first = ends.first ?? nil, let last = ends.last ?? nil, first > 0, first <= last
        else { return nil }
        return first...last
    }
}

extension PublishedPort: CustomStringConvertible {
    /// As `docker ps` shows it.
    package var description: String {
        "\(hostAddress.isEmpty ? "0.0.0.0" : hostAddress):\(hostPort)->\(containerPort)/\(transport.rawValue)"
    }
}
