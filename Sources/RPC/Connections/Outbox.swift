internal import NIOCore
internal import Synchronization

/// The bytes that the pipeline of a channel in memory has flushed, until one task takes them.
final class Outbox: Sendable {
    typealias Part = (bytes: ByteBuffer, promise: EventLoopPromise<Void>?)

    private struct State {
        var parts: [Part] = []
        var isClosed = false
        var reader: CheckedContinuation<Void, Never>?

        /// Takes parts from the front, as many as make a piece, and the promises of those that are taken whole.
        mutating func nextPiece() -> (bytes: ByteBuffer, promises: [EventLoopPromise<Void>])? {
            guard var piece = parts.first?.bytes else { return nil }
            if let start = parts[0].bytes.readSlice(length: Outbox.pieceLimit), parts[0].bytes.readableBytes > 0 {
                return (start, [])
            }
            var count = 1
            while count < parts.count, piece.readableBytes + parts[count].bytes.readableBytes <= Outbox.pieceLimit {
                piece.writeImmutableBuffer(parts[count].bytes)
                count += 1
            }
            let promises = parts[..<count].compactMap(\.promise)
            parts.removeFirst(count)
            return (piece, promises)
        }
    }

    private let state = Mutex(State())
    /// Larger pieces are split: each becomes a message, and gRPC's clients take 4 MiB at most.
    private static let pieceLimit = 1 << 20

    func put(_ parts: [Part]) {
        let isTaken = state.withLock { state -> Bool in
            guard !state.isClosed else { return false }
            state.parts += parts
            return true
        }
        guard isTaken else { return parts.forEach { $0.promise?.fail(ChannelError.ioOnClosedChannel) } }
        wake()
    }

    /// What is there, in one buffer; waits where nothing is.
    ///
    /// Nil after the end, and where the task is cancelled.
    func take() async -> ByteBuffer? {
        while !Task.isCancelled {
            let (piece, isClosed) = state.withLock { ($0.nextPiece(), $0.isClosed) }
            if let piece {
                for promise in piece.promises { promise.succeed(()) }
                return piece.bytes
            }
            if isClosed { return nil }
            await wait()
        }
        return nil
    }

    /// Nothing more comes; what is there can still be taken.
    func finish() {
        state.withLock { $0.isClosed = true }
        wake()
    }

    /// Nothing is taken any more.
    func abandon() {
        let parts = state.withLock { state in
            state.isClosed = true
            defer { state.parts = [] }
            return state.parts
        }
        for part in parts { part.promise?.fail(ChannelError.ioOnClosedChannel) }
        wake()
    }

    private func wait() async {
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let isReady = state.withLock { state -> Bool in
                    if !state.parts.isEmpty || state.isClosed || Task.isCancelled { return true }
                    precondition(state.reader == nil, "one task takes from an outbox")
                    state.reader = continuation
                    return false
                }
                if isReady { continuation.resume() }
            }
        } onCancel: {
            wake()
        }
    }

    private func wake() {
        let reader = state.withLock { state in
            defer { state.reader = nil }
            return state.reader
        }
        reader?.resume()
    }
}
