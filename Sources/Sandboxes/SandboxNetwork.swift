internal import Glibc
package import LinuxSystem
internal import Synchronization
internal import SystemPackage

/// A network of a process's own: a namespace joined to the host by a cable, with the host as its gateway.
package struct SandboxNetwork: Sendable {
    /// Open as long as the network is to exist.
    package let namespace: NetworkNamespace
    /// The host, as the process sees it.
    package let gateway: String
}

/// Makes the networks of one process of Slipway.
///
/// A network reaches what the host reaches, under the host's address, and the host itself at the gateway's. It reaches no other
/// network made here, no address of the link alone (169.254.0.0/16, where clouds keep credentials) but name servers there, and
/// nobody reaches it but the host. The kernel itself keeps the books: which addresses are taken is what routes there are, and
/// everything that is made (interfaces, routes, rules) goes with the process, however that ends.
package final class SandboxNetworks: Sendable {
    /// What the names of all our interfaces on the host begin with.
    private static let prefix = "slr"

    /// Where networks get their addresses: the first of these that the host has no other use for.
    private static let ranges = [
        AddressBlock(10 << 24 | 96 << 16, length: 14), AddressBlock(172 << 24 | 28 << 16, length: 14),
        AddressBlock(192 << 24 | 168 << 16 | 224 << 8, length: 19),
    ]
    /// A network has four: its own, the gateway's, and the two that no host may have.
    private static let blockLength: UInt32 = 30

    /// What is made once, before the first network.
    private struct Host {
        let filter: PacketFilter
        let range: AddressBlock
        let packetSize: Int
    }

    /// What processes get that do not say which network they want.
    package enum Mode: String, Sendable, CaseIterable {
        /// One of their own, or where that cannot be made the host's.
        case automatic = "auto"
        case bridge, host, none
    }

    package let mode: Mode
    /// What `/etc/resolv.conf` says in place of the host's; nil takes all of the host's.
    package let resolverLines: SandboxConfiguration.ResolverLines?
    private let name: String
    private let host = Mutex<Result<Host, any Error>?>(nil)
    private let spare = Mutex<PendingNetwork?>(nil)

    /// - Parameters:
    ///   - name: up to six letters and digits, which tell the interfaces of one store from others.
    ///   - mode: what processes get that do not say.
    ///   - resolverLines: what `/etc/resolv.conf` says in place of the host's.
    package init(
        name: String,
        mode: Mode = .automatic,
        resolverLines: SandboxConfiguration.ResolverLines? = nil
    ) {
        self.name = name
        self.mode = mode
        self.resolverLines = resolverLines
    }

    /// What the names of the interfaces on the host begin with.
    package var interfacePrefix: String { Self.prefix + name }
    /// What the names of the tables of rules begin with.
    package var tablePrefix: String { "slipway-\(name)-" }

    /// Lends a network, which is made while `body` does other things.
    ///
    /// Each is used once, so that nothing of one process is left for the next: no address that a closed connection still keeps,
    /// no count of packets. Another is made meanwhile for whoever asks next: the kernel makes one in under a millisecond, but takes
    /// several where it is clearing one away.
    /// - Parameter body: takes the network from what it is given when it needs it.
    /// - Returns: what `body` returns.
    /// - Throws: what `body` throws.
    package func withNetwork<Value>(_ body: (PendingNetwork) async throws -> Value) async throws -> Value {
        let pending = spare.withLock { spare in
            let pending = spare ?? makePending(after: nil)
            spare = makePending(after: pending)
            return pending
        }
        let result: Result<Value, any Error>
        do { result = .success(try await body(pending)) } catch { result = .failure(error) }
        _ = await pending.task.result
        return try result.get()
    }

    private func makePending(after other: PendingNetwork?) -> PendingNetwork {
        // Whoever takes it awaits it. One that nobody takes goes with its maker, and so does what it has not finished.
        PendingNetwork(
            task: Task {
                _ = await other?.task.result
                return try await onBlockingPool { try self.make() }
            }
        )
    }

    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    private func make() throws -> SandboxNetwork {
        let host = try preparedHost()
        let here = try NetworkInterfaces()
        let namespace = try NetworkNamespace()
        let cable = try unlessTaken(tries: 100) { () throws(SystemCallError) in
            let cable = interfacePrefix + String(UInt32.random(in: 0..<2_000_000_000), radix: 36)
            try here.addCable(cable, to: "eth0", in: namespace.file, packetSize: host.packetSize)
            return cable
        }
        let index = try here.index(of: cable)
        try here.bringUp(index)
        // There is one route to a block, so who adds it has the block.
        let block = try unlessTaken(tries: 1000) { () throws(SystemCallError) in
            let number = UInt32.random(in: 0..<1 << (Self.blockLength - host.range.length))
            let block = AddressBlock(host.range.base + number << (32 - Self.blockLength), length: Self.blockLength)
            try here.addRoute(to: block, through: index)
            return block
        }
        let gateway = block.base + 1
        try here.addAddress(gateway, in: AddressBlock(gateway, length: 32), to: index)
        let inside = namespace.interfaces
        let interface = try inside.index(of: "eth0")
        for device in [NetworkInterfaces.loopback, interface] { try inside.bringUp(device) }
        try inside.addAddress(block.base + 2, in: block, to: interface)
        try inside.addRoute(to: .everywhere, through: interface, gateway: gateway)
        return SandboxNetwork(namespace: namespace, gateway: AddressBlock.text(gateway))
    }

    /// Does something with another random choice until nobody has what was chosen.
    private func unlessTaken<Value>(tries: Int, _ body: () throws(SystemCallError) -> Value) throws -> Value {
        for _ in 1..<tries {
            do throws(SystemCallError) { return try body() } catch {
                if error.errno != .fileExists { throw error }
            }
        }
        return try body()
    }

    // MARK: The host

    /// Makes the host a router for these networks, once; what went wrong then is told again.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    private func preparedHost() throws -> Host {
        try host.withLock { host in
            if let host { return try host.get() }
            let made = Result { try makeHost() }
            host = made
            return try made.get()
        }
    }

    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    private func makeHost() throws -> Host {
        let table = tablePrefix + String(UInt64.random(in: 0 ... .max), radix: 36)
        let filter = try PacketFilter(table: table, Self.chains)
        let forwarding: FilePath = "/proc/sys/net/ipv4/ip_forward"
        if try OpenFile.open(forwarding, O_RDONLY).readToEnd(limit: 16).first == UInt8(ascii: "0") {
            try OpenFile.open(forwarding, O_WRONLY).write([UInt8(ascii: "1")])
        }
        let routes = try HostRoute.all().filter { !$0.interface.hasPrefix(Self.prefix) }
        let others = routes.filter { !$0.isDefault }
        let range = Self.ranges.first { range in !others.contains { $0.destination.overlaps(range) } }
        return Host(
            filter: filter,
            // Where another network claims all of it, four of its addresses at a time are out of its reach.
            range: range ?? Self.ranges[0],
            // No larger packets than the host sends: where the message that one was too large gets lost, the rest would too.
            packetSize: try routes.first(where: \.isDefault).flatMap { uplink in
                try NetworkInterfaces().packetSize(of: uplink.interface)
            } ?? 1500
        )
    }

    private static let chains: [PacketFilter.Chain] = [
        .init(
            "arriving",
            type: "filter",
            at: .beforeRouting,
            priority: -150,
            [
                // These networks have no IPv6; the cable has addresses of its own, under which the host would answer.
                .init([.comesFrom(prefix), .isIPv6], .drop),
                .init([.comesFrom(prefix), .hasForgedSource], .drop),
                // Some hosts route their loopback addresses (route_localnet), and a process can write any packet.
                .init([.comesFrom(prefix), .destination([127])], .drop),
                .init([.comesFrom(prefix), .destination([169, 254]), .port(53, protocol: 17)], .accept),
                .init([.comesFrom(prefix), .destination([169, 254]), .port(53, protocol: 6)], .accept),
                .init([.comesFrom(prefix), .destination([169, 254])], .refuse),
            ]
        ),
        .init(
            "passing",
            type: "filter",
            at: .forwarding,
            priority: 0,
            [
                .init([.comesFrom(prefix), .goesTo(prefix)], .refuse),
                .init([.goesTo(prefix), .isAnswer], .accept),
                .init([.goesTo(prefix)], .drop),
            ]
        ),
        .init(
            "leaving",
            type: "nat",
            at: .afterRouting,
            priority: 100,
            [.init([.comesFrom(prefix)], .masquerade)]
        ),
    ]
}

/// A network that is being made.
package struct PendingNetwork: Sendable {
    fileprivate let task: Task<SandboxNetwork, any Error>

    /// Waits until it is made.
    package func network() async throws -> SandboxNetwork { try await task.value }
}
