internal import Synchronization

/// A value that tasks wait for and another gives, once.
///
/// The first to give it wins.
package final class Promise<Value: Sendable>: Sendable {
    private enum State {
        case open(waiting: [CheckedContinuation<Value, Never>])
        case kept(Value)
    }

    private let state = Mutex(State.open(waiting: []))

    package init() {}

    /// Gives the value; without effect if there is one already.
    package func keep(_ value: Value) {
        let waiting: [CheckedContinuation<Value, Never>] = state.withLock { state in
            guard case .open(let waiting) = state else { return [] }
            state = .kept(value)
            return waiting
        }
        for continuation in waiting { continuation.resume(returning: value) }
    }

    /// The value, as soon as there is one.
    ///
    /// Waited for until it is given: to end the wait early, give one.
    package func value() async -> Value {
        await withCheckedContinuation { continuation in
            let value: Value? = state.withLock { state in
                switch state {
                case .kept(let value): return value
                case .open(let waiting):
                    state = .open(waiting: waiting + [continuation])
                    return nil
                }
            }
            if let value { continuation.resume(returning: value) }
        }
    }
}
