internal import OCI
internal import Synchronization
internal import Tasks

/// The vertices that run at this moment, shared by all solves that need them.
final class Executions<Value: Sendable>: Sendable {
    /// Two solves share an execution if the vertex, its key and its use of the cache are the same.
    struct Key: Hashable, Sendable {
        let vertex: Digest
        let canonicalKey: CacheKey
        let ignoresCache: Bool
    }

    /// Who is told of the progress of an execution: a solve, and the vertex as it knows it.
    struct Subscriber: Sendable {
        let channel: ProgressChannel?
        let progress: VertexProgress
    }

    /// How an execution ended for one waiter.
    struct Ending: Sendable {
        let result: Result<Value, any Error>
        /// When the vertex began to run; nil if it did not come to that.
        let started: Timestamp?
    }

    private struct Execution {
        let key: Key?
        var machine: ExecutionMachine
        var task: Task<Void, Never>?
        var isCanceled = false
        var started: Timestamp?
        var subscribers: [Int: Subscriber] = [:]
        var promises: [Int: Promise<Ending>] = [:]
    }

    private struct State {
        var executions: [Int: Execution] = [:]
        /// The executions that may be joined.
        var shared: [Key: Int] = [:]
        var counter = 0
    }

    private let state = Mutex(State())

    /// Runs `body`, or waits for the same work that another solve has begun.
    ///
    /// If the calling task is cancelled it stops waiting; the last one to leave cancels the work and waits for its end.
    /// - Parameters:
    ///   - key: What is run; nil if it must not be shared.
    ///   - subscriber: Where its progress goes.
    ///   - body: The work. It gets the number under which the progress of its execution is passed on.
    /// - Returns: How it ended for the caller.
    func share(
        _ key: Key?,
        _ subscriber: Subscriber,
        _ body: @escaping @Sendable (_ execution: Int) async throws -> Value
    ) async -> Ending {
        let promise = Promise<Ending>()
        let (execution, waiter, isNew) = join(key, subscriber, promise)
        if isNew {
            // Not structured, because it outlives the solve that began it if another one shares it. It ends, at the latest, when
            // the last waiter has left, who cancels it and waits.
            let task = Task {
                let result: Result<Value, any Error>
                do { result = .success(try await body(execution)) } catch { result = .failure(error) }
                self.end(execution, result)
            }
            let isCanceled = state.withLock { state in
                state.executions[execution]?.task = task
                return state.executions[execution]?.isCanceled ?? false
            }
            if isCanceled { task.cancel() }
        }
        return await withTaskCancellationHandler {
            await promise.value()
        } onCancel: {
            leave(execution, waiter)
        }
    }

    /// Notes that the work has begun, and tells everyone who waits for it.
    func begin(_ execution: Int, at time: Timestamp) {
        for subscriber in subscribers(of: execution, startingAt: time) { Self.announceStart(to: subscriber, at: time) }
    }

    /// Passes an event on to everyone who waits for the execution.
    func post(_ event: ProgressEvent, from execution: Int) {
        for subscriber in subscribers(of: execution) { subscriber.channel?.post(event) }
    }

    /// Passes an event on to everyone who waits for the execution, as fast as their displays take it.
    func send(_ event: ProgressEvent, from execution: Int) async {
        for subscriber in subscribers(of: execution) { await subscriber.channel?.send(event) }
    }

    private func join(
        _ key: Key?,
        _ subscriber: Subscriber,
        _ promise: Promise<Ending>
    ) -> (execution: Int, waiter: Int, isNew: Bool) {
        let (number, waiter, isNew, started) = state.withLock { state -> (Int, Int, Bool, Timestamp?) in
            state.counter += 1
            let waiter = state.counter
            if let key, let number = state.shared[key], var execution = state.executions[number],
                execution.machine.receive(.joined(waiter)) == .wait
            {
                execution.subscribers[waiter] = subscriber
                execution.promises[waiter] = promise
                state.executions[number] = execution
                return (number, waiter, false, execution.started)
            }
            var execution = Execution(key: key, machine: ExecutionMachine(startedBy: waiter))
            execution.subscribers[waiter] = subscriber
            execution.promises[waiter] = promise
            state.executions[waiter] = execution
            if let key { state.shared[key] = waiter }
            return (waiter, waiter, true, nil)
        }
        if let started { Self.announceStart(to: subscriber, at: started) }
        return (number, waiter, isNew)
    }

    private func leave(_ number: Int, _ waiter: Int) {
        let (task, promise, started) = state.withLock { state -> (Task<Void, Never>?, Promise<Ending>?, Timestamp?) in
            guard var execution = state.executions[number] else { return (nil, nil, nil) }
            defer { state.executions[number] = execution }
            switch execution.machine.receive(.left(waiter)) {
            case .cancel:
                execution.isCanceled = true
                if let key = execution.key, state.shared[key] == number { state.shared[key] = nil }
                return (execution.task, nil, nil)
            case .letGo:
                execution.subscribers[waiter] = nil
                return (nil, execution.promises.removeValue(forKey: waiter), execution.started)
            case .wait, .beginAnew, .replyTo, .nothing: return (nil, nil, nil)
            }
        }
        task?.cancel()
        promise?.keep(Ending(result: .failure(CancellationError()), started: started))
    }

    private func end(_ number: Int, _ result: Result<Value, any Error>) {
        let (promises, started) = state.withLock { state -> ([Promise<Ending>], Timestamp?) in
            guard var execution = state.executions.removeValue(forKey: number) else { return ([], nil) }
            if let key = execution.key, state.shared[key] == number { state.shared[key] = nil }
            switch execution.machine.receive(.ended) {
            case .replyTo(let waiters): return (waiters.compactMap { execution.promises[$0] }, execution.started)
            case .wait, .beginAnew, .letGo, .cancel, .nothing: return ([], nil)
            }
        }
        for promise in promises { promise.keep(Ending(result: result, started: started)) }
    }

    private func subscribers(of number: Int, startingAt time: Timestamp? = nil) -> [Subscriber] {
        state.withLock { state in
            if let time { state.executions[number]?.started = time }
            return state.executions[number].map { Array($0.subscribers.values) } ?? []
        }
    }

    private static func announceStart(to subscriber: Subscriber, at time: Timestamp) {
        var progress = subscriber.progress
        progress.started = time
        subscriber.channel?.post(.vertex(progress))
    }
}
