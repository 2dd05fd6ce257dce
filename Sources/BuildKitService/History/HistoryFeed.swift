import BuildKitProto
import SwiftProtobuf
import Synchronization

/// The builds that run, and those who want to know of builds that begin, end and are forgotten.
final class HistoryFeed: Sendable {
    private struct State {
        var running: [String: Moby_Buildkit_V1_BuildHistoryRecord] = [:]
        var listeners: [Int: AsyncStream<Moby_Buildkit_V1_BuildHistoryEvent>.Continuation] = [:]
        var next = 0
    }

    private let state = Mutex(State())

    /// How far a listener may fall behind; one that falls further hears no more.
    private static let patience = 1024

    func begin(_ record: Moby_Buildkit_V1_BuildHistoryRecord) {
        tell(.started, record) { $0.running[record.ref] = record }
    }

    /// The build is over; nil for a record that could not be kept.
    func end(_ ref: String, _ record: Moby_Buildkit_V1_BuildHistoryRecord?) {
        guard let record else { return state.withLock { $0.running[ref] = nil } }
        tell(.complete, record) { $0.running[ref] = nil }
    }

    func change(_ record: Moby_Buildkit_V1_BuildHistoryRecord) { tell(.complete, record) { _ in } }

    func forget(_ ref: String) {
        tell(.deleted, .with { $0.ref = ref }) { _ in }
    }

    /// Lends what is told from now on, and the builds that run now.
    func withListener<Value>(
        _ body: (
            [Moby_Buildkit_V1_BuildHistoryRecord], AsyncStream<Moby_Buildkit_V1_BuildHistoryEvent>
        ) async throws -> Value
    ) async rethrows -> Value {
        let (events, listener) = AsyncStream.makeStream(
            of: Moby_Buildkit_V1_BuildHistoryEvent.self,
            bufferingPolicy: .bufferingOldest(Self.patience)
        )
        let (running, number) = state.withLock { state in
            state.next += 1
            state.listeners[state.next] = listener
            return (Array(state.running.values), state.next)
        }
        defer { state.withLock { $0.listeners[number] = nil } }
        return try await body(running, events)
    }

    private func tell(
        _ type: Moby_Buildkit_V1_BuildHistoryEventType,
        _ record: Moby_Buildkit_V1_BuildHistoryRecord,
        _ change: (inout State) -> Void
    ) {
        let event = Moby_Buildkit_V1_BuildHistoryEvent.with {
            $0.type = type
            $0.record = record
        }
        state.withLock { state in
            change(&state)
            for listener in state.listeners.values {
                if case .dropped = listener.yield(event) { listener.finish() }
            }
        }
    }
}
