import FoundationEssentials
import LinuxSystem
import Storage
import SystemPackage
internal import Text

/// The document that netavark reads.
///
/// See its `network_info` and podman's network types.
private struct NetavarkRequest: Encodable {
    struct Port: Encodable {
        var host_ip: String
        var container_port: UInt16
        var host_port: UInt16
        var range = 1
        var `protocol`: String
    }
    struct Attachment: Encodable {
        var static_ips: [String]
        var interface_name = "eth0"
    }
    struct Network: Encodable {
        struct Subnet: Encodable {
            var subnet: String
            var gateway: String
        }
        var name: String
        var id: String
        var driver = "bridge"
        var network_interface: String
        var subnets: [Subnet]
        var ipv6_enabled = false
        var `internal` = false
        var dns_enabled = false
        var ipam_options = ["driver": "host-local"]
        var options: [String: String] = [:]
    }
    var container_id: String
    var container_name: String
    var port_mappings: [Port]
    var networks: [String: Attachment]
    var network_info: [String: Network]
}

extension ContainerStore {
    func namespacePath(of record: ContainerRecord) -> FilePath { directory(of: record.id).appending("netns") }

    /// Gives a container its network namespace, an address and its published ports.
    /// - Returns: the record that says which.
    func setUpNetwork(_ record: ContainerRecord) async throws -> ContainerRecord {
        guard record.configuration.network == .bridge else { return record }
        guard privileges.level.ownsMachine else { return try await setUpUserNetwork(record) }
        // Addresses and ports of containers whose end was not noticed are free again.
        _ = try await list()
        let path = namespacePath(of: record)
        let held = try await Self.holdHost()
        defer { withExtendedLifetime(held) {} }
        let bridge = try await self.bridge()
        let others = try await networked(besides: record.id)
        let taken = Set(others.compactMap(\.state.network?.address))
        guard let address = bridge.addresses.first(where: { !taken.contains($0) }) else {
            throw ContainerError.noAddressLeft
        }
        let ports = record.configuration.ports
        var network = ContainerState.Network(address: address)
        (network.gateway, network.prefixLength) = (bridge.gateway, bridge.prefixLength)
        network.ports = try await onBlockingPool {
            let foreign = try BridgeRules.ports(ofOthersThan: bridge)
            return try PublishedPort.choose(ports, besides: others.flatMap(\.state.ports) + foreign)
        }
        // Known before it is made, so that whatever interrupts this, it is given back.
        let connected = try await changed(record, .connected(network))
        let allPorts = (others + [connected]).flatMap(\.state.ports)
        try await onBlockingPool {
            try BridgeRules.keep(for: bridge, ports: allPorts)
            try PacketForwarding.turnOn()
            try makeNetworkNamespace(at: path)
        }
        network.macAddress = try await netavark("setup", connected).flatMap(Self.macAddress)
        try await onBlockingPool { try BridgeRules.hideOtherAddresses(on: bridge) }
        return try await changed(connected, .connected(network))
    }

    /// Holds what only one of all stores of this host may hold: who chooses a subnet or a port, or makes or removes a network.
    private static func holdHost() async throws -> FileLock {
        try await FileLock.obtain("/run/slipway-network.lock", .exclusive)
    }

    /// The other containers that have an address.
    private func networked(besides id: String) async throws -> [ContainerRecord] {
        try await store.database.read { db in
            try ContainerTable.records(.allBut(id), in: db).filter { $0.state.network != nil }
        }
    }

    /// Takes a container's address and ports back, and with the last one's all that the host had for them.
    ///
    /// A namespace that is gone is no obstacle: the rules of the host go all the same.
    func tearDownNetwork(_ record: ContainerRecord) async throws {
        guard record.configuration.network == .bridge, record.state.network != nil else { return }
        guard privileges.level.ownsMachine else { return try await tearDownUserNetwork(record) }
        let path = namespacePath(of: record)
        let held = try await Self.holdHost()
        defer { withExtendedLifetime(held) {} }
        let isGone = await onBlockingPool { () -> Bool in
            // The bind mount of the namespace lives in the mount namespace of the process that made it.
            (try? unmountedNamespace(path)) ?? true
        }
        if isGone { try await onBlockingPool { try makeNetworkNamespace(at: path) } }
        do {
            try await netavark("teardown", record)
        } catch let error as ContainerError {
            // After a reboot, or where the end of the namespace took the device along, there is nothing to take down.
            guard case .network = error else { throw error }
        }
        try await onBlockingPool {
            try unmount(path, lazy: true)
            try removeTree(path)
        }
        try await settle(after: record)
    }

