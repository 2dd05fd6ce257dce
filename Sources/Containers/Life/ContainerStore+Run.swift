package import LinuxSystem
import Sandboxes
import Snapshots
import Storage
import Synchronization
import SystemPackage

/// What an attached process reads, writes and is told.
package struct AttachedStreams: Sendable {
    /// What it reads; nil is nothing at all.
    package var input: ByteReader?
    /// Takes what it writes: 1 or 2, and the bytes.
    ///
    /// With a terminal everything is 1.
    package var write: @Sendable (CInt, [UInt8]) async throws -> Void
    /// Signals to hand on, and SIGWINCH for a new size of the terminal.
    package var signals: AsyncStream<Signal>?
    /// The size of the caller's terminal, asked again after each SIGWINCH.
    package var terminalSize: @Sendable () -> TerminalSize?
    /// What, typed on the terminal of a process that can do without the caller, lets go of it.
    package var detachKeys: DetachKeys?
    /// Called when one more process of a container runs.
    package var started: (@Sendable () -> Void)?

    package init(
        input: ByteReader? = nil,
        signals: AsyncStream<Signal>? = nil,
        terminalSize: @escaping @Sendable () -> TerminalSize? = { nil },
        write: @escaping @Sendable (CInt, [UInt8]) async throws -> Void
    ) {
        self.input = input
        self.signals = signals
        self.terminalSize = terminalSize
        self.write = write
    }
}

extension ContainerStore {
    /// Runs a container to its end in this process's keeping: cancellation, or this process's death in any way, ends it.
    /// - Returns: its exit code, as docker gives it.
    /// - Throws: `SandboxError` where its program cannot be started; `exitCode` of it is docker's.
    package func runAttached(_ container: ContainerRecord, _ streams: AttachedStreams) async throws -> CInt {
        let turn = try await turn(of: container)
        defer { turn.end() }
        let record = try await prepare(turn.record)
        do {
            var sandbox = try await sandboxConfiguration(of: record)
            let state = record.state
            sandbox.controlGroup = try await onBlockingPool { try ContainerDevices.groups(of: state) }
            let runner = SandboxRunner(scratch: directory(of: record.id), level: privileges.level)
            var sandboxStreams = SandboxRunner.Streams()
            let log = try await onBlockingPool { [path = log(of: record)] in try ContainerLog(appendingTo: path) }
            let logged = AttachedStreams(
                input: streams.input,
                signals: streams.signals,
                terminalSize: streams.terminalSize
            ) { stream, bytes in
                try await onBlockingPool { try log.append(bytes, stream: stream) }
                try await streams.write(stream, bytes)
            }
            if record.configuration.hasTerminal {
                sandboxStreams.terminal = streams.terminalSize() ?? TerminalSize(rows: 24, columns: 80)
            } else if streams.input != nil {
                sandboxStreams.input = .pipeToChild
            }
            let status = try await runner.withProcess(sandbox, streams: sandboxStreams) { process in
                var run = ContainerState.Run(started: currentTime())
                run.isNested = true
                run.keeper = record.state.keeper
                run.process = await onBlockingPool { ProcessReference(processID: process.processID) }
                run.runtimeState = process.runtimeState?.string
                if let first = run.process { try await self.bindNetwork(of: record, to: first) }
                run.health = record.healthPlan.map { _ in ContainerHealth() }
                let running = try await self.changed(record, .started(run))
                await self.tell(.start, of: running)
                turn.end()
                try await self.withHealthChecks(of: running) {
                    try await pump(process, logged, program: sandbox.arguments.first ?? [])
                }
            }.status
            try await onBlockingPool { try log.finish() }
            try await finish(record, .exited(status.shellCode))
            return status.shellCode
        } catch {
            let end: ContainerEnd =
                error is SandboxError ? .neverStarted(Self.failure(error)) : .exited(137, reason: "\(error)")
            // The task may be cancelled; putting things away is not.
            try await Task { try await self.finish(record, end) }.value
            throw error
        }
    }

    /// Mounts a container's files and sets up its network.
    func prepare(_ container: ContainerRecord) async throws -> ContainerRecord {
        let keeper = await onBlockingPool { ProcessReference.current }
        let record = try await changed(container, .prepare(keeper: keeper))
        let directory = directory(of: record.id)
        let noted = exits(of: record).appending(record.id)
        do {
            try await onBlockingPool { try removeTree(noted) }
            // The container itself holds its layers; a daemon's own lease would hold them for longer than it is there.
            try await store.withLease { lease in
                try await snapshots.leased(by: lease).mount(
                    FileTree(layers: record.configuration.layers),
                    writing: directory.appending("fs"),
                    work: directory.appending("work"),
                    at: directory.appending("root"),
                    identities: identities(of: record)
                )
            }
            return try await confine(try await setUpNetwork(record))
        } catch {
            let failure = Self.failure(error)
            try await Task { try await self.finish(record, .neverStarted(failure)) }.value
            throw error
        }
    }

    /// Makes the cgroups of a container.
    private func confine(_ record: ContainerRecord) async throws -> ContainerRecord {
        let resources = record.configuration.options.resources
        let id = record.id
        var record = record
        var groups: [String] = []
        if !resources.isUnlimited {
            let limits = try await onBlockingPool { try ContainerLimits.make(for: id, resources) }
            groups = limits.directories.map(\.string)
            heldGroups.withLock { $0[id] = limits.locks }
            record = try await changed(record, .confined(controlGroups: groups, deviceGroup: nil))
        }
        let limited = record
        // Below root of the machine the kernel itself keeps its devices from containers.
        guard privileges.level.ownsMachine else { return limited }
        guard let device = await onBlockingPool({ ContainerDevices.confine(limited) }) else { return limited }
        heldGroups.withLock { $0[id, default: []] += device.locks }
        return try await changed(limited, .confined(controlGroups: groups, deviceGroup: id))
    }

