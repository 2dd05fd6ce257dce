internal import BuildKitService
internal import Images
internal import OCI
internal import RPC
internal import Synchronization

/// The events of a pull or a push on their way to a client, however slow: of each layer the latest is kept.
final class TransferMessages: Sendable {
    private struct State {
        var pending: [TransferEvent] = []
        /// Where in `pending` the counted bytes of a layer stand.
        var counts: [Digest: Int] = [:]
        var hasBegun = false
    }

    private let state = Mutex(State())
    /// Wakes the writer; one waiting wake-up is as good as many.
    private let wake: AsyncStream<Void>
    private let waker: AsyncStream<Void>.Continuation

    private init() {
        (wake, waker) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
    }

    /// Runs a transfer and sends what it tells; what fails after the first message is told as one.
    /// - Parameters:
    ///   - writer: takes the messages.
    ///   - transfer: tells of events, and gives the last messages.
    /// - Throws: what the transfer throws before its first message; what sending throws.
    static func send(
        to writer: WebWriter,
        _ transfer: @escaping @Sendable (@escaping TransferObserver) async throws -> [MessageLine]
    ) async throws {
        let messages = TransferMessages()
        try await withThrowingTaskGroup(of: [MessageLine]?.self) { group in
            group.addTask {
                defer { messages.waker.finish() }
                return try await transfer { messages.note($0) }
            }
            group.addTask {
                for await _ in messages.wake { try await messages.flush(to: writer) }
                return nil
            }
            var last: [MessageLine] = []
            var failure: (any Error)?
            while let result = await group.nextResult() {
                switch result {
                case .success(let lines): last = lines ?? last
                case .failure(let error):
                    failure = failure ?? error
                    group.cancelAll()
                }
            }
            try await messages.flush(to: writer)
            if let failure {
                // With the first message the answer was a success.
                guard messages.state.withLock({ $0.hasBegun }) else { throw failure }
                return try await writer.write(MessageLine.failure(serviceFailure(failure).message).bytes)
            }
            for line in last { try await writer.write(line.bytes) }
        }
    }

    private func note(_ event: TransferEvent) {
        state.withLock { state in
            guard case .layer(let digest, let step) = event, step.progress != nil else {
                if case .layer(let digest, _) = event { state.counts[digest] = nil }
                return state.pending.append(event)
            }
            if let index = state.counts[digest] {
                state.pending[index] = event
            } else {
                state.counts[digest] = state.pending.count
                state.pending.append(event)
            }
        }
        waker.yield()
    }

    private func flush(to writer: WebWriter) async throws {
        let events = state.withLock { state in
            defer { (state.pending, state.counts) = ([], [:]) }
            state.hasBegun = state.hasBegun || !state.pending.isEmpty
            return state.pending
        }
        for event in events { try await writer.write(MessageLine.progress(event).bytes) }
    }
}
