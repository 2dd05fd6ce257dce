import BuildGraph
import Synchronization

/// What a job has told so far, and those who listen to it.
///
/// A listener hears everything from the beginning, whenever it comes. The events of a job are kept until the job is
/// forgotten; output of steps beyond `limit` bytes is dropped from the memory, not from the listeners that are there.
final class JobProgress: Sendable {
    private struct State {
        var events: [ProgressEvent] = []
        var keptBytes = 0
        var listeners: [Int: ProgressChannel] = [:]
        var nextListener = 0
        var isFinished = false
        var steps: [RecordedStep] = []
    }

    private let limit: Int
    private let state = Mutex(State())

    /// - Parameter limit: bytes of output that are kept for listeners who come late.
    init(limit: Int = 16 << 20) { self.limit = limit }

    /// Passes on what a build tells, until it has told everything.
    func relay(_ channel: ProgressChannel) async {
        for await event in channel { await add(event) }
        state.withLock { $0.steps = channel.steps }
        finish()
    }

    private func add(_ event: ProgressEvent) async {
        let listeners = state.withLock { state in
            if case .log(let log) = event {
                if state.keptBytes + log.data.count <= limit {
                    state.keptBytes += log.data.count
                    state.events.append(event)
                }
            } else {
                state.events.append(event)
            }
            return Array(state.listeners.values)
        }
        // A listener that reads slowly slows the steps down rather than filling the memory.
        for listener in listeners { await listener.send(event) }
    }

    func finish() {
        let listeners = state.withLock { state in
            state.isFinished = true
            defer { state.listeners = [:] }
            return Array(state.listeners.values)
        }
        for listener in listeners { listener.finish() }
    }

    /// The steps of the build as they ended, once it has told everything.
    var steps: [RecordedStep] { state.withLock { $0.steps } }

    /// Lends a channel with everything that the job told and tells.
    func withListener<Value>(_ body: (ProgressChannel) async throws -> Value) async rethrows -> Value {
        let channel = ProgressChannel()
        let number: Int? = state.withLock { state in
            for event in state.events { channel.post(event) }
            if state.isFinished { return nil }
            state.nextListener += 1
            state.listeners[state.nextListener] = channel
            return state.nextListener
        }
        if number == nil { channel.finish() }
        defer {
            if let number { state.withLock { $0.listeners[number] = nil } }
            // A sender that waits for the listener to read need not wait any more.
            channel.finish()
        }
        return try await body(channel)
    }
}