    func finish(_ record: ContainerRecord, _ end: ContainerEnd) async throws {
        let root = directory(of: record.id).appending("root")
        try await onBlockingPool { try unmount(root, lazy: true) }
        try await self.end(record.id, end)
    }

    /// Why a container could not be started.
    static func failure(_ error: any Error) -> ContainerState.Failure {
        // Docker's code for everything that is not about the program.
        let code = (error as? SandboxError).map { $0.exitCode == 125 ? 128 : $0.exitCode } ?? 128
        return ContainerState.Failure(exitCode: code, reason: "\(error)")
    }

    /// What the runtime is told of a prepared container.
    func sandboxConfiguration(of record: ContainerRecord) async throws -> SandboxConfiguration {
        let configuration = record.configuration
        var sandbox = SandboxConfiguration(
            root: directory(of: record.id).appending("root"),
            arguments: configuration.arguments.map { Array($0.utf8) }
        )
        sandbox.environment = configuration.environment.map { Array($0.utf8) }
        sandbox.workingDirectory = FilePath(configuration.workingDirectory)
        sandbox.user = Array(configuration.user.utf8)
        sandbox.hostname = Array(configuration.hostname.utf8)
        switch configuration.network {
        case .host: sandbox.network = .host
        case .none: sandbox.network = .none
        case .bridge:
            let isCarried = record.state.network?.carrier != nil
            sandbox.network = .namespace(
                namespacePath(of: record),
                nameServer: isCarried ? UserModeNetwork.nameServer : nil
            )
            // The kernel takes no group that the namespace does not have.
            let lastGroup = privileges.level.maps.map { $0.groups.count - 1 } ?? 2_147_483_647
            let parameters = [
                "net.ipv4.ip_unprivileged_port_start": "0", "net.ipv4.ping_group_range": "0 \(lastGroup)",
            ]
            if configuration.options.userNamespace == .keepID {
                // The network is not of the container's own namespace, in which the runtime would set them.
                try await onBlockingPool { [path = namespacePath(of: record)] in
                    try NetworkNamespace(at: path).perform {
                        for (name, value) in parameters { try KernelSettings().set(name, to: value) }
                    }
                }
            } else {
                sandbox.kernelParameters = parameters
            }
            if let address = record.state.network?.address { sandbox.hosts = [(configuration.hostname, address)] }
        }
        sandbox.hosts += configuration.options.hosts.map { host in
            let network = record.state.network
            let isHost = host.address == "host-gateway"
            return (host.name, isHost ? network?.host ?? network?.gateway ?? "127.0.0.1" : host.address)
        }
        if configuration.network == .host, sandbox.hosts.isEmpty {
            // A container in the host's network knows the names that the host knows, unless it is given its own.
            sandbox.hostsFile = await onBlockingPool {
                try? OpenFile.open("/etc/hosts", .readOnly).readToEnd(limit: 16 << 20)
            }
        }
        sandbox.identities = identities(of: record)
        try configuration.options.apply(to: &sandbox)
        if mayReachDevices(record, sandbox) { sandbox.capabilities.remove(.makeNode) }
        if await onBlockingPool({ !self.isKeptFromLoopback(record) }) { sandbox.capabilities.remove(.netRaw) }
        sandbox.mounts = try await mounts(of: record)
        if configuration.options.usesInit {
            let program = try await onBlockingPool { try Self.initProgram() }
            sandbox.mounts.append(.init(.bind(program), at: "/sbin/docker-init", isReadOnly: true))
            sandbox.arguments = ["/sbin/docker-init", "--"].map { Array($0.utf8) } + sandbox.arguments
        }
        return sandbox
    }

    /// The user namespace that a container has of its own; nil for those that are in this process's.
    func identities(of record: ContainerRecord) -> IdentityMaps? {
        guard record.configuration.options.userNamespace == .keepID else { return nil }
        return privileges.level.maps?.keepingRoot
    }

    /// Whether nothing but the lack of a privilege keeps a container from making nodes of the host's devices.
    func mayReachDevices(_ record: ContainerRecord, _ sandbox: SandboxConfiguration) -> Bool {
        privileges.level.ownsMachine && record.state.deviceGroup == nil && !sandbox.usesAllDevices
    }
}

extension ContainerStore {
    /// A program that reaps processes and hands signals on, linked so that it needs nothing of the image.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    private static func initProgram() throws -> FilePath {
        // tini, which two of these are, ends as docker does where the program is missing; catatonit ends with 1.
        for name in ["docker-init", "tini-static", "catatonit"] {
            if let path = try? Program.named(name).resolve() { return path }
        }
        throw ContainerError.noInit
    }
}

private func pump(_ process: SandboxProcess, _ streams: AttachedStreams, program: [UInt8]) async throws {
    let terminal = process.terminal
    let pump = StreamPump(
        .init(
            terminal: terminal,
            output: try terminal?.makeReader() ?? process.reader(1),
            errors: process.reader(2),
            takeInput: { try terminal?.makeWriter() ?? process.takeInput() },
            send: { try process.send(signal: $0) },
            wait: { (try await process.wait(), try await process.failure()) },
            filter: StandardErrorFilter(program: program)
        ),
        streams
    )
    _ = try await pump.run()
}
