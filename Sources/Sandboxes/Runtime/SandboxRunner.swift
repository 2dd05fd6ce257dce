package import LinuxSystem
internal import Synchronization
package import SystemPackage
internal import Text

/// Runs processes in sandboxes: with the `crun` runtime, or where that cannot work by chroot(2).
///
/// The runtime is process 1 of a process namespace of its own, and the sandboxed process is process 1 of another inside it.
/// So when the sandboxed process ends, the kernel kills whatever it left behind; and when the runtime is killed, or this
/// process dies in whatever way, everything dies with it. The runtime's mounts are in a mount namespace that vanishes likewise.
package struct SandboxRunner: Sendable {
    /// Where the standard streams of a process lead.
    package struct Streams: Sendable {
        package var input: ChildProcessConfiguration.File
        package var output: ChildProcessConfiguration.File
        package var errors: ChildProcessConfiguration.File
        /// Gives the process a terminal of this size instead: `SandboxProcess.terminal`.
        package var terminal: TerminalSize?

        package init(
            input: ChildProcessConfiguration.File = .ownNull,
            output: ChildProcessConfiguration.File = .pipeFromChild,
            errors: ChildProcessConfiguration.File = .pipeFromChild
        ) {
            self.input = input
            self.output = output
            self.errors = errors
        }
    }

    /// A directory on which bundles are made; each exists only while its process runs.
    let scratch: FilePath
    let runtime: Program
    /// Starts processes where the runtime cannot: a program that calls `SandboxKeeper.run`.
    let keeper: Program
    /// What this process may do of what a sandbox takes.
    package let level: PrivilegeLevel
    let gap: ConfinementGap

    package init(
        scratch: FilePath,
        level: PrivilegeLevel = .root,
        runtime: Program = .named("crun"),
        keeper: Program = .path("/proc/self/exe")
    ) {
        self.scratch = scratch
        self.level = level
        self.runtime = runtime
        self.keeper = keeper
        gap = ConfinementGap()
    }

    private init(_ other: SandboxRunner, scratch: FilePath) {
        self.scratch = scratch
        level = other.level
        runtime = other.runtime
        keeper = other.keeper
        gap = other.gap
    }

    /// Why processes cannot be held to limits; nil where they can, as far as the host has them.
    package var obstacleToLimits: String? { ControlGroup.obstacle(at: level) }

    /// The same with its bundles in another directory, as one in memory for what may not reach a disk.
    package func writing(to scratch: FilePath) -> SandboxRunner { SandboxRunner(self, scratch: scratch) }

    /// Runs a process to its end.
    ///
    /// When `body` returns or throws and the process still runs, it gets SIGTERM and, after `grace`, SIGKILL, and so does everything it
    /// has started. The same happens when the task is cancelled. Nothing of the sandbox is left when this returns.
    /// - Parameters:
    ///   - configuration: what to run.
    ///   - streams: where its standard streams lead.
    ///   - grace: how long it may take to end when asked.
    ///   - body: reads and writes the streams; typically ends with `process.wait()`.
    /// - Returns: what `body` returned, and how the process ended.
    /// - Throws: `SandboxError` when the process could not be started, whatever `body` made of the streams ending.
    package func withProcess<Value: Sendable>(
        _ configuration: SandboxConfiguration,
        streams: Streams = Streams(),
        grace: Duration = .seconds(2),
        _ body: (SandboxProcess) async throws -> Value
    ) async throws -> (value: Value, status: ExitStatus) {
        switch level {
        case .root, .userNamespace, .singleID: break
        case .confined(isSuperuser: true):
            return try await withKeptProcess(configuration, streams: streams, grace: grace, body)
        case .confined(isSuperuser: false): throw SandboxError.noProcesses
        }
        // It may be asked what it is: meanwhile the bundle is made.
        async let runtime = ContainerRuntime.resolve(runtime)
        let prepared = try await onBlockingPool { try PreparedSandbox(configuration, streams, of: self) }
        let result: Result<(Value, ExitStatus), any Error>
        do {
            result = .success(try await run(prepared, by: runtime, grace: grace, body))
        } catch {
            result = .failure(error)
        }
        try await onBlockingPool { try prepared.remove() }
        return try result.get()
    }

    /// Runs a process to its end and hands on what it writes, in order for each stream, while it runs.
    /// - Parameters:
    ///   - configuration: what to run.
    ///   - grace: how long it may take to end when the task is cancelled.
    ///   - write: takes what was written: 1 or 2, and the bytes. The process waits while this does not return.
    /// - Returns: how it ended.
    /// - Throws: `SandboxError` when the process could not be started, and what `write` throws, which ends the process.
    package func run(
        _ configuration: SandboxConfiguration,
        grace: Duration = .seconds(2),
        write: @escaping @Sendable (_ stream: CInt, _ bytes: [UInt8]) async throws -> Void
    ) async throws -> ExitStatus {
        var configuration = configuration
        configuration.impersonatesUsers = level.mounts && !level.hasOtherUsers && configuration.confinesSystemCalls
        return try await withProcess(configuration, grace: grace) { process in
            async let errors: StandardErrorFilter = {
                var filter = process.makeErrorFilter()
                while let bytes = try await process.reader(2)?.read() {
                    let visible = filter.pass(bytes)
                    if !visible.isEmpty { try await write(2, visible) }
                }
                return filter
            }()
            while let bytes = try await process.reader(1)?.read() { try await write(1, bytes) }
            var filter = try await errors
            let rest = try filter.finish(status: try await process.wait(), failure: try await process.failure()).get()
            if !rest.isEmpty { try await write(2, rest) }
        }.status
    }

    private func run<Value: Sendable>(
        _ sandbox: PreparedSandbox,
        by runtime: FilePath,
        grace: Duration,
        _ body: (SandboxProcess) async throws -> Value
    ) async throws -> (Value, ExitStatus) {
        let (bundle, streams) = (sandbox.bundle, sandbox.streams)
        var configuration = ChildProcessConfiguration(
            .path(runtime),
            [
                "--cgroup-manager=disabled", "--root", bundle.state.string,
                // crun takes what stands before a colon for a kind of log: the path of a store may have one, this name has none.
                "--log", bundle.log.lastComponent?.string ?? "",
                "--log-format", "json", "run", "--no-new-keyring", "--bundle", bundle.directory.string,
            ]
        )
        configuration.environment = RuntimeSurroundings.environment
        configuration.workingDirectory = bundle.directory
        configuration.namespaces = [.mount, .process]
        configuration.mounts =
            RuntimeSurroundings.mounts + (await onBlockingPool { RuntimeSurroundings.protecting(runtime) })
        configuration.controlGroup = sandbox.devices.controlGroup
        configuration.controlGroups = sandbox.configuration.controlGroup?.entrances ?? []
        if case .own(let network) = sandbox.configuration.network {
            configuration.networkNamespace = network.namespace.file
        }
        configuration.files = [0: streams.input, 1: streams.output, 2: streams.errors]

        var terminal: RuntimeFileReceiver?
        if streams.terminal != nil {
            let receiver = try await onBlockingPool { try RuntimeFileReceiver() }
            configuration.arguments += ["--console-socket", receiver.path.bytes]
            terminal = receiver
        }
        var calls: RuntimeFileReceiver?
        if sandbox.configuration.impersonatesUsers {
            let receiver = try await onBlockingPool { try RuntimeFileReceiver() }
            configuration.environment?.append("RUN_OCI_SECCOMP_RECEIVER=".bytes + receiver.path.bytes)
            calls = receiver
        }
        configuration.arguments.append("main")
        let child = try await ChildProcess.start(configuration)
        async let answers: Void? = calls?.impersonate(child, groups: bundle.groups)
        let outcome: Result<Value, any Error>
        do {
            let console = try await terminal?.receiveTerminal(unless: child)
            outcome = .success(
                try await body(
                    SandboxProcess(
                        child: child,
                        terminal: console,
                        bundle: bundle,
                        controlGroup: configuration.controlGroup,
                        controlGroups: configuration.controlGroups
                    )
                )
            )
        } catch {
            outcome = .failure(error)
        }
        let status = try await Self.end(child, grace)
        if let usage = child.usageIfEnded { sandbox.configuration.noteUsage(usage) }
        _ = try await answers
        if let error = try await onBlockingPool({ try RuntimeLog.failure(bundle.log, program: bundle.program) }) {
            throw error
        }
        return (try outcome.get(), status)
    }

    /// Ends the process if it has not ended, and waits until all of it is gone, even in a cancelled task.
    static func end(_ child: ChildProcess, _ grace: Duration) async throws -> ExitStatus {
        if let status = child.statusIfEnded { return try status.get() }
        return try await child.terminate(grace: grace)
    }
}

