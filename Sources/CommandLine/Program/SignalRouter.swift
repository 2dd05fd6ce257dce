package import LinuxSystem
internal import Synchronization
internal import Terminal

/// Decides what a signal does: the first SIGINT or SIGTERM cancels the command, the second ends the process at once.
///
/// A command that has its own use for signals, as `run` hands them on to the container, says so for a while.
package final class SignalRouter: Sendable {
    package typealias Handler = @Sendable (Signal) -> Void

    private struct State {
        var handlers: [(id: Int, handle: Handler)] = []
        var lastID = 0
        var interruption: Signal?
    }

    private let state = Mutex(State())

    package init() {}

    /// The exit status that the signal which cancelled the command asks for.
    var statusOfInterruption: CommandStatus? {
        switch state.withLock({ $0.interruption }) {
        case nil: nil
        case .terminate?: .terminated
        case .some: .interrupted
        }
    }

    /// Hands every signal to `handler`, and nothing else happens to it, as long as `body` runs.
    package func handling<Value>(_ handler: @escaping Handler, _ body: () async throws -> Value) async rethrows -> Value
    {
        let id = state.withLock { state in
            state.lastID += 1
            state.handlers.append((state.lastID, handler))
            return state.lastID
        }
        defer { state.withLock { $0.handlers.removeAll { $0.id == id } } }
        return try await body()
    }

    /// Called for each signal, in order.
    func receive(_ signal: Signal, cancel: () -> Void) {
        enum Action { case hand(Handler), cancel, exit, nothing }
        let action: Action = state.withLock { state in
            if let handler = state.handlers.last { return .hand(handler.handle) }
            switch signal {
            case .interrupt, .terminate, .hangUp, .quit:
                if state.interruption != nil { return .exit }
                state.interruption = signal
                return .cancel
            default: return .nothing
            }
        }
        switch action {
        case .hand(let handle): handle(signal)
        case .cancel: cancel()
        case .exit: ProcessContext.exitAtOnce(CommandStatus.interrupted.rawValue)
        case .nothing: break
        }
    }
}