    /// Has the kernel know what the store's containers still have; the host's lock is held.
    private func settle(after record: ContainerRecord) async throws {
        guard let network = try await lastBridge() else { return }
        let others = try await networked(besides: record.id)
        try await onBlockingPool {
            guard others.isEmpty else {
                return try BridgeRules.keep(for: network, ports: others.flatMap(\.state.ports))
            }
            try Self.remove(network)
        }
        // Before the lock is given away: the next to end may be the last.
        _ = try await change(record.id, .disconnected)
    }

    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    private static func remove(_ network: BridgeNetwork) throws {
        try NetworkInterfaces().remove(network.interface)
        try BridgeRules.remove(for: network)
        try PacketForwarding.turnOffAfterLast()
    }

    /// Removes what the host has of a store's network, whatever the store knows of it.
    /// - Returns: whether there was a bridge.
    static func removeNetwork(of root: FilePath) async throws -> Bool {
        let network = BridgeNetwork(root: root)
        let held = try await holdHost()
        defer { withExtendedLifetime(held) {} }
        return try await onBlockingPool {
            guard try NetworkInterfaces().names().contains(network.interface) else { return false }
            try remove(network)
            return true
        }
    }

    /// - Returns: what netavark says of what it did; nil where there was nothing to do.
    @discardableResult
    private func netavark(_ action: String, _ record: ContainerRecord) async throws -> [UInt8]? {
        guard let network = try await lastBridge() else { return nil }
        let request = NetavarkRequest(
            container_id: record.id,
            container_name: record.name,
            port_mappings: record.state.ports.map {
                .init(
                    host_ip: $0.hostAddress,
                    container_port: $0.containerPort,
                    host_port: $0.hostPort,
                    protocol: $0.transport.rawValue
                )
            },
            networks: [network.name: .init(static_ips: [record.state.network?.address ?? ""])],
            network_info: [
                network.name: .init(
                    name: network.name,
                    id: network.id,
                    network_interface: network.interface,
                    subnets: [.init(subnet: network.subnet, gateway: network.gateway)]
                )
            ]
        )
        let result = try await ChildProcess.run(
            ChildProcessConfiguration(
                .named("netavark"),
                [
                    "--config", directory(of: record.id).appending("network").string, action,
                    namespacePath(of: record).string,
                ]
            ),
            input: Array(try JSONEncoder().encode(request))
        )
        guard result.status.isSuccess else {
            throw ContainerError.network(Self.message(of: result))
        }
        return result.output
    }

    /// The address of the container's interface, out of what netavark says by the networks' names.
    private static func macAddress(in output: [UInt8]) -> String? {
        struct Status: Decodable {
            struct Interface: Decodable { var mac_address: String }
            var interfaces: [String: Interface]
        }
        let networks = try? JSONDecoder().decode([String: Status].self, from: Data(output))
        return networks?.values.first?.interfaces.values.first?.mac_address
    }

    /// netavark's own sentence, out of the JSON that it prints.
    private static func message(of result: ChildProcessOutput) -> String {
        struct Failure: Decodable { var error: String }
        if let failure = try? JSONDecoder().decode(Failure.self, from: Data(result.output)) { return failure.error }
        return escapedForDisplay(result.errors.isEmpty ? result.output : result.errors)
    }
}

/// Whether a network namespace's file has no namespace mounted on it here: an ordinary file, or none.
@available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
private func unmountedNamespace(_ path: FilePath) throws(SystemCallError) -> Bool {
    let here = try OpenFile.open(path, .readOnly).status().device
    return here == (try OpenFile.open(path.removingLastComponent(), .readOnly).status().device)
}
