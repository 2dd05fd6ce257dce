package import LinuxSystem

/// Where a container is in its life, with what belongs to that; `ContainerMachine` changes it.
package struct ContainerState: Sendable, Hashable {
    /// What `docker ps` calls it.
    package enum Status: String, Sendable, Codable, Hashable { case created, running, exited }

    package enum Phase: Sendable, Hashable {
        /// It has not run, or the last attempt to start it failed.
        case created(Failure?)
        /// A process is about to start it; where that dies, the next to look puts away what it leaves.
        case preparing(keeper: ProcessReference?)
        case running(Run)
        case exited(Ending)
        /// Its removal has begun: where that was cut short, the next command goes on with it.
        case removing(after: Ending?)
    }

    /// Why it could not be started.
    package struct Failure: Sendable, Hashable {
        package var exitCode: CInt
        package var reason: String

        package init(exitCode: CInt, reason: String) {
            self.exitCode = exitCode
            self.reason = reason
        }
    }

    package struct Run: Sendable, Hashable {
        /// The process to signal: the container's first one, or the runtime that waits for it and hands signals on.
        package var process: ProcessReference?
        /// The process in whose keeping it runs; nil where that is a monitor.
        package var keeper: ProcessReference?
        /// Whether the runtime is process 1 of a namespace around the container, as with attached ones.
        package var isNested = false
        /// Seconds since 1970.
        package var started: Int64
        /// Where the runtime keeps its own state.
        package var runtimeState: String?
        /// Whether it is started again once it has ended, and is not to be removed then.
        package var isRestarting = false
        /// What checks have found; nil where nothing checks it.
        package var health: ContainerHealth?

        package init(started: Int64) { self.started = started }
    }

    package struct Ending: Sendable, Hashable {
        package var exitCode: CInt
        /// Seconds since 1970.
        package var started: Int64?
        package var finished: Int64?
        /// Whether the kernel killed one of its processes for want of memory; nil where that was not looked at.
        package var ranOutOfMemory: Bool?
        /// Whether it is about to be started again.
        package var isRestarting = false
        /// What kept its keeper from running it to its end.
        package var reason: String?

        package init(exitCode: CInt) { self.exitCode = exitCode }
    }

    /// Its place in the network of all containers.
    package struct Network: Sendable, Hashable {
        package var address: String
        package var gateway: String?
        package var prefixLength: Int?
        package var macAddress: String?
        /// The host's address as the container sees it; nil is the gateway's.
        package var host: String?
        /// What carries its packets; nil where the kernel does.
        package var carrier: ProcessReference?
        /// The ports with the numbers that were found free.
        package var ports: [PublishedPort] = []

        package init(address: String) { self.address = address }
    }

    package internal(set) var phase = Phase.created(nil)
    /// From before it starts until its end is put away.
    package internal(set) var network: Network?
    /// The directories of the cgroups that limit it.
    package internal(set) var controlGroups: [String] = []
    /// The name of the cgroup that keeps it from the host's devices; nil where nothing does.
    package internal(set) var deviceGroup: String?

    package init() {}
}

/// What is the same whatever the phase.
extension ContainerState {
    package var status: Status {
        switch phase {
        case .created, .preparing, .removing(after: nil): .created
        case .running: .running
        case .exited, .removing: .exited
        }
    }

    package var run: Run? { if case .running(let run) = phase { run } else { nil } }

    package var ending: Ending? {
        switch phase {
        case .exited(let ending), .removing(after: let ending?): ending
        case .created, .preparing, .running, .removing(after: nil): nil
        }
    }

    package var process: ProcessReference? { run?.process }

    package var exitCode: CInt? {
        if case .created(let failure) = phase { failure?.exitCode } else { ending?.exitCode }
    }

    /// Why it could not be started, or run to its end.
    package var error: String? { if case .created(let failure) = phase { failure?.reason } else { ending?.reason } }

    /// Seconds since 1970.
    package var started: Int64? { run?.started ?? ending?.started }

    /// The ports of one that runs, with the numbers that were found free.
    package var ports: [PublishedPort] { network?.ports ?? [] }

    var keeper: ProcessReference? { if case .preparing(let keeper) = phase { keeper } else { run?.keeper } }

