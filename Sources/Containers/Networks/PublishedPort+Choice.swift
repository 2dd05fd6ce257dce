import LinuxSystem
import SystemPackage

extension PublishedPort {
    /// Whether two cannot be had at once.
    func conflicts(with other: PublishedPort) -> Bool {
        hostPort == other.hostPort && transport == other.transport
            && (hostAddress == other.hostAddress || isOnEveryAddress || other.isOnEveryAddress)
    }

    private var isOnEveryAddress: Bool { hostAddress.isEmpty || hostAddress == "0.0.0.0" }

    /// Finds ports for those that leave a choice, and refuses ports of the host that are taken.
    /// - Parameters:
    ///   - ports: what is asked for.
    ///   - others: those of other containers, which have no listener that bind(2) would run into: they are only redirected.
    /// - Returns: them, each with one port of the host.
    /// - Throws: `ContainerError.portInUse`.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    static func choose(_ ports: [PublishedPort], besides others: [PublishedPort]) throws -> [PublishedPort] {
        var taken = others
        return try ports.map { port in
            let chosen = try port.chosen(besides: taken)
            taken.append(chosen)
            return chosen
        }
    }

    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    private func chosen(besides taken: [PublishedPort]) throws -> PublishedPort {
        if hostAddress.contains(":") { throw ContainerError.portOnIPv6(self) }
        // What the kernel gives where any is asked for may be redirected to a container.
        let candidates =
            hostPort == 0 ? Array(repeating: 0, count: 100) : Array(hostPort...max(hostPort, lastHostPort ?? 0))
        for candidate in candidates {
            guard let free = try freePort(candidate) else { continue }
            var port = self
            port.hostPort = free
            if !taken.contains(where: port.conflicts) { return port }
        }
        throw ContainerError.portInUse(self)
    }

    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    private func freePort(_ candidate: UInt16) throws -> UInt16? {
        if transport == .sctp { return candidate == 0 ? UInt16.random(in: 32_768..<60_999) : candidate }
        do throws(SystemCallError) {
            return try availablePort(candidate, address: hostAddress, isDatagram: transport == .udp)
        } catch {
            guard error.errno == .permissionDenied else { throw error }
            throw ContainerError.portNeedsRoot(
                self,
                reason: "ports below \(lowestUnprivilegedPort()) are root's; publish a higher one, or allow this one: "
                    + "sysctl -w net.ipv4.ip_unprivileged_port_start=\(candidate)"
            )
        }
    }
}

extension PublishedPort {
    /// The ports of a container in the words of `docker ps`: neighbours together, where inside and outside have one number.
    /// - Parameters:
    ///   - ports: those that are published.
    ///   - exposed: those that are only said to be there, as `80/tcp`.
    /// - Returns: one line.
    package static func summary(_ ports: [PublishedPort], exposed: [String]) -> String {
        let published = Set(ports.map(\.containerEndpoint))
        let silent = exposed.flatMap { (try? parse($0)) ?? [] }.filter { !published.contains($0.containerEndpoint) }
        var groups: [(key: String, first: UInt16, last: UInt16)] = []
        // A later run of neighbours takes the place of an earlier one, whose text is then written.
        var current: [String: Int] = [:]
        var (texts, moved): ([String], [String]) = ([], [])
        func text(_ group: (key: String, first: UInt16, last: UInt16)) -> String {
            let range = group.first == group.last ? "\(group.first)" : "\(group.first)-\(group.last)"
            guard let slash = group.key.firstIndex(of: "/") else { return "\(range)/\(group.key)" }
            return "\(group.key[..<slash]):\(range)->\(range)\(group.key[slash...])"
        }
        let all = ports.map { (port: $0, isPublished: true) } + silent.map { (port: $0, isPublished: false) }
        for (port, isPublished) in all.sorted(by: { $0.port.precedes($1.port) }) {
            if isPublished, port.hostPort != port.containerPort {
                moved.append(port.description)
                continue
            }
            let address = port.hostAddress.isEmpty ? "0.0.0.0" : port.hostAddress
            let key = (isPublished ? address + "/" : "") + port.transport.rawValue
            guard let index = current[key] else {
                current[key] = groups.count
                groups.append((key, port.containerPort, port.containerPort))
                continue
            }
            if port.containerPort == groups[index].last + 1 {
                groups[index].last = port.containerPort
            } else {
                texts.append(text(groups[index]))
                groups[index] = (key, port.containerPort, port.containerPort)
            }
        }
        return (texts + groups.map(text) + moved).joined(separator: ", ")
    }

    private func precedes(_ other: PublishedPort) -> Bool {
        (containerPort, hostAddress, hostPort, transport.rawValue)
            < (other.containerPort, other.hostAddress, other.hostPort, other.transport.rawValue)
    }
}