/// A running process in a sandbox.
package struct SandboxProcess: Sendable {
    /// What stands between this program and the process.
    private enum Parent: Sendable {
        case runtime(ChildProcess, SandboxBundle)
        case keeper(KeptProcess)

        var child: ChildProcess {
            switch self {
            case .runtime(let child, _): child
            case .keeper(let process): process.keeper
            }
        }
    }

    private let parent: Parent
    /// The process's terminal, if it was given one.
    package let terminal: PseudoTerminal?

    /// What more processes of the sandbox are started in.
    let controlGroup: OpenFile?
    let controlGroups: [OpenFile]

    /// Where the runtime keeps what it knows of the process, as the process `main`; nil if no runtime keeps it.
    package var runtimeState: FilePath? {
        if case .runtime(_, let bundle) = parent { bundle.state } else { nil }
    }

    init(
        child: ChildProcess,
        terminal: PseudoTerminal?,
        bundle: SandboxBundle,
        controlGroup: OpenFile?,
        controlGroups: [OpenFile]
    ) {
        parent = .runtime(child, bundle)
        self.terminal = terminal
        self.controlGroup = controlGroup
        self.controlGroups = controlGroups
    }

    init(_ process: KeptProcess, terminal: PseudoTerminal?) {
        parent = .keeper(process)
        self.terminal = terminal
        controlGroup = nil
        controlGroups = []
    }

    /// Why the process could not be started; nil where it could.
    ///
    /// That of a process that was not started by the runtime is known once it has ended.
    package func failure() async throws -> SandboxError? {
        switch parent {
        case .runtime(_, let bundle): try await onBlockingPool { try bundle.failure() }
        case .keeper(let process): try await process.failure()
        }
    }

    /// Holds back what the runtime writes to the standard error of a process that it cannot start.
    package func makeErrorFilter() -> StandardErrorFilter {
        switch parent {
        case .runtime(_, let bundle): StandardErrorFilter(program: bundle.program)
        case .keeper: .passing
        }
    }

    /// The number of the process that waits for the sandboxed one, hands signals on to it, and takes it along when it ends.
    package var processID: Int32 { parent.child.processID }

    /// What it writes to 1 or 2, where that is a pipe.
    package func reader(_ stream: CInt) -> ByteReader? { parent.child.reader(stream) }

    /// The writing end of its standard input, where that is a pipe, handed over.
    package func takeInput() -> ByteWriter? { parent.child.takeWriter(0) }

    /// Sends a signal to the sandboxed process.
    ///
    /// As process 1 it gets only those that it handles, and SIGKILL.
    package func send(signal: Signal) throws(SystemCallError) {
        switch parent {
        case .runtime(let child, _): try child.send(signal: signal)
        case .keeper(let process): try process.send(signal: signal)
        }
    }

    /// Waits for its end.
    package func wait() async throws -> ExitStatus {
        switch parent {
        case .runtime(let child, _): try await child.wait()
        case .keeper(let process): try await process.wait()
        }
    }
}

extension String {
    fileprivate var bytes: [UInt8] { Array(utf8) }
}

extension RuntimeFileReceiver {
    /// Answers the calls that the filter of a process hands over, as long as there are processes under it.
    fileprivate func impersonate(_ child: ChildProcess, groups: [UInt32]) async throws {
        guard let file = try await receive(unless: child) else { return }
        try await onThreadOfItsOwn {
            var impersonator = Impersonator(SystemCallListener(file), groups: groups)
            try impersonator.run()
        }
    }
}
