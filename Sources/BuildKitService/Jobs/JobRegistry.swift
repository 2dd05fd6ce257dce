import Synchronization
import Tasks

/// The jobs of a daemon, by the references that clients have for them.
///
/// A client asks about a job on one connection and starts it on another, in any order.
final class JobRegistry: Sendable {
    /// How long a question waits for its job to begin.
    static let patience = Duration.seconds(5)

    /// What is known of a job before its build is there.
    final class Entry: Sendable {
        let id: String
        let progress = JobProgress()
        /// The build, once it can be asked; the error of one that did not come to that.
        let job = Promise<Result<BuildJob, any Error>>()

        init(id: String) { self.id = id }
    }

    private struct State {
        var entries: [String: Entry] = [:]
        var waiting: [String: [Int: Promise<Entry?>]] = [:]
        var next = 0
        /// No job begins any more.
        var isDraining = false
        var drained: [Promise<Void>] = []
    }

    private let state = Mutex(State())

    /// Makes a job known as long as `body` runs.
    func withEntry<Value>(_ id: String, _ body: (Entry) async throws -> Value) async throws -> Value {
        if id.isEmpty { throw ServiceError.noJobID }
        let entry = Entry(id: id)
        let waiting: [Int: Promise<Entry?>] = try state.withLock { state in
            if state.isDraining { throw ServiceError.stopping }
            if state.entries[id] != nil { throw ServiceError.jobExists(id) }
            state.entries[id] = entry
            return state.waiting.removeValue(forKey: id) ?? [:]
        }
        for promise in waiting.values { promise.keep(entry) }
        defer {
            let drained = state.withLock { state in
                state.entries[id] = nil
                return state.isDraining && state.entries.isEmpty ? state.drained : []
            }
            entry.progress.finish()
            entry.job.keep(.failure(ServiceError.unknownJob(id)))
            for promise in drained { promise.keep(()) }
        }
        return try await body(entry)
    }

    /// Lets no job begin any more.
    /// - Returns: how many run.
    func close() -> Int {
        state.withLock { state in
            state.isDraining = true
            return state.entries.count
        }
    }

    /// Waits for the jobs that run, after `close`.
    func drained() async {
        let promise = Promise<Void>()
        state.withLock { state in
            if state.entries.isEmpty { promise.keep(()) } else { state.drained.append(promise) }
        }
        await promise.value()
    }

    /// Whether a job of this reference runs.
    func has(_ id: String) -> Bool { state.withLock { $0.entries[id] != nil } }

    /// Finds a job; one that has not begun is waited for.
    func entry(_ id: String) async throws -> Entry {
        let promise = Promise<Entry?>()
        let (known, number): (Entry?, Int) = state.withLock { state in
            if let entry = state.entries[id] { return (entry, 0) }
            state.next += 1
            state.waiting[id, default: [:]][state.next] = promise
            return (nil, state.next)
        }
        if let known { return known }
        let timer = Task {
            try? await Task.sleep(for: Self.patience)
            promise.keep(nil)
        }
        let found = await withTaskCancellationHandler {
            await promise.value()
        } onCancel: {
            promise.keep(nil)
        }
        timer.cancel()
        state.withLock { state in
            state.waiting[id]?[number] = nil
            if state.waiting[id]?.isEmpty ?? false { state.waiting[id] = nil }
        }
        guard let found else { throw ServiceError.unknownJob(id) }
        return found
    }

    /// The build of a job.
    func job(_ id: String) async throws -> BuildJob { try await entry(id).job.value().get() }
}
