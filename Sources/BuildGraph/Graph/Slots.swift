internal import Synchronization
internal import Tasks

/// Bounds how much runs at once, first come first served.
package final class Slots: Sendable {
    private struct State {
        var free: Int
        var waiting: [(ticket: Int, promise: Promise<Bool>)] = []
        var tickets = 0
    }

    private let state: Mutex<State>

    package init(count: Int) { state = Mutex(State(free: max(1, count))) }

    /// Runs `body` as soon as a slot is free.
    /// - Throws: `CancellationError` if the task is cancelled while it waits.
    package func withSlot<Value: Sendable>(_ body: () async throws -> Value) async throws -> Value {
        try await acquire()
        defer { release() }
        try Task.checkCancellation()
        return try await body()
    }

    private func acquire() async throws {
        let promise = Promise<Bool>()
        let ticket: Int? = state.withLock { state in
            if state.free > 0 {
                state.free -= 1
                return nil
            }
            state.tickets += 1
            state.waiting.append((state.tickets, promise))
            return state.tickets
        }
        guard let ticket else { return }
        let isMine = await withTaskCancellationHandler {
            await promise.value()
        } onCancel: {
            let isWaiting = state.withLock { state in
                guard let position = state.waiting.firstIndex(where: { $0.ticket == ticket }) else { return false }
                state.waiting.remove(at: position)
                return true
            }
            if isWaiting { promise.keep(false) }
        }
        if !isMine { throw CancellationError() }
    }

    private func release() {
        let next: Promise<Bool>? = state.withLock { state in
            if state.waiting.isEmpty {
                state.free += 1
                return nil
            }
            return state.waiting.removeFirst().promise
        }
        next?.keep(true)
    }
}
