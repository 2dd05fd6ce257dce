internal import Containers
internal import LinuxSystem
internal import RPC
internal import Tasks
internal import Text

extension DockerDoor {
    static let execRoutes: [Route] = [
        Route("POST", "/containers/{id}/exec") { try await $0.createExec($1) },
        Route("POST", "/exec/{id}/start") { try await $0.startExec($1) },
        Route("POST", "/exec/{id}/resize") { try $0.resizeExec($1) },
        Route("GET", "/exec/{id}/json") { try await $0.inspectExec($1) },
    ]

    /// `POST /containers/{id}/exec`.
    private func createExec(_ call: DockerCall) async throws -> WebAnswer {
        let fields = try await call.document()
        let container = try await container(call)
        guard container.state.status == .running else { throw DockerAPIError.notRunning(container.id) }
        let command = try fields.texts("Cmd") ?? []
        guard !command.isEmpty else { throw DockerAPIError.noCommand }
        var request = ExecRequest(arguments: command)
        request.environment = try fields.texts("Env") ?? []
        request.workingDirectory = try fields.text("WorkingDir").flatMap { $0.isEmpty ? nil : $0 }
        request.user = try fields.text("User").flatMap { $0.isEmpty ? nil : $0 }
        request.hasTerminal = try fields.truth("Tty")
        request.isPrivileged = try fields.truth("Privileged")
        let keys = try fields.text("DetachKeys") ?? ""
        let execution = executions.add(
            request,
            in: container,
            keepsInput: try fields.truth("AttachStdin"),
            detachKeys: keys.isEmpty ? .standard : try DetachKeys(parsing: keys)
        )
        await engine.containers.tellOfExec(.createExec, of: container, id: execution.id, command: command)
        return .json(201, .object([.init("Id", .string(execution.id))]))
    }

    /// `POST /exec/{id}/start`.
    private func startExec(_ call: DockerCall) async throws -> WebAnswer {
        let execution = try executions.find(call["id"])
        let fields = try await call.document()
        let isDetached = try fields.truth("Detach")
        var size: TerminalSize?
        if case .array(let numbers) = fields.value("ConsoleSize"), case .number(let rows)? = numbers.first,
            case .number(let columns)? = numbers.last, rows > 0, columns > 0
        {
            size = TerminalSize(rows: UInt16(clamping: rows), columns: UInt16(clamping: columns))
        }
        let container = try await engine.containers.container(execution.container.id)
        guard container.state.status == .running else { throw DockerAPIError.notRunning(container.id) }
        try execution.begin(size)
        await engine.containers.tellOfExec(
            .startExec,
            of: container,
            id: execution.id,
            command: execution.request.arguments
        )
        if isDetached {
            try await runAlone(execution)
            return WebAnswer(status: 200)
        }
        let hasTerminal = execution.request.hasTerminal
        let type = StreamFrames.type(hasTerminal: hasTerminal, for: call.version)
        let wanted = WantedOutput(output: true, errors: true, hasTerminal: hasTerminal)
        guard call.asksForUpgrade else {
            return WebAnswer.streaming(type) { writer in
                try await writer.begin()
                try await attend(execution, wanted, input: nil) { try await writer.write($0) }
            }
        }
        return WebAnswer.connection(type) { stream in
            try await attend(execution, wanted, input: stream) { try await stream.write($0) }
        }
    }

    /// Starts a process that no client sees, and returns when it runs.
    private func runAlone(_ execution: Execution) async throws {
        let started = Promise<Result<Void, any Error>>()
        let containers = engine.containers
        // Not a child, for no request lasts as long: it ends with its process, at the latest with the daemon.
        Task {
            do {
                try await execution.run(in: containers, input: nil, started: { started.keep(.success(())) }) { _, _ in }
                started.keep(.success(()))
            } catch {
                started.keep(.failure(error))
            }
            await containers.tellOfExecEnd(execution)
        }
        try await started.value().get()
    }

    /// Runs a process beside which a client is, until it has ended; the client may go before.
    private func attend(
        _ execution: Execution,
        _ wanted: WantedOutput,
        input stream: WebStream?,
        _ send: @escaping @Sendable ([UInt8]) async throws -> Void
    ) async throws {
        let feed = execution.keepsInput && stream != nil ? try InputFeed() : nil
        let containers = engine.containers
        // Not a child, for it goes on when the client does not; it is waited for below.
        let running = Task {
            do {
                try await execution.run(in: containers, input: try feed?.takeReader()) { stream, bytes in
                    // Without the client what it writes goes nowhere.
                    try? await send(wanted.framed(bytes, stream))
                }
            } catch {
                try? await send(wanted.framed(Array("\(error)\r\n".utf8), 1))
            }
            await containers.tellOfExecEnd(execution)
        }
        await withTaskGroup(of: Bool.self) { group in
            group.addTask {
                await running.value
                return true
            }
            group.addTask {
                if let stream { try? await feed?.pass(stream) }
                return false
            }
            while let isOver = await group.next() { if isOver { break } }
            group.cancelAll()
        }
    }

    /// `POST /exec/{id}/resize`.
    private func resizeExec(_ call: DockerCall) throws -> WebAnswer {
        try executions.find(call["id"]).resize(to: try call.terminalSize())
        return WebAnswer(status: 200)
    }

    /// `GET /exec/{id}/json`.
    private func inspectExec(_ call: DockerCall) async throws -> WebAnswer {
        let execution = try executions.find(call["id"])
        let state = execution.state
        let request = execution.request
        let process = JSONValue.object([
            .init("tty", .bool(request.hasTerminal)), .init("entrypoint", .string(request.arguments.first ?? "")),
            .init("arguments", .array(request.arguments.dropFirst().map { .string($0) })),
            .init("privileged", .bool(request.isPrivileged)), .init("user", .string(request.user ?? "")),
        ])
        return .json(
            200,
            .object([
                .init("ID", .string(execution.id)), .init("Running", .bool(state.isRunning)),
                .init("ExitCode", state.exitCode.map { .number(Int($0)) } ?? .null), .init("ProcessConfig", process),
                .init("OpenStdin", .bool(execution.keepsInput)), .init("OpenStderr", .bool(true)),
                .init("OpenStdout", .bool(true)), .init("CanRemove", .bool(state.isOver)),
                .init("ContainerID", .string(execution.container.id)), .init("DetachKeys", .string("")),
                .init("Pid", .number(0)),
            ])
        )
    }
}

extension ContainerStore {
    fileprivate func tellOfExecEnd(_ execution: Execution) async {
        let code = execution.state.exitCode.map { ["exitCode": "\($0)"] } ?? [:]
        await tellOfExec(.endExec, of: execution.container, id: execution.id, command: [], code)
    }
}

/// What a client types, on its way to a process.
private struct InputFeed: Sendable {
    private let ends: PipeEnds

    init() throws(SystemCallError) { ends = try PipeEnds() }

    /// What the process reads; once.
    func takeReader() throws -> ByteReader? { try ends.reading.take().map { try ByteReader($0) } }

    /// Hands on what the client types until it types no more; then the process reads the end.
    func pass(_ stream: WebStream) async throws {
        guard let file = ends.writing.take() else { return }
        let writer = try ByteWriter(file)
        while let bytes = try await stream.read() { try await writer.write(bytes) }
    }
}
