internal import Containers
internal import LinuxSystem
internal import Sandboxes
internal import Synchronization

/// The processes that clients have started beside those of containers, by the ids that they know them by.
final class ExecTable: Sendable {
    /// How many of those that have ended are remembered, so that clients can ask how.
    private static let endedLimit = 1000

    private let all = Mutex<[String: Execution]>([:])

    func add(_ request: ExecRequest, in container: ContainerRecord, keepsInput: Bool, detachKeys: DetachKeys)
        -> Execution
    {
        let execution = Execution(request, in: container, keepsInput: keepsInput, detachKeys: detachKeys)
        all.withLock { all in
            let ended = all.values.filter { $0.state.isOver }.sorted { $0.number < $1.number }
            for old in ended.dropLast(Self.endedLimit) { all[old.id] = nil }
            // One that is never started counts as well, however many a client makes.
            let unstarted = all.values.filter { !$0.state.hasStarted }.sorted { $0.number < $1.number }
            for old in unstarted.dropLast(Self.endedLimit) { all[old.id] = nil }
            all[execution.id] = execution
        }
        return execution
    }

    /// - Throws: `DockerAPIError.noSuchExec`.
    func find(_ id: String) throws(DockerAPIError) -> Execution {
        guard let execution = all.withLock({ $0[id] }) else { throw .noSuchExec(id) }
        return execution
    }

    /// The ids of those that run in a container.
    func running(in container: String) -> [String] {
        all.withLock { all in
            all.values.filter { $0.container.id == container && $0.state.isRunning }.map(\.id).sorted()
        }
    }
}

/// One process that a client starts in a container, or has started.
final class Execution: Sendable {
    /// What has become of it.
    struct State: Sendable {
        fileprivate(set) var hasStarted = false
        fileprivate(set) var exitCode: CInt?
        fileprivate(set) var size: TerminalSize?

        var isRunning: Bool { hasStarted && exitCode == nil }
        var isOver: Bool { exitCode != nil }
    }

    private static let counter = Mutex(0)

    let id = ContainerNames.makeID()
    /// Later ones have greater numbers.
    let number = Execution.counter.withLock { counter in
        counter += 1
        return counter
    }
    let request: ExecRequest
    let container: ContainerRecord
    let keepsInput: Bool
    let detachKeys: DetachKeys
    private let current = Mutex(State())
    private let signals: AsyncStream<Signal>
    private let sender: AsyncStream<Signal>.Continuation

    init(_ request: ExecRequest, in container: ContainerRecord, keepsInput: Bool, detachKeys: DetachKeys) {
        self.request = request
        self.container = container
        self.keepsInput = keepsInput
        self.detachKeys = detachKeys
        (signals, sender) = AsyncStream.makeStream(of: Signal.self, bufferingPolicy: .bufferingNewest(8))
    }

    var state: State { current.withLock { $0 } }

    /// Notes that it is about to start.
    /// - Throws: `DockerAPIError.execHasRun`.
    func begin(_ size: TerminalSize?) throws(DockerAPIError) {
        let isFirst = current.withLock { state in
            if state.hasStarted { return false }
            state.hasStarted = true
            state.size = size ?? state.size
            return true
        }
        if !isFirst { throw .execHasRun(id) }
    }

    func resize(to size: TerminalSize) {
        current.withLock { $0.size = size }
        sender.yield(.windowChange)
    }

    /// Runs it to its end.
    /// - Parameters:
    ///   - containers: where its container is kept.
    ///   - input: what it reads; nil is nothing.
    ///   - started: is called when it runs.
    ///   - write: takes what it writes.
    /// - Throws: `SandboxError` where it cannot be started, `ContainerError.notRunning`.
    func run(
        in containers: ContainerStore,
        input: ByteReader?,
        started: (@Sendable () -> Void)? = nil,
        write: @escaping @Sendable (CInt, [UInt8]) async throws -> Void
    ) async throws {
        var streams = AttachedStreams(
            input: input,
            signals: signals,
            terminalSize: { self.state.size },
            write: write
        )
        streams.detachKeys = detachKeys
        streams.started = started
        do {
            switch try await containers.exec(request, in: try await containers.container(container.id), streams) {
            case .exited(let code): current.withLock { $0.exitCode = code }
            case .detached: break
            }
        } catch {
            current.withLock { $0.exitCode = (error as? SandboxError).map { $0.exitCode == 127 ? 127 : 126 } ?? 126 }
            throw error
        }
    }
}
