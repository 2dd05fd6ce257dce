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
        /// The member of the pool that solves.
        let member: ObjectIdentifier
    }

    /// How an execution ended for one waiter.
    struct Ending: Sendable {
        let result: Result<Value, any Error>
        /// When the vertex began to run; nil if it did not come to that.
        let started: Timestamp?
        /// Whether another member began it.
        var isForeign = false
    }

    private enum Share: Hashable {
        case shared(Key)
        /// Joined by no other.
        case single(Int)
    }

    /// What waiters are told while their work runs.
    private struct Execution {
        /// Who began it.
        let member: ObjectIdentifier
        var started: Timestamp?
        var subscribers: [Int: Subscriber] = [:]
    }

    private struct State {
        var executions: [Int: Execution] = [:]
        var counter = 0
    }

    private let work = SharedWork<Share, Value>()
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
        let waiter = state.withLock { state in
            state.counter += 1
            return state.counter
        }
        var joined: Int?
        let result: Result<Value, any Error>
        do {
            let share = key.map { Share.shared($0) } ?? .single(waiter)
            result = .success(
                try await work.value(
                    for: share,
                    joined: {
                        joined = $0; subscribe(subscriber, waiter, to: $0)
                    },
                    body
                )
            )
        } catch {
            result = .failure(error)
        }
        guard let joined else { return Ending(result: result, started: nil) }
        return unsubscribe(waiter, subscriber.member, from: joined, result)
    }

    /// What runs that a member began.
    func tasks(of member: ObjectIdentifier) -> [Task<Void, Never>] {
        let begun = state.withLock { $0.executions.filter { $0.value.member == member }.keys }
        return begun.compactMap { work.task(of: $0) }
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

    private func subscribe(_ subscriber: Subscriber, _ waiter: Int, to execution: Int) {
        let started = state.withLock { state in
            state.executions[execution, default: Execution(member: subscriber.member)].subscribers[waiter] = subscriber
            return state.executions[execution]?.started
        }
        if let started { Self.announceStart(to: subscriber, at: started) }
    }

    private func unsubscribe(
        _ waiter: Int,
        _ member: ObjectIdentifier,
        from execution: Int,
        _ result: Result<Value, any Error>
    ) -> Ending {
        state.withLock { state in
            let left = state.executions[execution]
            state.executions[execution]?.subscribers[waiter] = nil
            // The last to leave has waited for its end.
            if state.executions[execution]?.subscribers.isEmpty == true { state.executions[execution] = nil }
            return Ending(result: result, started: left?.started, isForeign: left.map { $0.member != member } ?? false)
        }
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
