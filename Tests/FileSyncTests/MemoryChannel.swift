import BuildKitProto
import FileSync
import Synchronization

/// One end of a channel in memory, of which the other end is `other`.
final class MemoryChannel: PacketChannel {
    private struct State {
        var packets: ArraySlice<Fsutil_Types_Packet> = []
        var isClosed = false
        var reader: CheckedContinuation<Void, Never>?
    }

    /// What comes to an end.
    private final class Inbox: Sendable {
        let state = Mutex(State())

        func wake(_ change: (inout State) -> Void) {
            let reader = state.withLock { state in
                change(&state)
                return state.reader.take()
            }
            reader?.resume()
        }
    }

    private let own: Inbox
    private let others: Inbox

    private init(own: Inbox, others: Inbox) {
        self.own = own
        self.others = others
    }

    static func pair() -> (MemoryChannel, MemoryChannel) {
        let (one, two) = (Inbox(), Inbox())
        return (MemoryChannel(own: one, others: two), MemoryChannel(own: two, others: one))
    }

    func send(_ packet: Fsutil_Types_Packet) async throws { others.wake { $0.packets.append(packet) } }

    /// The other end reads no more after what has been sent.
    func close() { others.wake { $0.isClosed = true } }

    func next() async throws -> Fsutil_Types_Packet? {
        while true {
            try Task.checkCancellation()
            let next: Fsutil_Types_Packet?? = own.state.withLock { state in
                if let packet = state.packets.popFirst() { return packet }
                return state.isClosed ? .some(nil) : nil
            }
            if let next { return next }
            await withTaskCancellationHandler {
                await withCheckedContinuation { continuation in
                    let isWaiting = own.state.withLock { state in
                        guard state.packets.isEmpty, !state.isClosed, !Task.isCancelled else { return false }
                        state.reader = continuation
                        return true
                    }
                    if !isWaiting { continuation.resume() }
                }
            } onCancel: {
                own.wake { _ in }
            }
        }
    }
}

/// Syncs through memory; the sender's end is closed when it is done, however it ends.
func sync(_ sender: FileSender, to receiver: FileReceiver) async throws -> ReceivedFiles {
    let (there, here) = MemoryChannel.pair()
    async let sent: Void = {
        defer { there.close() }
        try await sender.run(there)
    }()
    do {
        let received = try await receiver.run(here)
        try await sent
        return received
    } catch {
        here.close()
        throw error
    }
}
