package import LinuxSystem
internal import SystemPackage
internal import Text

extension SandboxRunner {
    /// One more process of a sandbox, while it runs.
    package struct Additional: Sendable {
        private let child: ChildProcess
        /// The process's terminal, if it was given one.
        package let terminal: PseudoTerminal?
        private let process: AdditionalProcess
        private let first: ProcessReference

        init(child: ChildProcess, terminal: PseudoTerminal?, process: AdditionalProcess, first: ProcessReference) {
            self.child = child
            self.terminal = terminal
            self.process = process
            self.first = first
        }

        /// What it writes to 1 or 2, where that is a pipe.
        package func reader(_ stream: CInt) -> ByteReader? { child.reader(stream) }

        /// Waits for its end.
        package func wait() async throws -> ExitStatus { try await child.wait() }

        /// Holds back what the runtime writes to the standard error of a process that it cannot start.
        package func makeErrorFilter() -> StandardErrorFilter { process.makeErrorFilter() }

        /// Why the runtime could not start it; nil where it could.
        package func failure() async throws -> SandboxError? {
            try await onBlockingPool { [process] in try process.failure() }
        }

        /// Sends it a signal.
        package func send(signal: Signal) async throws {
            try await onBlockingPool { [process, first, child] in
                guard let text = try contentsIfPresent(of: process.number, limit: 64),
                    let number = Int32(String(decoding: text, as: UTF8.self))
                else {
                    // Before it is started, the runtime alone is there to be told.
                    try child.send(signal: .kill)
                    return
                }
                _ = try NestedProcesses.process(numbered: number, beside: first.processID)?.send(signal: signal)
            }
        }
    }

    /// Runs one more process in a sandbox, to its end or to that of the sandbox.
    ///
    /// When `body` returns or throws and the process still runs, it is killed.
    /// - Parameters:
    ///   - sandbox: the sandbox's own process, which may only just have been started.
    ///   - configuration: what to run; root and mounts are the sandbox's, whatever it says.
    ///   - streams: where its standard streams lead.
    ///   - body: reads and writes the streams; typically ends with `wait()`.
    /// - Returns: what `body` returned, and how the process ended.
    /// - Throws: `SandboxError` where the process could not be started, or the sandbox has ended.
    package func withAdditionalProcess<Value: Sendable>(
        in sandbox: SandboxProcess,
        _ configuration: SandboxConfiguration,
        streams: Streams,
        _ body: (Additional) async throws -> Value
    ) async throws -> (value: Value, status: ExitStatus) {
        guard let first = try await sandbox.leader() else { throw SandboxError.sandboxHasEnded }
        let directory = try await onBlockingPool { [scratch] in try makeScratchDirectory(in: scratch, prefix: "exec-") }
        let result: Result<(Value, ExitStatus), any Error>
        do {
            result = .success(try await run(configuration, streams, beside: first, of: sandbox, directory, body))
        } catch {
            result = .failure(error)
        }
        try await onBlockingPool { try removeTree(directory) }
        return try result.get()
    }

    private func run<Value: Sendable>(
        _ configuration: SandboxConfiguration,
        _ streams: Streams,
        beside first: ProcessReference,
        of sandbox: SandboxProcess,
        _ directory: FilePath,
        _ body: (Additional) async throws -> Value
    ) async throws -> (Value, ExitStatus) {
        let (process, receiver) = try await onBlockingPool {
            let root = FilePath("/proc/\(first.processID)/root")
            let process = try AdditionalProcess(configuration, inside: root, terminal: streams.terminal, in: directory)
            // Numbers are given again: what was read is the sandbox's only if it still runs.
            guard first.isRunning else { throw SandboxError.sandboxHasEnded }
            return (process, streams.terminal == nil ? nil : try RuntimeFileReceiver())
        }
        var arguments = [
            "-t", "\(sandbox.processID)", "-m", "-p", "--", "crun", "--cgroup-manager=disabled",
            "--root", try sandbox.stateToJoin().string, "--log", "file:" + process.log.string, "--log-format", "json",
            "exec", "--process", process.document.string, "--pid-file", process.number.string,
        ]
        if let receiver { arguments += ["--console-socket", receiver.path.string] }
        var command = ChildProcessConfiguration(.named("nsenter"), arguments + ["main"])
        command.environment = RuntimeSurroundings.environment
        (command.controlGroup, command.controlGroups) = (sandbox.controlGroup, sandbox.controlGroups)
        command.files = [0: streams.input, 1: streams.output, 2: streams.errors]
        let child = try await ChildProcess.start(command)
        let outcome: Result<Value, any Error>
        var additional: Additional?
        do {
            let terminal = try await receiver?.receiveTerminal(unless: child)
            let running = Additional(child: child, terminal: terminal, process: process, first: first)
            additional = running
            outcome = .success(try await body(running))
        } catch {
            outcome = .failure(error)
        }
        // The runtime does not take the process along that it started.
        if child.statusIfEnded == nil { try await additional?.send(signal: .kill) }
        let status = try await Self.end(child, .seconds(1))
        if let failure = try await onBlockingPool({ try process.failure() }) { throw failure }
        return (try outcome.get(), status)
    }
}

extension SandboxProcess {
    /// The sandboxed process itself, once its root is what the sandbox's processes are to see; nil where it has ended.
    func leader() async throws -> ProcessReference? {
        let state = try stateToJoin()
        let number = processID
        guard let runtime = await onBlockingPool({ ProcessReference(processID: number) }) else { return nil }
        let own = state.appending("main")
        return try await FileWatch.wait(
            in: [state.removingLastComponent(), state, own],
            while: runtime
        ) { () -> ProcessReference? in
            guard try HostFiles.status(of: own.appending("status")) != nil else { return nil }
            return try NestedProcesses.first(in: number).flatMap { ProcessReference(processID: $0) }
        }
    }

    /// Where the runtime keeps what another process needs to join this one.
    fileprivate func stateToJoin() throws(SandboxError) -> FilePath {
        guard let runtimeState else { throw .needsNamespaces("a process that joins another one") }
        return runtimeState
    }
}
