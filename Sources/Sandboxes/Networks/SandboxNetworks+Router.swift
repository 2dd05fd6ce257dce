internal import LinuxSystem
internal import SystemPackage

extension SandboxNetworks {
    /// What is made before the first network: of the host, or of a namespace before it, a router for them.
    struct Router: Sendable {
        /// Where networks get their addresses: the first of these that the host has no other use for.
        private static let ranges = [
            AddressBlock(10 << 24 | 96 << 16, length: 14), AddressBlock(172 << 24 | 28 << 16, length: 14),
            AddressBlock(192 << 24 | 168 << 16 | 224 << 8, length: 19),
        ]

        let filter: PacketFilter
        let range: AddressBlock
        let packetSize: Int
        /// What joins a router that is not the host with it.
        private let uplink: Uplink?
        /// The host's address, where it is not the router's own.
        let host: String?
        /// Where the host's name servers are asked, where they are not reached themselves.
        var nameServer: String? { uplink == nil ? nil : UserModeNetwork.nameServer }

        /// Makes the thread's own network namespace a router.
        /// - Throws: `SystemCallError` where there is no right to, or the kernel lacks a part.
        @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
        init(name: String, behind uplink: Uplink? = nil) throws {
            self.uplink = uplink
            host = uplink?.host
            filter = try PacketFilter(name, Self.chains)
            if uplink == nil {
                try filter.openPassage(forInterfaces: SandboxNetworks.prefix + name)
                try PacketForwarding.turnOn()
            } else {
                try PacketForwarding.turnOnAlone()
            }
            let routes = try HostRoute.all().filter { !$0.interface.hasPrefix(SandboxNetworks.prefix) }
            let others = routes.filter { !$0.isDefault }
            // Where another network claims all of it, four of its addresses at a time are out of its reach.
            range = Self.ranges.first { range in !others.contains { $0.destination.overlaps(range) } } ?? Self.ranges[0]
            // No larger packets than the host sends: where the message that one was too large gets lost, the rest would too.
            packetSize =
                try routes.first(where: \.isDefault).flatMap { uplink in
                    try NetworkInterfaces().packetSize(of: uplink.interface)
                } ?? 1500
        }

        /// Does something in the network namespace of the router.
        @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
        func perform<Value: Sendable>(_ body: @escaping @Sendable () throws -> Value) throws -> Value {
            guard let uplink else { return try body() }
            return try uplink.namespace.perform(body)
        }

        func remove() async throws {
            if let uplink { return try await uplink.end() }
            try await onBlockingPool { [filter] in
                try? filter.remove()
                try PacketForwarding.turnOffAfterLast()
            }
        }

        private static let fromStep = PacketFilter.Condition.comesFrom(SandboxNetworks.prefix)
        private static let toStep = PacketFilter.Condition.goesTo(SandboxNetworks.prefix)

        private static let chains: [PacketFilter.Chain] = [
            .init(
                "arriving",
                type: "filter",
                at: .beforeRouting,
                priority: -150,
                [
                    // These networks have no IPv6; the cable has addresses of its own, under which the host would answer.
                    .init([fromStep, .isIPv6], .drop),
                    .init([fromStep, .hasForgedSource], .drop),
                    // Some hosts route their loopback addresses (route_localnet), and a process can write any packet.
                    .init([fromStep, .destination([127])], .drop),
                    .init([fromStep, .destination([169, 254]), .port(53, protocol: 17)], .accept),
                    .init([fromStep, .destination([169, 254]), .port(53, protocol: 6)], .accept),
                    .init([fromStep, .destination([169, 254])], .refuse),
                ]
            ),
            .init(
                "passing",
                type: "filter",
                at: .forwarding,
                priority: 0,
                [
                    .init([fromStep, toStep], .refuse),
                    .init([toStep, .isAnswer], .accept),
                    .init([toStep], .drop),
                ]
            ),
            .init(
                "leaving",
                type: "nat",
                at: .afterRouting,
                priority: 100,
                [.init([fromStep], .masquerade)]
            ),
        ]
    }

    /// A network namespace that stands before the host, joined with it by a program.
    struct Uplink: Sendable {
        let namespace: NetworkNamespace
        /// The host's address in the namespace's world; nil where the host is in no network.
        let host: String?
        private let carrier: UserModeNetwork

        /// Makes the namespace, and has the program join it.
        /// - Parameter directory: an empty one.
        /// - Returns: the namespace, which ends with the process that made it.
        /// - Throws: `SystemCallError`, `ProgramNotFound`, and what the program says.
        static func make(in directory: FilePath) async throws -> Uplink {
            let place = directory.appending("namespace")
            let (namespace, host) = try await onBlockingPool {
                try makeNetworkNamespace(at: place)
                return (try NetworkNamespace(at: place), outwardAddress())
            }
            let carrier = try await UserModeNetwork.start(for: place, in: directory)
            await onBlockingPool {
                // Both have it open now. What cannot be removed goes with the process.
                try? unmount(place, lazy: true)
                try? removeTree(directory)
            }
            return Uplink(namespace: namespace, host: host, carrier: carrier)
        }

        func end() async throws { try await carrier.end() }
    }
}
