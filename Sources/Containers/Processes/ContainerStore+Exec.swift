import LinuxSystem
import Sandboxes
import SystemPackage
import Tasks

/// One more process for a container that runs.
package struct ExecRequest: Sendable {
    package var arguments: [String]
    /// `NAME=value`, besides the container's.
    package var environment: [String] = []
    /// Nil is the container's own.
    package var workingDirectory: String?
    /// `uid[:gid]` or names; nil is the container's user.
    package var user: String?
    package var isDetached = false
    package var hasTerminal = false
    package var isPrivileged = false

    package init(arguments: [String]) { self.arguments = arguments }
}

/// How a process beside a container's own was left.
package enum ExecEnd: Sendable, Hashable {
    case exited(CInt)
    /// It runs on without the caller.
    case detached
}

extension ContainerStore {
    /// Runs one more process in a running container.
    /// - Returns: its exit code; a signal that ends this program ends the process, and gives 128 and its number.
    /// - Throws: `ContainerError.notRunning`, `SandboxError` where the process could not be started.
    package func exec(_ request: ExecRequest, in container: ContainerRecord, _ streams: AttachedStreams) async throws
        -> ExecEnd
    {
        let entrance = try await entrance(to: container)
        let scratch = try await onBlockingPool { [directory = directory(of: container.id)] in
            try makeScratchDirectory(in: directory, prefix: "exec-")
        }
        return try await withCleanUp {
            try await exec(request, in: entrance, streams, scratch)
        } finally: {
            // Where the container is removed meanwhile, this has gone with it.
            await onBlockingPool { try? removeTree(scratch) }
        }
    }

    private func exec(
        _ request: ExecRequest,
        in entrance: ContainerEntrance,
        _ streams: AttachedStreams,
        _ scratch: FilePath
    ) async throws -> ExecEnd {
        let size = request.hasTerminal ? streams.terminalSize() ?? TerminalSize(rows: 24, columns: 80) : nil
        let (process, receiver, groups) = try await onBlockingPool {
            let configuration = try self.sandboxConfiguration(of: request, in: entrance.container)
            let process = try AdditionalProcess(configuration, inside: entrance.root, terminal: size, in: scratch)
            // Numbers are given again: what was read is the container's only if it still runs.
            guard entrance.first.isRunning else { throw ContainerError.notRunning(id: entrance.container.id) }
            let receiver = size == nil ? nil : try RuntimeFileReceiver()
            return (process, receiver, try ContainerDevices.groups(of: entrance.container.state))
        }
        var arguments = ["--log", "file:" + process.log.string, "exec", "--process", process.document.string]
        arguments += ["--pid-file", process.number.string]
        if request.isDetached { arguments.append("--detach") }
        if let receiver { arguments += ["--console-socket", receiver.path.string] }
        var command = runtimeCommand(in: entrance, arguments + [entrance.name])
        (command.controlGroup, command.controlGroups) = (groups.unified, groups.entrances)
        command.files = [0: .ownNull, 1: .ownNull, 2: .ownNull]
        if !request.isDetached {
            command.files[1] = .pipeFromChild
            command.files[2] = .pipeFromChild
            if streams.input != nil, receiver == nil { command.files[0] = .pipeToChild }
        }
        let child = try await ChildProcess.start(command)
        do {
            let terminal = try await receiver?.receiveTerminal(unless: child)
            if request.isDetached { return try await detach(child, terminal, process) }
            return try await attend(child, terminal, process, in: entrance, streams)
        } catch {
            try await child.terminate()
            throw error
        }
    }

    /// Sees a detached process started, and its terminal into other hands.
    private func detach(
        _ child: ChildProcess,
        _ terminal: PseudoTerminal?,
        _ process: AdditionalProcess
    ) async throws -> ExecEnd {
        let status = try await child.waitOrTerminate()
        if let failure = try await onBlockingPool({ try process.failure() }) { throw failure }
        guard status.isSuccess else { throw SandboxError.runtimeFailed("\(status)") }
        if let terminal { try await keep(terminal) }
        return .detached
    }