    /// Whether a removal has begun or is due, and was not finished: the process that saw to it may have died.
    func isToBeRemoved(atEnd: Bool) -> Bool {
        switch phase {
        case .removing: true
        case .exited(let ending): atEnd && !ending.isRestarting
        case .created, .preparing, .running: false
        }
    }
}

/// As stores keep it: one flat object with what there is, whatever the phase.
extension ContainerState: Codable {
    private enum CodingKeys: String, CodingKey {
        case status, process, isNested, exitCode, started, finished, address, gateway, prefixLength, macAddress, keeper
        case controlGroups, deviceGroup, ports, ranOutOfMemory, isRestarting, isBeingRemoved, error, runtimeState
        case health, host, carrier
    }

    package init(from decoder: any Decoder) throws {
        let fields = try decoder.container(keyedBy: CodingKeys.self)
        func field<Value: Decodable>(_ key: CodingKeys) throws -> Value? {
            try fields.decodeIfPresent(Value.self, forKey: key)
        }
        var ending = Ending(exitCode: try field(.exitCode) ?? 0)
        (ending.started, ending.finished) = (try field(.started), try field(.finished))
        ending.ranOutOfMemory = try field(.ranOutOfMemory)
        ending.isRestarting = try field(.isRestarting) ?? false
        ending.reason = try field(.error)
        let status: Status = try field(.status) ?? .created
        let keeper: ProcessReference? = try field(.keeper)
        if try field(.isBeingRemoved) ?? false {
            phase = .removing(after: status == .exited ? ending : nil)
        } else if status == .exited {
            phase = .exited(ending)
        } else if status == .running {
            var run = Run(started: ending.started ?? 0)
            (run.process, run.keeper, run.isRestarting) = (try field(.process), keeper, ending.isRestarting)
            run.isNested = try field(.isNested) ?? false
            run.runtimeState = try field(.runtimeState)
            run.health = try field(.health)
            phase = .running(run)
        } else if let keeper {
            phase = .preparing(keeper: keeper)
        } else if let reason = ending.reason {
            phase = .created(Failure(exitCode: ending.exitCode, reason: reason))
        }
        if let address: String = try field(.address) {
            var network = Network(address: address)
            (network.gateway, network.prefixLength) = (try field(.gateway), try field(.prefixLength))
            network.macAddress = try field(.macAddress)
            (network.host, network.carrier) = (try field(.host), try field(.carrier))
            network.ports = try field(.ports) ?? []
            self.network = network
        }
        controlGroups = try field(.controlGroups) ?? []
        deviceGroup = try field(.deviceGroup)
    }

    package func encode(to encoder: any Encoder) throws {
        var fields = encoder.container(keyedBy: CodingKeys.self)
        try fields.encode(status, forKey: .status)
        try fields.encodeIfPresent(process, forKey: .process)
        try fields.encode(run?.isNested ?? false, forKey: .isNested)
        try fields.encodeIfPresent(exitCode, forKey: .exitCode)
        try fields.encodeIfPresent(started, forKey: .started)
        try fields.encodeIfPresent(ending?.finished, forKey: .finished)
        try fields.encodeIfPresent(network?.address, forKey: .address)
        try fields.encodeIfPresent(network?.gateway, forKey: .gateway)
        try fields.encodeIfPresent(network?.prefixLength, forKey: .prefixLength)
        try fields.encodeIfPresent(network?.macAddress, forKey: .macAddress)
        try fields.encodeIfPresent(network?.host, forKey: .host)
        try fields.encodeIfPresent(network?.carrier, forKey: .carrier)
        try fields.encodeIfPresent(keeper, forKey: .keeper)
        if !controlGroups.isEmpty { try fields.encode(controlGroups, forKey: .controlGroups) }
        try fields.encodeIfPresent(deviceGroup, forKey: .deviceGroup)
        try fields.encode(ports, forKey: .ports)
        try fields.encodeIfPresent(ending?.ranOutOfMemory, forKey: .ranOutOfMemory)
        if run?.isRestarting ?? ending?.isRestarting ?? false { try fields.encode(true, forKey: .isRestarting) }
        if case .removing = phase { try fields.encode(true, forKey: .isBeingRemoved) }
        try fields.encodeIfPresent(error, forKey: .error)
        try fields.encodeIfPresent(run?.runtimeState, forKey: .runtimeState)
        try fields.encodeIfPresent(run?.health, forKey: .health)
    }
}
