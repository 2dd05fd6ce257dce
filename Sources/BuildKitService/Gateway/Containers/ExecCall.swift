import BuildEngine
import BuildKitProto
import FoundationEssentials
import GRPCCore
import LLB
import LinuxSystem
import Operations
import RPC
import Sandboxes
import SwiftProtobuf
import Synchronization
import SystemPackage
import Tasks
import Text

/// The one call over which a client starts the processes of its containers, and reads and writes their streams.
struct ExecCall: Sendable {
    typealias Message = Moby_Buildkit_V1_Frontend_ExecMessage

    let job: BuildJob
    let output: RPCOutput<Message>

    /// Serves until the client has said everything and all its processes have ended.
    func run(_ input: RPCInput<Message>) async throws {
        var processes: [String: ExecutedProcess] = [:]
        defer { for process in processes.values { process.endInput() } }
        for try await message in input {
            let id = message.processID
            if id.isEmpty { throw RPCFailure(.invalidArgument, "ProcessID required") }
            if case .init_p(let start)? = message.input {
                if processes[id] != nil { throw RPCFailure(.alreadyExists, "Process \(id) already exists") }
                processes[id] = try await begin(start, id)
                continue
            }
            guard let process = processes[id] else {
                throw RPCFailure(.notFound, "IO for process \"\(id)\" not found")
            }
            try await pass(message, to: process)
        }
        for process in processes.values {
            process.endInput()
            await process.done.value()
        }
    }

    private func pass(_ message: Message, to process: ExecutedProcess) async throws {
        switch message.input {
        case .file(let part)?:
            if !part.data.isEmpty { try await process.write(Array(part.data), to: part.fd) }
            if part.eof { process.endInput() }
        case .resize(let size)?:
            try await process.resize(
                TerminalSize(rows: UInt16(clamping: size.rows), columns: UInt16(clamping: size.cols))
            )
        case .signal(let signal)?:
            guard let number = Signal(signal.name) else {
                throw RPCFailure(.invalidArgument, "Unknown signal \(signal.name)")
            }
            try await process.send(number)
        case .init_p?, .started?, .exit?, .done?, nil: return
        }
    }

    // MARK: Starting

    private func begin(
        _ start: Moby_Buildkit_V1_Frontend_InitMessage,
        _ id: String
    ) async throws -> ExecutedProcess {
        let container = try job.containers[start.containerID]
        var plan = StepContainer.ProcessPlan(ProcessMessages.process(start.meta))
        let hasPath = plan.process.environment.contains { $0.starts(with: "PATH=") }
        if let path = container.usualPath, !hasPath { plan.process.environment.append(path) }
        if start.tty {
            plan.terminal = TerminalSize(rows: 24, columns: 80)
            if !plan.process.environment.contains(where: { $0.starts(with: "TERM=") }) {
                plan.process.environment.append("TERM=xterm")
            }
        }
        plan.secrets = start.secretenv.map {
            SecretVariable(id: [UInt8]($0.id), name: [UInt8]($0.name), isOptional: $0.optional)
        }
        plan.streams = Set(start.fds.map { CInt(clamping: $0) })
        var writer: ByteWriter?
        if !start.tty, start.fds.contains(0) {
            let pipe = try makePipe()
            plan.input = pipe.reading
            writer = try ByteWriter(pipe.writing)
        }
        let process = ExecutedProcess(writer, hasTerminal: start.tty, streams: Set(start.fds))
        // Before anything that another process says: a client reads the messages of all its processes in their order, and may
        // pass what one writes on to this one only once it has been told of this one's start.
        try await output.write(
            .with {
                $0.processID = id
                $0.started = .init()
            }
        )
        try container.begin { [plan] role in
            await Attendance(call: self, id: id, process: process).run { attend in
                defer { role.abandon() }
                var plan = plan
                plan.security = try ProcessMessages.security(start.security)
                try job.request.check(container.network, plan.security)
                return try await container.run(plan, as: role, attend)
            }
        }
        return process
    }
}

/// A process as the call sees it.
final class ExecutedProcess: Sendable {
    private struct State {
        var writer: ByteWriter?
        var running: StepContainer.Running?
    }

    private let hasTerminal: Bool
    private let streams: Set<UInt32>
    private let state: Mutex<State>
    /// Whether it was, or never will be.
    let started = Promise<Void>()
    let done = Promise<Void>()

    init(_ writer: ByteWriter?, hasTerminal: Bool, streams: Set<UInt32>) {
        self.hasTerminal = hasTerminal
        self.streams = streams
        state = Mutex(State(writer: writer))
    }