    private func attend(
        _ child: ChildProcess,
        _ terminal: PseudoTerminal?,
        _ process: AdditionalProcess,
        in entrance: ContainerEntrance,
        _ streams: AttachedStreams
    ) async throws -> ExecEnd {
        let pump = StreamPump(
            .init(
                terminal: terminal,
                output: try terminal?.makeReader() ?? child.reader(1),
                errors: child.reader(2),
                takeInput: { try terminal?.makeWriter() ?? child.takeWriter(0) },
                send: { signal in
                    let isSent = try await onBlockingPool { try process.send(signal, through: entrance) }
                    // Before it is started, the runtime alone is there to be told.
                    if !isSent { try child.send(signal: .kill) }
                },
                wait: { (try await child.wait(), try await onBlockingPool { try process.failure() }) },
                filter: process.makeErrorFilter(),
                endsOnSignals: true
            ),
            streams
        )
        async let announced: Void = announce(process, to: streams)
        let end = try await pump.run()
        try await announced
        switch end {
        case .exited(let status): return .exited(status.shellCode)
        case .detached:
            if let terminal { try await keep(terminal) }
            return .detached
        }
    }

    /// Tells when a process runs, where that is asked for.
    private func announce(_ process: AdditionalProcess, to streams: AttachedStreams) async throws {
        guard let started = streams.started else { return }
        let number = process.number
        let found = try await FileWatch.wait(in: [number.removingLastComponent()], atMost: .seconds(60)) {
            try contentsIfPresent(of: number, limit: 64)?.isEmpty ?? true ? nil : true
        }
        if found != nil { started() }
    }

    /// Hands a terminal to a process that outlives this one: without a reader, what runs on it would be hung up on.
    private func keep(_ terminal: PseudoTerminal) async throws {
        guard let program = terminalKeeper.first else { return }
        var keeper = ChildProcessConfiguration(.path(FilePath(program)), Array(terminalKeeper.dropFirst()))
        keeper.files = [0: .open(try terminal.duplicate())]
        keeper.grouping = .ownSession
        keeper.diesWithParent = false
        _ = try await ChildProcess.start(keeper)
    }

    /// What a process gets that is not the container's own.
    private func sandboxConfiguration(
        of request: ExecRequest,
        in container: ContainerRecord
    ) throws -> SandboxConfiguration {
        let configuration = container.configuration
        var sandbox = SandboxConfiguration(root: "/", arguments: request.arguments.map { Array($0.utf8) })
        try configuration.options.apply(to: &sandbox)
        if request.isPrivileged { sandbox.capabilities = try Capability.available() }
        if mayReachDevices(container, sandbox) { sandbox.capabilities.remove(.makeNode) }
        if !isKeptFromLoopback(container) { sandbox.capabilities.remove(.netRaw) }
        var environment = configuration.environment
        // What `-t` gave the container's own process.
        if configuration.hasTerminal { environment.removeAll { $0 == "TERM=xterm" } }
        if request.hasTerminal { environment.append("TERM=xterm") }
        sandbox.environment = Self.merged(environment, request.environment).map { Array($0.utf8) }
        sandbox.workingDirectory = FilePath(request.workingDirectory ?? configuration.workingDirectory)
        sandbox.user = Array((request.user ?? configuration.user).utf8)
        return sandbox
    }

    /// Variables and those that replace them.
    static func merged(_ variables: [String], _ more: [String]) -> [String] {
        func name(_ variable: String) -> Substring { variable.prefix { $0 != "=" } }
        var positions: [Substring: Int] = [:]
        var result: [String] = []
        for variable in variables + more {
            if let position = positions[name(variable)] {
                result[position] = variable
            } else {
                positions[name(variable)] = result.count
                result.append(variable)
            }
        }
        return result
    }
}

extension AdditionalProcess {
    /// Sends the process a signal; false where it has not been started yet.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    fileprivate func send(_ signal: Signal, through entrance: ContainerEntrance) throws -> Bool {
        guard let text = try contentsIfPresent(of: number, limit: 64),
            let number = Int32(String(decoding: text, as: UTF8.self))
        else { return false }
        _ = try entrance.process(numbered: number)?.send(signal: signal)
        return true
    }
}
