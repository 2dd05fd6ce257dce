internal import Synchronization

/// Work that runs once however many tasks want its result at the same time, told apart by a key.
///
/// - Who asks for work that runs joins it.
/// - Who is cancelled leaves, at once, unless it is the last: the last one cancels the work and waits for its end, so
///   that nothing of it goes on when all have left.
/// - Who asks for work that is being cancelled starts it anew: no task gets the cancellation of another.
///
/// The work is no child of any of those tasks, but has the task-local values of the one that started it.
package final class SharedWork<Key: Hashable & Sendable, Value: Sendable>: Sendable {
    private typealias Waiter = Promise<Result<Value, any Error>>

    private struct Run {
        let key: Key
        var machine: SharedWorkMachine
        var task: Task<Void, Never>?
        var waiters: [Int: Waiter]
    }

    private struct State {
        var runs: [Int: Run] = [:]
        /// The runs that may be joined.
        var open: [Key: Int] = [:]
        var kept: [Key: Value] = [:]
        var counter = 0
    }

    private let state = Mutex(State())
    private let keepsValues: Bool

    /// - Parameter keepsValues: whether a result counts for all who ask later; else they start the work again. Failures
    ///   are never kept.
    package init(keepsValues: Bool = false) { self.keepsValues = keepsValues }

    /// The result of the work for a key: of the one that runs, or else of `body`.
    /// - Throws: what the work throws; `CancellationError` where the calling task is cancelled.
    package func value(for key: Key, _ body: @escaping @Sendable () async throws -> Value) async throws -> Value {
        try await value(for: key, joined: { _ in }) { _ in try await body() }
    }

    /// The same for callers that follow what the work does meanwhile.
    /// - Parameters:
    ///   - key: tells the work from other work.
    ///   - joined: is told the number of the run when the caller counts among those who wait, before a new run begins;
    ///     it must neither block nor ask for work.
    ///   - body: the work; it is told the number of its run.
    /// - Returns: the result.
    /// - Throws: what the work throws; `CancellationError` where the calling task is cancelled.
    package func value(
        for key: Key,
        joined: (_ run: Int) -> Void,
        _ body: @escaping @Sendable (_ run: Int) async throws -> Value
    ) async throws -> Value {
        try Task.checkCancellation()
        let waiter = Waiter()
        let (run, number) = join(key, waiter, joined, body)
        let result = await withTaskCancellationHandler {
            await waiter.value()
        } onCancel: {
            leave(run, number)
        }
        try Task.checkCancellation()
        return try result.get()
    }

    /// The task of a run that has not ended, for those that wait until nothing of it goes on.
    package func task(of run: Int) -> Task<Void, Never>? { state.withLock { $0.runs[run]?.task } }

    private func join(
        _ key: Key,
        _ waiter: Waiter,
        _ joined: (Int) -> Void,
        _ body: @escaping @Sendable (Int) async throws -> Value
    ) -> (run: Int, number: Int) {
        state.withLock { state in
            state.counter += 1
            let number = state.counter
            if let value = state.kept[key] {
                waiter.keep(.success(value))
                return (number, number)
            }
            if let run = state.open[key], state.runs[run]?.machine.receive(.joined(number)) == .wait {
                state.runs[run]?.waiters[number] = waiter
                joined(run)
                return (run, number)
            }
            joined(number)
            var run = Run(key: key, machine: SharedWorkMachine(startedBy: number), waiters: [number: waiter])
            // Not structured, for it outlives the task that starts it if another one joins. It cannot end before it is
            // noted: that takes the lock.
            run.task = Task {
                let result: Result<Value, any Error>
                do { result = .success(try await body(number)) } catch { result = .failure(error) }
                self.end(number, result)
            }
            state.runs[number] = run
            state.open[key] = number
            return (number, number)
        }
    }

    private func leave(_ number: Int, _ waiter: Int) {
        let (task, promise) = state.withLock { state -> (Task<Void, Never>?, Waiter?) in
            guard let action = state.runs[number]?.machine.receive(.left(waiter)) else { return (nil, nil) }
            switch action {
            case .letGo: return (nil, state.runs[number]?.waiters.removeValue(forKey: waiter))
            case .cancel:
                if let key = state.runs[number]?.key, state.open[key] == number { state.open[key] = nil }
                return (state.runs[number]?.task, nil)
            case .wait, .beginAnew, .replyTo, .nothing: return (nil, nil)
            }
        }
        task?.cancel()
        promise?.keep(.failure(CancellationError()))
    }

    private func end(_ number: Int, _ result: Result<Value, any Error>) {
        let waiters = state.withLock { state -> [Waiter] in
            guard var run = state.runs.removeValue(forKey: number) else { return [] }
            if state.open[run.key] == number { state.open[run.key] = nil }
            if keepsValues, case .success(let value) = result { state.kept[run.key] = value }
            guard case .replyTo(let numbers) = run.machine.receive(.ended) else { return [] }
            return numbers.compactMap { run.waiters[$0] }
        }
        for waiter in waiters { waiter.keep(result) }
    }
}
