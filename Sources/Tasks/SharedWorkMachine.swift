/// Decides which tasks a piece of shared work runs for, and when it stops.
///
/// It performs no work itself.
package struct SharedWorkMachine: Hashable, Sendable {
    package enum Event: Hashable, Sendable {
        case joined(Int)
        case left(Int)
        case ended
    }

    package enum Action: Hashable, Sendable {
        /// The waiter shares what is running.
        case wait
        /// What runs is being stopped or is over: the waiter begins anew.
        case beginAnew
        /// The waiter is let go, and the work goes on for the others.
        case letGo
        /// The work is stopped. The waiter is let go when it has ended, so that nothing is left behind its back.
        case cancel
        case replyTo(Set<Int>)
        case nothing
    }

    private enum State: Hashable, Sendable {
        case running(waiters: Set<Int>)
        case stopping(last: Int)
        case ended
    }

    private var state: State

    /// - Parameter waiter: Who began the work.
    package init(startedBy waiter: Int) { state = .running(waiters: [waiter]) }

    package mutating func receive(_ event: Event) -> Action {
        switch (state, event) {
        case (.running(var waiters), .joined(let waiter)):
            waiters.insert(waiter)
            state = .running(waiters: waiters)
            return .wait
        case (.running(var waiters), .left(let waiter)):
            guard waiters.remove(waiter) != nil else { return .nothing }
            state = waiters.isEmpty ? .stopping(last: waiter) : .running(waiters: waiters)
            return waiters.isEmpty ? .cancel : .letGo
        case (.running(let waiters), .ended):
            state = .ended
            return .replyTo(waiters)
        case (.stopping, .joined), (.ended, .joined): return .beginAnew
        case (.stopping, .left), (.ended, .left), (.ended, .ended): return .nothing
        case (.stopping(let last), .ended):
            state = .ended
            return .replyTo([last])
        }
    }
}
