import LinuxSystem
import Sandboxes
import Synchronization
import SystemPackage

/// Moves bytes and signals between the caller and a process until the process has ended.
struct StreamPump: Sendable {
    enum End: Sendable { case exited(ExitStatus), detached }

    /// What is special about the process.
    struct Process: Sendable {
        var terminal: PseudoTerminal?
        /// What it writes to 1 and 2; with a terminal the first is the terminal's.
        var output: ByteReader?
        var errors: ByteReader?
        var takeInput: @Sendable () throws -> ByteWriter?
        var send: @Sendable (Signal) async throws -> Void
        /// Waits for its end, and asks the runtime why it could not start it.
        var wait: @Sendable () async throws -> (ExitStatus, SandboxError?)
        /// Hides what the runtime writes in its place.
        var filter: StandardErrorFilter
        /// Whether the signals that end programs end it too, sooner or later.
        var endsOnSignals = false
    }

    private enum Event: Sendable {
        case outputEnded, inputEnded, detached
        /// The process has ended, and others keep its streams.
        case abandoned
        case signaled(Signal)
        case graceOver
    }

    let process: Process
    let streams: AttachedStreams
    private static let endingSignals: Set<Signal> = [.hangUp, .interrupt, .quit, .terminate]

    init(_ process: Process, _ streams: AttachedStreams) {
        self.process = process
        self.streams = streams
    }

    /// - Returns: how the process ended; one that a signal to the caller has ended, ended by that signal.
    /// - Throws: `SandboxError` where the runtime could not start it.
    func run() async throws -> End {
        let traffic = Traffic(process.filter)
        var signal: Signal?
        let isDetached = try await withThrowingTaskGroup(of: Event.self) { group in
            // Input and signals end with the process, not the other way round: they are cancelled.
            defer { group.cancelAll() }
            group.addTask { try await feed() }
            group.addTask { try await handOnSignals() }
            group.addTask {
                try await readOutput(traffic)
                return .outputEnded
            }
            group.addTask {
                _ = try await process.wait()
                // What it left running in the background may keep its streams for as long as it likes.
                try await traffic.rest(for: .seconds(2))
                return .abandoned
            }
            while let event = try await group.next() {
                switch event {
                case .outputEnded, .abandoned: return false
                case .detached: return true
                case .inputEnded: break
                case .signaled(let received):
                    if signal != nil { try await process.send(.kill) }
                    signal = signal ?? received
                    group.addTask { try await handOnSignals() }
                    group.addTask {
                        try await ContinuousClock().sleep(for: .seconds(2))
                        return .graceOver
                    }
                case .graceOver: try await process.send(.kill)
                }
            }
            return false
        }
        if isDetached { return .detached }
        let (status, failure) = try await process.wait()
        let rest = try traffic.finish(status, failure)
        if !rest.isEmpty { try await streams.write(process.terminal == nil ? 2 : 1, rest) }
        return .exited(signal.map { .signaled($0) } ?? status)
    }

    private func readOutput(_ traffic: Traffic) async throws {
        // With a terminal only the runtime itself has the other stream, and its log says the same.
        let hasTerminal = process.terminal != nil
        async let errors: Void = {
            while let bytes = try await process.errors?.read() {
                let visible = hasTerminal ? [] : traffic.pass(bytes)
                try await traffic.during { if !visible.isEmpty { try await streams.write(2, visible) } }
            }
        }()
        while let bytes = try await process.output?.read() {
            let visible = hasTerminal ? traffic.pass(bytes) : bytes
            try await traffic.during { if !visible.isEmpty { try await streams.write(1, visible) } }
        }
        try await errors
    }

    private func handOnSignals() async throws -> Event {
        guard let signals = streams.signals else { return .inputEnded }
        for await signal in signals {
            if signal == .windowChange {
                if let size = streams.terminalSize() { try process.terminal?.resize(size) }
                continue
            }
            try await process.send(signal)
            if process.endsOnSignals, Self.endingSignals.contains(signal) { return .signaled(signal) }
        }
        return .inputEnded
    }

    private func feed() async throws -> Event {
        // This task alone holds the writing end: when the input has ended, the process reads that end too.
        guard let reader = streams.input, let writer = try process.takeInput() else { return .inputEnded }
        var scanner = DetachScanner(process.terminal == nil ? nil : streams.detachKeys)
        do {
            while let bytes = try await reader.read() {
                let (passed, isComplete) = scanner.scan(bytes)
                if !passed.isEmpty { try await writer.write(passed) }
                if isComplete { return .detached }
            }
        } catch is CancellationError {
            // The process has ended; what was typed after that goes nowhere.
        } catch let error as SystemCallError where error.errno == .brokenPipe || error.errno == .ioError {
            // The process reads no more.
        }
        return .inputEnded
    }
}

/// What the streams of a process have carried so far.
private final class Traffic: Sendable {
    private let state = Mutex((writing: 0, count: 0))
    private let filter: Mutex<StandardErrorFilter>

    init(_ filter: StandardErrorFilter) { self.filter = Mutex(filter) }

    /// What of the bytes is the process's own for certain.
    func pass(_ bytes: [UInt8]) -> [UInt8] { filter.withLock { $0.pass(bytes) } }

    /// What is its own of those that were held back.
    func finish(_ status: ExitStatus, _ failure: SandboxError?) throws -> [UInt8] {
        try filter.withLock { $0.finish(status: status, failure: failure) }.get()
    }

    func during(_ body: () async throws -> Void) async throws {
        state.withLock { $0.writing += 1 }
        defer {
            state.withLock { state in
                state.writing -= 1
                state.count += 1
            }
        }
        try await body()
    }

    /// Returns when nothing has moved, and nothing was waiting to be taken, for some time.
    func rest(for time: Duration) async throws {
        while true {
            let before = state.withLock { $0.count }
            try await ContinuousClock().sleep(for: time)
            if state.withLock({ $0.writing == 0 && $0.count == before }) { return }
        }
    }
}
