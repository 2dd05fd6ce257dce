internal import LinuxSystem
internal import SystemPackage

extension SandboxRunner {
    /// Runs a process by chroot(2), as `withProcess` does.
    func withKeptProcess<Value: Sendable>(
        _ configuration: SandboxConfiguration,
        streams: Streams,
        grace: Duration,
        _ body: (SandboxProcess) async throws -> Value
    ) async throws -> (value: Value, status: ExitStatus) {
        if let text = gap.text(AccessRules.extent) { configuration.noteObstacle(text) }
        let chroot = try await onBlockingPool { [scratch] in
            try PreparedChroot(configuration, hasTerminal: streams.terminal != nil, in: scratch)
        }
        let result: Result<(Value, ExitStatus), any Error>
        do {
            result = .success(try await run(chroot, configuration, streams, grace: grace, body))
        } catch {
            result = .failure(error)
        }
        try await onBlockingPool { try chroot.remove() }
        return try result.get()
    }

    private func run<Value: Sendable>(
        _ chroot: PreparedChroot,
        _ configuration: SandboxConfiguration,
        _ streams: Streams,
        grace: Duration,
        _ body: (SandboxProcess) async throws -> Value
    ) async throws -> (Value, ExitStatus) {
        var terminal: (terminal: PseudoTerminal, device: OpenFile)?
        if let size = streams.terminal {
            let made = try await onBlockingPool { try PseudoTerminal.make() }
            try made.terminal.resize(size)
            terminal = made
        }
        let process = try await KeptProcess.start(
            chroot,
            by: keeper,
            configuration,
            streams,
            terminal: terminal?.device
        )
        let outcome: Result<Value, any Error>
        do {
            outcome = .success(try await body(SandboxProcess(process, terminal: terminal?.terminal)))
        } catch {
            outcome = .failure(error)
        }
        let status = try await process.end(grace)
        if let usage = process.keeper.usageIfEnded { configuration.noteUsage(usage) }
        if let error = try await process.failure() { throw error }
        return (try outcome.get(), status)
    }
}
