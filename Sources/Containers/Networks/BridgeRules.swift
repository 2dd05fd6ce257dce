import LinuxSystem
import SystemPackage
internal import Text

/// What the kernel lets pass from and to the bridge of a store, and its account of the ports of the host that the store has.
///
/// The rules are a table of their own that stays as long as the bridge does. Whatever chains of other programs say, packets that it
/// drops are dropped.
enum BridgeRules {
    /// Puts the rules in force, in place of those that were.
    /// - Parameters:
    ///   - bridge: the store's network; its interface need not be there yet.
    ///   - ports: those that its containers have.
    /// - Throws: `SystemCallError`.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    static func keep(for bridge: BridgeNetwork, ports: [PublishedPort]) throws {
        try PacketFilter.keep(bridge.interface, chains(bridge.interface) + [.init("ports", notes: notes(of: ports))])
    }

    /// Removes them.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    static func remove(for bridge: BridgeNetwork) throws { try PacketFilter.removeKept(bridge.interface) }

    /// The ports that containers of other stores have.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    static func ports(ofOthersThan bridge: BridgeNetwork) throws -> [PublishedPort] {
        let tables = try PacketFilter.notes(ofKept: BridgeNetwork.interfacePrefix)
        return tables.filter { $0.key != bridge.interface }.flatMap(\.value).flatMap(ports(inNote:))
    }

    /// Ports as the kernel keeps them: neighbours in one note, for one that publishes thousands.
    static func notes(of ports: [PublishedPort]) -> [String] {
        var runs: [(first: PublishedPort, last: UInt16)] = []
        let sorted = ports.sorted {
            ($0.transport.rawValue, $0.hostAddress, $0.hostPort) < ($1.transport.rawValue, $1.hostAddress, $1.hostPort)
        }
        for port in sorted {
            if let run = runs.last, run.first.transport == port.transport, run.first.hostAddress == port.hostAddress,
                port.hostPort - run.last <= 1
            {
                runs[runs.count - 1].last = port.hostPort
            } else {
                runs.append((port, port.hostPort))
            }
        }
        return runs.map { first, last in
            "\(first.transport.rawValue) \(first.hostPort)-\(last) \(first.hostAddress)"
        }
    }

    static func ports(inNote note: String) -> [PublishedPort] {
        let fields = note.split(separator: " ", omittingEmptySubsequences: false)
        guard fields.count == 3, let transport = PublishedPort.Transport(rawValue: String(fields[0])) else { return [] }
        let ends = fields[1].split(separator: "-").compactMap { UInt16($0) }
        guard ends.count == 2, ends[0] <= ends[1] else { return [] }
        return (ends[0]...ends[1]).map { number in
            PublishedPort(hostAddress: String(fields[2]), hostPort: number, containerPort: 0, transport: transport)
        }
    }

    /// Has the host answer on the bridge for the addresses that the bridge itself has, not for those of its other interfaces, its
    /// loopback addresses among them.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    static func hideOtherAddresses(on bridge: BridgeNetwork) throws {
        let setting = FilePath("/proc/sys/net/ipv4/conf").appending(bridge.interface).appending("arp_ignore")
        try OpenFile.open(setting, .writeOnly).write("1")
    }

    private static func chains(_ interface: String) -> [PacketFilter.Chain] {
        let from = PacketFilter.Condition.comes(fromJust: interface)
        let to = PacketFilter.Condition.goes(toJust: interface)
        return [
            // Before connections are known: an answer to a port that was published for the loopback address is not for that
            // address yet.
            .init(
                "arriving",
                type: "filter",
                at: .beforeRouting,
                priority: -300,
                [
                    // Containers have no IPv6, but the host has an address of it on each of its interfaces.
                    .init([from, .isIPv6], .drop),
                    // For published ports netavark has the bridge route loopback addresses (route_localnet), and a container
                    // can write any packet.
                    .init([from, .source([127])], .drop),
                    .init([from, .destination([127])], .drop),
                ]
            ),
            .init(
                "passing",
                type: "filter",
                at: .forwarding,
                priority: 0,
                [
                    .init([to, from], .accept),
                    .init([to, .isAnswer], .accept),
                    .init([to, .isRedirected], .accept),
                    .init([to], .drop),
                ]
            ),
        ]
    }
}
