internal import Synchronization
internal import Tasks

/// The builds that go on, by the ids under which clients cancel them.
final class RunningBuilds: Sendable {
    private struct State {
        var builds: [String: [Int: Promise<Void>]] = [:]
        var next = 0
    }

    private let state = Mutex(State())

    /// Carries out a build that can be cancelled by its id; with an empty one it cannot.
    /// - Throws: `CancellationError` when it is cancelled, else what `body` throws.
    func run(_ id: String, _ body: @escaping @Sendable () async throws -> Void) async throws {
        let cancelled = Promise<Void>()
        let number = state.withLock { state in
            state.next += 1
            state.builds[id, default: [:]][state.next] = cancelled
            return state.next
        }
        defer {
            state.withLock { state in
                state.builds[id]?[number] = nil
                if state.builds[id]?.isEmpty ?? false { state.builds[id] = nil }
            }
        }
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await body() }
            group.addTask {
                await withTaskCancellationHandler {
                    await cancelled.value()
                } onCancel: {
                    cancelled.keep(())
                }
                throw CancellationError()
            }
            defer { group.cancelAll() }
            try await group.next()
        }
    }

    /// Cancels a build; one that is not there is over already.
    func cancel(_ id: String) {
        if id.isEmpty { return }
        for promise in state.withLock({ $0.builds[id] ?? [:] }).values { promise.keep(()) }
    }
}
