internal import Synchronization

/// A value that one task waits for and another gives, once.
///
/// The first to give it wins.
package final class Promise<Value: Sendable>: Sendable {
    private enum State {
        case open
        case awaited(CheckedContinuation<Value, Never>)
        case kept(Value)
    }

    private let state = Mutex(State.open)

    package init() {}

    /// Gives the value; without effect if there is one already.
    package func keep(_ value: Value) {
        let continuation: CheckedContinuation<Value, Never>? = state.withLock { state in
            switch state {
            case .kept: return nil
            case .open:
                state = .kept(value)
                return nil
            case .awaited(let continuation):
                state = .kept(value)
                return continuation
            }
        }
        continuation?.resume(returning: value)
    }

    /// The value, as soon as there is one.
    ///
    /// Waited for at most once, and until it is given: whoever cancels gives one.
    package func value() async -> Value {
        await withCheckedContinuation { continuation in
            let value: Value? = state.withLock { state in
                switch state {
                case .kept(let value): return value
                case .open, .awaited:
                    state = .awaited(continuation)
                    return nil
                }
            }
            if let value { continuation.resume(returning: value) }
        }
    }
}
