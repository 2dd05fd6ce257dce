package import LinuxSystem
internal import Synchronization
package import SystemPackage
internal import Text

/// Runs processes in sandboxes with the `crun` runtime.
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
    /// What this process may do of what a sandbox takes.
    let level: PrivilegeLevel

    package init(scratch: FilePath, level: PrivilegeLevel = .root, runtime: Program = .named("crun")) {
        self.scratch = scratch
        self.level = level
        self.runtime = runtime
    }

    /// Why processes cannot be held to limits; nil where they can, as far as the host has them.
    package var obstacleToLimits: String? { ControlGroup.obstacle(at: level) }

    /// The same with its bundles in another directory, as one in memory for what may not reach a disk.
    package func writing(to scratch: FilePath) -> SandboxRunner {
        SandboxRunner(scratch: scratch, level: level, runtime: runtime)
    }

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
        return try await withProcess(configuration, grace: grace) { [configuration] process in
            let program = configuration.arguments.first ?? []
            async let errors: StandardErrorFilter = {
                var filter = StandardErrorFilter(program: program)
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
    private let child: ChildProcess
    /// The process's terminal, if it was given one.
    package let terminal: PseudoTerminal?

    private let bundle: SandboxBundle
    /// What more processes of the sandbox are started in.
    let controlGroup: OpenFile?
    let controlGroups: [OpenFile]

    /// Where the runtime keeps what it knows of the process, as the process `main`.
    package var runtimeState: FilePath { bundle.state }

    init(
        child: ChildProcess,
        terminal: PseudoTerminal?,
        bundle: SandboxBundle,
        controlGroup: OpenFile?,
        controlGroups: [OpenFile]
    ) {
        self.child = child
        self.terminal = terminal
        self.bundle = bundle
        self.controlGroup = controlGroup
        self.controlGroups = controlGroups
    }

    /// Why the runtime could not start the process; nil where it could.
    package func failure() async throws -> SandboxError? {
        try await onBlockingPool { [bundle] in try bundle.failure() }
    }

    /// The number of the runtime, which waits for the sandboxed process, hands signals on to it, and takes it along when it is killed.
    package var processID: Int32 { child.processID }

    /// What it writes to 1 or 2, where that is a pipe.
    package func reader(_ stream: CInt) -> ByteReader? { child.reader(stream) }

    /// The writing end of its standard input, where that is a pipe, handed over.
    package func takeInput() -> ByteWriter? { child.takeWriter(0) }

    /// Sends a signal to the sandboxed process.
    ///
    /// As process 1 it gets only those that it handles, and SIGKILL.
    package func send(signal: Signal) throws(SystemCallError) { try child.send(signal: signal) }

    /// Waits for its end.
    package func wait() async throws -> ExitStatus { try await child.wait() }
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
