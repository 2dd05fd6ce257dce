internal import FoundationEssentials
package import LinuxSystem
package import SystemPackage
internal import Text

/// A directory with everything the runtime reads: the configuration, and the files that are mounted into the sandbox.
package struct SandboxBundle: Sendable {
    package let directory: FilePath
    private let root: PreparedRoot
    /// The program's name, for error messages.
    package let program: [UInt8]
    /// The supplementary groups of the process.
    let groups: [UInt32]

    /// Where the runtime writes why it failed.
    package var log: FilePath { directory.appending(Self.logName) }
    static let logName = "runtime.log"
    /// Where the runtime keeps what it knows of the running process.
    package var state: FilePath { directory.appending("state") }

    /// Prepares the root and writes the bundle into an existing, empty directory.
    /// - Parameters:
    ///   - configuration: what to run.
    ///   - terminal: the size of the terminal of its own that the process gets, if it gets one.
    ///   - level: of this process.
    ///   - directory: where to write it.
    /// - Throws: `SandboxError` if the root does not allow what the configuration asks for, `SystemCallError`; the root is then as it was.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package init(
        _ configuration: SandboxConfiguration,
        terminal: TerminalSize?,
        level: PrivilegeLevel = .root,
        in directory: FilePath
    ) throws {
        self.directory = directory
        program = configuration.arguments.first ?? []
        var root = try PreparedRoot(configuration.root)
        do {
            let users = try UserDatabase(root: root.root)
            let specification = try Self.specification(configuration, terminal, level, &root, users, directory)
            groups = specification.process.user.additionalGids
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.withoutEscapingSlashes]
            try Self.write(Array(try encoder.encode(specification)), to: directory.appending("config.json"))
        } catch {
            try? root.removeStubs()
            throw error
        }
        self.root = root
    }

    /// Removes from the root what was made there only to mount something on it.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package func removeMountPoints() throws { try root.removeStubs() }

    /// Why the runtime could not start the process, from its log; nil where it says nothing.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package func failure() throws -> SandboxError? { try RuntimeLog.failure(log, program: program) }

    /// The same from what the runtime wrote elsewhere.
    package static func failure(inLog bytes: [UInt8], program: [UInt8]) -> SandboxError? {
        RuntimeLog.failure(in: bytes, program: program)
    }

    private static func specification(
        _ configuration: SandboxConfiguration,
        _ terminal: TerminalSize?,
        _ level: PrivilegeLevel,
        _ root: inout PreparedRoot,
        _ users: UserDatabase,
        _ directory: FilePath
    ) throws -> RuntimeSpecification {
        let kernelMounts = RuntimeSpecification.kernelMounts(
            sharedMemorySize: configuration.sharedMemorySize,
            allowsWriting: !configuration.masksKernelFiles,
            // A view of devices belongs to a network: that of the host's network cannot be mounted by its users.
            hasOtherUsers: level.hasOtherUsers,
            sharesSystem: !level.ownsMachine && configuration.network.isHost
                || configuration.identities != nil && !configuration.network.isMadeByRuntime
        )
        for mount in kernelMounts where mount.destination != RuntimeSpecification.controlGroups {
            try root.makeKernelDirectory(FilePath(mount.destination))
        }
        let files = try networkFiles(configuration, in: directory)
        let mounts = try (files + configuration.mounts).enumerated().map { number, mount in
            try specification(of: mount, &root, link: directory.appending("source-\(number)"))
        }
        let workingDirectory = try root.workingDirectory(
            configuration.workingDirectory,
            owner: configuration.purpose == .step ? try users.user(configuration.user) : .root
        )
        let process = try process(configuration, terminal, in: workingDirectory, users)
        return RuntimeSpecification(
            process: process,
            root: .init(path: try text(configuration.root.bytes, "the path"), readonly: configuration.isRootReadOnly),
            hostname: configuration.hostname.isEmpty ? nil : try text(configuration.hostname, "the host name"),
            mounts: kernelMounts + mounts,
            // Compiled here and once: handing the runtime the profile itself costs each process 17 ms.
            annotations: configuration.confinesSystemCalls
                ? [
                    "run.oci.seccomp_bpf_data": FilterCache.shared.dockerFilter(
                        for: configuration.capabilities,
                        impersonates: configuration.impersonatesUsers
                    )
                ] : nil,
            hooks: configuration.hooks.isEmpty ? nil : try hooks(configuration),
            linux: .init(
                devices: configuration.deviceNodes.isEmpty ? nil : try devices(configuration, of: process.user),
                namespaces: namespaces(for: configuration.network)
                    + (configuration.identities == nil ? [] : [.init(type: "user")]),
                uidMappings: configuration.identities?.users.ranges.map { .init($0) },
                gidMappings: configuration.identities?.groups.ranges.map { .init($0) },
                maskedPaths: configuration.masksKernelFiles ? SandboxConfiguration.maskedPaths : [],
                readonlyPaths: configuration.masksKernelFiles ? SandboxConfiguration.readOnlyPaths : [],
                sysctl: configuration.kernelParameters.isEmpty ? nil : configuration.kernelParameters,
                rootfsPropagation: "rprivate"
            )
        )
    }

    /// What the runtime is told of the process itself.
    static func process(
        _ configuration: SandboxConfiguration,
        _ terminal: TerminalSize?,
        in workingDirectory: FilePath,
        _ users: UserDatabase
    ) throws -> RuntimeSpecification.Process {
        let account = try ProcessAccount(configuration, users)
        let capabilities = configuration.capabilities.map(\.rawValue).sorted()
        let held = account.held(of: configuration.capabilities).map(\.rawValue).sorted()
        return RuntimeSpecification.Process(
            terminal: terminal != nil,
            consoleSize: terminal.map { .init(height: $0.rows, width: $0.columns) },
            user: .init(
                uid: account.user.userID,
                gid: account.user.groupID,
                additionalGids: account.groups,
                umask: 0o022
            ),
            args: try configuration.arguments.map { try text($0, "the argument") },
            env: try account.environment.map { try text($0, "the variable") },
            cwd: try text(workingDirectory.bytes, "the working directory"),
            capabilities: .init(bounding: capabilities, effective: held, permitted: held),
            rlimits: configuration.resourceLimits.isEmpty
                ? nil : configuration.resourceLimits.map { .init(type: $0.name, soft: $0.soft, hard: $0.hard) },
            noNewPrivileges: configuration.gainsNoPrivileges
        )
    }

    /// Nodes in `/dev`; those elsewhere are mounts.
    private static func devices(
        _ configuration: SandboxConfiguration,
        of user: RuntimeSpecification.Process.User
    ) throws -> [RuntimeSpecification.Device] {
        try configuration.deviceNodes.filter { $0.path.starts(with: "/dev") }.map { node in
            var device = RuntimeSpecification.Device(
                path: try text(node.path.bytes, "the device node"),
                type: "p",
                fileMode: node.mode,
                uid: node.userID ?? user.uid,
                gid: node.groupID ?? user.gid
            )
            if case .device(let kind, let major, let minor) = node.kind {
                device.type = kind == .block ? "b" : "c"
                (device.major, device.minor) = (major, minor)
            }
            return device
        }
    }

    private static func hooks(_ configuration: SandboxConfiguration) throws -> [String: [RuntimeSpecification.Hook]] {
        let hooks = try configuration.hooks.map { hook in
            let made = RuntimeSpecification.Hook(
                path: try text(hook.path.bytes, "the hook"),
                args: hook.arguments.isEmpty ? nil : hook.arguments,
                env: hook.environment.isEmpty ? nil : hook.environment,
                timeout: hook.timeout
            )
            return (hook.moment.rawValue, made)
        }
        return Dictionary(grouping: hooks, by: \.0).mapValues { $0.map(\.1) }
    }

    private static func namespaces(for network: SandboxConfiguration.Network) -> [RuntimeSpecification.Namespace] {
        var namespaces = ["pid", "ipc", "uts", "mount", "cgroup"].map { RuntimeSpecification.Namespace(type: $0) }
        switch network {
        // The runtime itself is started in a network that was made.
        case .host, .own: break
        case .none: namespaces.append(.init(type: "network"))
        case .namespace(let path, _): namespaces.append(.init(type: "network", path: path.string))
        }
        return namespaces
    }

    private static func specification(
        of mount: SandboxConfiguration.Mount,
        _ root: inout PreparedRoot,
        link: FilePath
    ) throws -> RuntimeSpecification.Mount {
        switch mount.source {
        case .bind(let source):
            let isDirectory = try OpenFile.open(source, .pathOnly).status().type == .directory
            let target = try root.mountPoint(
                mount.target,
                isDirectory ? .directory : .file,
                showing: isDirectory && !mount.isReadOnly ? source : nil
            ).path
            // The runtime opens it in the sandbox, after all mounts, and says nothing that a user could understand.
            let keepsNull = try target != "/dev" || HostFiles.status(of: source.appending("null")) != nil
            guard keepsNull, target != "/dev/null" || !isDirectory else { throw SandboxError.mountHidesNull(target) }
            return RuntimeSpecification.Mount(
                destination: try text(target.bytes, "the mount target"),
                type: nil,
                source: try name(of: source, link: link),
                options: ["rbind", mount.isReadOnly ? "ro" : "rw"]
                    + (mount.options.contains { $0.hasSuffix("shared") || $0.hasSuffix("slave") } ? [] : ["rprivate"])
                    + mount.options
            )
        case .tmpfs(let size, let mode):
            let place = try root.mountPoint(mount.target, .directory)
            let target = place.path
            let mode = mode ?? place.coveredMode ?? 0o1777
            return RuntimeSpecification.Mount(
                destination: try text(target.bytes, "the mount target"),
                type: "tmpfs",
                source: "tmpfs",
                options: ["nosuid"] + (target == "/dev" ? [] : ["nodev"]) + [
                    "mode=\(String(mode, radix: 8))", mount.isReadOnly ? "ro" : "rw",
                ]
                    + (size.map { ["size=\($0)"] } ?? []) + mount.options
            )
        }
    }

    /// How the runtime is told of a path of the host: its configuration is text, so a path that is no UTF-8 is linked to.
    private static func name(of path: FilePath, link: FilePath) throws -> String {
        if let text = String(validating: path.bytes, as: UTF8.self) { return text }
        let place = try RootedDirectory(link.removingLastComponent())
        try place.createSymbolicLink(FilePath(root: nil, link.components.suffix(1)), target: path.bytes)
        return try text(link.bytes, "the path")
    }

    /// Writes the files through which a process finds names and addresses, to be shown to it.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    static func networkFiles(
        _ configuration: SandboxConfiguration,
        in directory: FilePath
    ) throws -> [SandboxConfiguration.Mount] {
        var contents: [(FilePath, [UInt8])] = [
            ("/etc/hosts", configuration.hostsFile ?? NetworkFiles.hosts(configuration)),
            ("/etc/resolv.conf", NetworkFiles.resolver(configuration)),
        ]
        if configuration.purpose == .container, !configuration.hostname.isEmpty {
            contents.append(("/etc/hostname", configuration.hostname + "\n"))
        }
        return try contents.compactMap { path, content in
            if configuration.mounts.contains(where: { $0.target == path }) { return nil }
            let file = directory.appending(path.lastComponent?.string ?? "")
            try write(content, to: file)
            switch configuration.purpose {
            case .container:
                return SandboxConfiguration.Mount(.bind(file), at: path, isReadOnly: configuration.isRootReadOnly)
            case .step:
                let options = ["nosuid", "noexec", "nodev"]
                return SandboxConfiguration.Mount(.bind(file), at: path, isReadOnly: true, options: options)
            }
        }
    }

    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    private static func write(_ bytes: [UInt8], to path: FilePath) throws(SystemCallError) {
        let file = try OpenFile.open(path, [.writeOnly, .create, .truncate, .noFollow], mode: 0o644)
        try file.write(bytes)
        // Users in the sandbox read these files too, whatever our umask.
        try file.changeMode(0o644)
    }

    private static func text(_ bytes: [UInt8], _ what: String) throws(SandboxError) -> String {
        guard let text = String(validating: bytes, as: UTF8.self), !bytes.contains(0) else {
            throw .notText(what: what, bytes)
        }
        return text
    }
}

extension RuntimeSpecification.IdentityRange {
    fileprivate init(_ range: IdentityMap.Range) {
        self.init(containerID: range.inside, hostID: range.outside, size: range.count)
    }
}