    func listens(to stream: UInt32) -> Bool { streams.contains(stream) }

    func begin(_ running: StepContainer.Running) throws(SystemCallError) {
        let writer = streams.contains(0) ? try running.terminal?.makeWriter() : nil
        state.withLock { state in
            state.running = running
            state.writer = state.writer ?? writer
        }
    }

    /// Writes what it reads; waits for it to do so.
    func write(_ bytes: [UInt8], to stream: UInt32) async throws {
        // A terminal is made with the process.
        if hasTerminal { await started.value() }
        guard stream == 0, let writer = state.withLock(\.writer) else {
            throw RPCFailure(.outOfRange, "fd \(stream) unavailable to write")
        }
        do {
            try await writer.write(bytes)
        } catch let error as SystemCallError where error.errno == .brokenPipe || error.errno == .ioError {
            // It reads no more.
        }
    }

    /// Nothing more is written.
    func endInput() { if !hasTerminal { state.withLock { $0.writer = nil } } }

    func resize(_ size: TerminalSize) async throws {
        await started.value()
        try state.withLock(\.running)?.terminal?.resize(size)
    }

    func send(_ signal: Signal) async throws {
        await started.value()
        try await state.withLock(\.running)?.send(signal)
    }

    /// Has ended: what was its own is let go.
    func end() {
        state.withLock { state in
            state.writer = nil
            state.running = nil
        }
    }
}

/// Tells the client of one process from its start to its end.
private struct Attendance: Sendable {
    let call: ExecCall
    let id: String
    let process: ExecutedProcess

    typealias Body = @Sendable (StepContainer.Running) async throws -> Void

    /// - Parameter body: runs the process.
    /// - Returns: why it failed.
    func run(_ body: @Sendable (@escaping Body) async throws -> ExitStatus) async -> (any Error)? {
        let result: Result<ExitStatus, any Error>
        do {
            result = .success(
                try await body { running in
                    try process.begin(running)
                    process.started.keep(())
                    try await pump(running)
                }
            )
        } catch {
            // What fails on the way to the end fails because of it.
            result = .failure(Task.isCancelled ? CancellationError() : error)
        }
        process.end()
        process.started.keep(())
        let (exit, failure) = message(result)
        // The task may be cancelled, and the client is told all the same; one that is gone cannot be.
        await Task {
            try? await tell(.exit(exit))
            try? await tell(.done(.init()))
        }.value
        process.done.keep(())
        return failure
    }

    private func tell(_ input: ExecCall.Message.OneOf_Input) async throws {
        try await call.output.write(
            .with {
                $0.processID = id
                $0.input = input
            }
        )
    }

    // MARK: Streams

    private func pump(_ running: StepContainer.Running) async throws {
        async let errors: Void = pumpErrors(running)
        while let bytes = try await running.output?.read() { try await tell(bytes, on: 1) }
        try await errors
    }

    private func pumpErrors(_ running: StepContainer.Running) async throws {
        var filter = running.filter
        while let bytes = try await running.errors?.read() {
            let visible = filter.pass(bytes)
            if !visible.isEmpty { try await tell(visible, on: 2) }
        }
        let rest = try filter.finish(status: try await running.wait()).get()
        if !rest.isEmpty { try await tell(rest, on: 2) }
    }

    private func tell(_ bytes: [UInt8], on stream: UInt32) async throws {
        guard process.listens(to: stream) else { return }
        try await tell(
            .file(
                .with {
                    $0.fd = stream
                    $0.data = Data(bytes)
                }
            )
        )
    }

    // MARK: The end

    /// The status by which clients know an end without an exit.
    private static let unknownStatus: UInt32 = 255

    private func message(
        _ result: Result<ExitStatus, any Error>
    ) -> (Moby_Buildkit_V1_Frontend_ExitMessage, (any Error)?) {
        let (code, text): (UInt32, String)
        switch result {
        case .success(let status) where status.isSuccess: return (.init(), nil)
        case .success(let status): (code, text) = (UInt32(status.shellCode), "exit code: \(status.shellCode)")
        case .failure(is CancellationError): (code, text) = (137, "exit code: 137: context canceled")
        case .failure(let error as SandboxError): (code, text) = (UInt32(error.exitCode), "\(error)")
        case .failure(let error): (code, text) = (Self.unknownStatus, "\(error)")
        }
        let failure = RPCFailure(.unknown, text)
        let message = Moby_Buildkit_V1_Frontend_ExitMessage.with {
            $0.code = code
            $0.error.code = Int32(failure.code.rawValue)
            $0.error.message = text
        }
        return (message, failure)
    }
}
