internal import FoundationEssentials
internal import LinuxSystem
internal import SystemPackage

/// A root in which a process without namespaces of its own finds what it needs, and what its keeper is told of it.
final class PreparedChroot: Sendable {
    /// What the keeper reads.
    let request: OpenFile
    let root: OpenFile
    private let standIns: StandIns
    private let directory: FilePath
    private let configuration: SandboxConfiguration

    /// Prepares the root.
    /// - Parameters:
    ///   - configuration: what to run.
    ///   - hasTerminal: whether the process gets a terminal.
    ///   - scratch: where a directory is made for as long as the process runs, on the file system of the root.
    /// - Throws: `SandboxError` if the root does not allow what the configuration asks for, `SystemCallError`; the root is then as it was.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    init(_ configuration: SandboxConfiguration, hasTerminal: Bool, in scratch: FilePath) throws {
        if let reason = Self.obstacle(to: configuration) { throw SandboxError.needsNamespaces(reason) }
        let directory = try makeScratchDirectory(in: scratch, prefix: "chroot-")
        var prepared: PreparedRoot
        var standIns: StandIns
        do {
            prepared = try PreparedRoot(configuration.root)
            try Self.makeKernelDirectories(configuration, &prepared)
            standIns = StandIns(in: prepared, scratch: directory)
        } catch {
            try? removeTree(directory)
            throw error
        }
        do {
            try Self.place(configuration, &standIns, directory)
            let request = try Self.request(configuration, &prepared, hasTerminal: hasTerminal)
            self.request = try OpenFile.inMemory(named: "request")
            try self.request.write(Array(try JSONEncoder().encode(request)))
            try self.request.seek(to: 0)
            root = try OpenFile.open(configuration.root, [.pathOnly, .directory])
        } catch {
            _ = try? standIns.remove()
            try? removeTree(directory)
            throw error
        }
        self.standIns = standIns
        self.directory = directory
        self.configuration = configuration
    }

    /// Puts the root back; no process may be left in it.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    func remove() throws {
        var standIns = standIns
        let outcome = try standIns.remove()
        try removeTree(directory)
        configuration.noteRestored(outcome.restored)
        for path in outcome.changed {
            configuration.noteObstacle(
                "\(path) is the builder's while a step runs: the step's change of it is not kept"
            )
        }
    }

    /// The first thing that needs what cannot be had without namespaces and mounts; nil if there is none.
    private static func obstacle(to configuration: SandboxConfiguration) -> String? {
        if !configuration.confinesSystemCalls || !configuration.masksKernelFiles {
            return "a process with all privileges (--security=insecure, --privileged)"
        }
        if !configuration.deviceNodes.isEmpty || configuration.usesAllDevices { return "a device (--device)" }
        if !configuration.hooks.isEmpty { return "a hook of a device" }
        if !configuration.kernelParameters.isEmpty { return "a kernel parameter (--sysctl)" }
        switch configuration.network {
        case .host, .none: return nil
        case .namespace, .own: return "a network of its own"
        }
    }

    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    private static func makeKernelDirectories(
        _ configuration: SandboxConfiguration,
        _ root: inout PreparedRoot
    ) throws {
        let mounts = RuntimeSpecification.kernelMounts(
            sharedMemorySize: configuration.sharedMemorySize,
            allowsWriting: false,
            hasOtherUsers: true,
            sharesSystem: false
        )
        for mount in mounts { try root.makeKernelDirectory(FilePath(mount.destination)) }
    }

    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    private static func place(
        _ configuration: SandboxConfiguration,
        _ standIns: inout StandIns,
        _ directory: FilePath
    ) throws {
        try standIns.placeDirectory(at: "/proc", mode: 0o555, KernelDirectories.fillProcesses)
        try standIns.placeDirectory(at: "/dev", mode: 0o755, KernelDirectories.fillDevices)
        try standIns.placeDirectory(at: "/sys", mode: 0o555, KernelDirectories.fillSystem)
        for file in try SandboxBundle.networkFiles(configuration, in: directory) {
            guard case .bind(let source) = file.source else { continue }
            try standIns.place(source, at: file.target, isKept: false)
        }
        for mount in configuration.mounts {
            switch mount.source {
            case .bind(let source): try standIns.place(source, at: mount.target, isKept: true)
            case .tmpfs(_, let mode): try standIns.placeDirectory(at: mount.target, mode: mode)
            }
        }
    }

    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    private static func request(
        _ configuration: SandboxConfiguration,
        _ root: inout PreparedRoot,
        hasTerminal: Bool
    ) throws -> KeeperRequest {
        let users = try UserDatabase(root: root.root)
        let account = try ProcessAccount(configuration, users)
        let workingDirectory = try root.workingDirectory(
            configuration.workingDirectory,
            owner: configuration.purpose == .step ? account.user : .root
        )
        let lookup = ProgramLookup(
            root: root.root,
            workingDirectory: workingDirectory,
            environment: account.environment
        )
        let program = try lookup.find(configuration.arguments.first ?? [])
        // A process that may change its root leaves the one that it was given.
        let capabilities = configuration.capabilities.intersection(try Capability.held()).subtracting([.sysChroot])
        var profile = SeccompProfile.docker(capabilities: capabilities)
        if case .none = configuration.network { profile.refuseNetworks() }
        profile.refuseLimitsOfOthers()
        if AccessRules.extent != .filesAndProcesses { profile.refuseSignalsToAll() }
        return KeeperRequest(
            program: Data(program.bytes),
            workingDirectory: Data(workingDirectory.bytes),
            arguments: configuration.arguments.map { Data($0) },
            environment: account.environment.map { Data($0) },
            userID: account.user.userID,
            groupID: account.user.groupID,
            groups: account.groups,
            capabilities: Capability.mask(of: account.held(of: capabilities)),
            boundingCapabilities: Capability.mask(of: capabilities),
            limits: configuration.resourceLimits.map { .init(name: $0.name, soft: $0.soft, hard: $0.hard) },
            filter: FilterCache.shared.filter(for: profile),
            hasTerminal: hasTerminal
        )
    }
}
