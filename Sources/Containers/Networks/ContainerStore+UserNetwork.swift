import LinuxSystem
import Sandboxes
import Synchronization
import SystemPackage

/// Networks of containers that root of the machine does not keep: each container's is its own, joined with the machine by a
/// program, which also listens on the ports that are published.
extension ContainerStore {
    /// Gives a container its network namespace, and joins it with the machine.
    /// - Returns: the record that says how.
    func setUpUserNetwork(_ record: ContainerRecord) async throws -> ContainerRecord {
        let path = namespacePath(of: record)
        let directory = directory(of: record.id).appending("network")
        let wanted = record.configuration.ports
        var network = ContainerState.Network(address: UserModeNetwork.address)
        (network.gateway, network.prefixLength) = (UserModeNetwork.gateway, UserModeNetwork.prefixLength)
        network.ports = try await onBlockingPool {
            try PublishedPort.choose(wanted, besides: [])
        }
        network.host = await onBlockingPool { outwardAddress() }
        // Known before it is made, so that whatever interrupts this, it is given back.
        let connected = try await changed(record, .connected(network))
        try await onBlockingPool {
            try removeTree(directory)
            try HostFiles.createDirectory(directory, mode: 0o700)
            try makeNetworkNamespace(at: path)
        }
        do {
            let carrier = try await UserModeNetwork.start(
                for: path,
                ports: try network.ports.map { try UserModeNetwork.Port($0) },
                isIndependent: true,
                in: directory
            )
            network.carrier = carrier.process
            carriers.withLock { $0[record.id] = carrier }
        } catch let error as UserModeNetworkError {
            throw ContainerError.network("\(error)")
        }
        return try await changed(connected, .connected(network))
    }

    /// Whether no process of a container reaches the machine's loopback through what carries the container's packets.
    ///
    /// It would send frames of its own to loopback addresses. Where the kernel cannot drop those, no process may send any.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    func isKeptFromLoopback(_ record: ContainerRecord) -> Bool {
        guard record.state.network?.carrier != nil else { return true }
        do {
            try NetworkNamespace(at: namespacePath(of: record)).perform {
                try PacketFilter.keepFromLoopback(leaving: UserModeNetwork.interface)
            }
            return true
        } catch {
            return false
        }
    }

    /// Has what carries a container's packets end with the process that is in its network.
    func bindNetwork(of record: ContainerRecord, to process: ProcessReference) async throws {
        guard let carrier = carriers.withLock({ $0.removeValue(forKey: record.id) }) else { return }
        try await onBlockingPool { try carrier.serve(process) }
    }

    /// Takes a container's network down.
    func tearDownUserNetwork(_ record: ContainerRecord) async throws {
        let path = namespacePath(of: record)
        let directory = directory(of: record.id).appending("network")
        carriers.withLock { $0[record.id] = nil }
        try await onBlockingPool {
            try record.state.network?.carrier?.send(signal: .kill)
            try unmount(path, lazy: true)
            try removeTree(path)
            try removeTree(directory)
        }
        _ = try await change(record.id, .disconnected)
    }
}

extension UserModeNetwork.Port {
    fileprivate init(_ port: PublishedPort) throws(ContainerError) {
        guard port.transport != .sctp else {
            throw .portNeedsRoot(port, reason: "SCTP is carried by root's networks alone")
        }
        self.init(
            address: port.hostAddress,
            outer: port.hostPort,
            inner: port.containerPort,
            isDatagram: port.transport == .udp
        )
    }
}
