internal import LinuxSystem

extension SandboxNetworks {
    /// What is made of the host before the first network: a router for them.
    struct Router: Sendable {
        /// Where networks get their addresses: the first of these that the host has no other use for.
        private static let ranges = [
            AddressBlock(10 << 24 | 96 << 16, length: 14), AddressBlock(172 << 24 | 28 << 16, length: 14),
            AddressBlock(192 << 24 | 168 << 16 | 224 << 8, length: 19),
        ]

        let filter: PacketFilter
        let range: AddressBlock
        let packetSize: Int

        /// - Throws: `SystemCallError` where there is no right to, or the kernel lacks a part.
        @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
        init(name: String) throws {
            filter = try PacketFilter(name, Self.chains)
            try filter.openPassage(forInterfaces: SandboxNetworks.prefix + name)
            try PacketForwarding.turnOn()
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
}
