internal import BuildKitProto
internal import LinuxSystem
internal import Synchronization
internal import Text

/// What a receiver does with each packet, on threads that may block; one batch at a time.
final class Reception: Sendable {
    /// What follows from a batch of packets.
    struct Outcome: Sendable {
        /// The files whose content is wanted.
        var requests: [UInt32] = []
        /// All is there: the sender is to be told.
        var isComplete = false
    }

    private enum Phase { case entries, contents, complete, finished }

    private struct State {
        var phase = Phase.entries
        var nextID: UInt32 = 0
        var order: EntryOrder
        var tree: TreeWriter
        var contents: StagedContents
        var metadata: SentMetadata?
    }

    private let receiver: FileReceiver
    private let workshop: Workshop
    private let state: Mutex<State>

    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    init(_ receiver: FileReceiver) throws {
        self.receiver = receiver
        if let directory = receiver.workshop {
            workshop = try Workshop(at: directory.directory)
        } else {
            workshop = try Workshop(in: receiver.directory)
        }
        state = Mutex(
            State(
                order: EntryOrder(limit: receiver.limits.entries),
                tree: try TreeWriter(
                    root: receiver.directory,
                    workshop: workshop,
                    isMerging: receiver.isMerging,
                    comparison: receiver.comparison,
                    plainMark: receiver.plainMark
                ),
                contents: StagedContents(
                    workshop: workshop,
                    limit: receiver.limits.content,
                    isDigesting: receiver.isDigesting
                ),
                metadata: try Self.metadata(receiver.scope)
            )
        )
    }

    /// Does what packets say.
    /// - Returns: what the sender is to be told.
    /// - Throws: `FileSyncError` for what no sender may send, `SystemCallError`.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    func take(_ packets: [Fsutil_Types_Packet]) throws -> Outcome {
        try state.withLock { state in
            var outcome = Outcome()
            for packet in packets { try take(packet, &state, &outcome) }
            return outcome
        }
    }

    /// Says how it went, after the sender has closed the channel.
    func end() throws(FileSyncError) -> ReceivedFiles {
        try state.withLock { state throws(FileSyncError) in
            guard state.phase == .finished else { throw .cutShort }
            return ReceivedFiles(
                entries: Int(state.nextID),
                requested: state.contents.count,
                bytes: state.contents.bytes,
                isChanged: state.tree.changes > 0,
                digested: state.contents.digested
            )
        }
    }

    /// Removes what is unfinished.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    func cleanUp() throws(SystemCallError) { try workshop.close(in: receiver.directory) }

    private func take(_ packet: Fsutil_Types_Packet, _ state: inout State, _ outcome: inout Outcome) throws {
        switch (packet.type, state.phase) {
        case (.packetStat, .entries):
            if packet.hasStat {
                try takeEntry(packet.stat, &state, &outcome)
            } else {
                try state.tree.endEntries()
                state.phase = .contents
            }
        case (.packetData, .entries), (.packetData, .contents):
            if packet.data.isEmpty {
                try state.contents.complete(packet.id, &state.tree.handles)
            } else {
                try state.contents.write(packet.data, to: packet.id)
            }
        case (.packetFin, .complete):
            state.phase = .finished
            return
        case (.packetErr, .entries), (.packetErr, .contents), (.packetErr, .complete):
            throw FileSyncError.senderFailed([UInt8](packet.data))
        case (let type, let phase): throw Self.unexpected(type, phase)
        }
        if state.phase == .contents, state.contents.isEmpty {
            try state.tree.makeLinks()
            if let metadata = state.metadata { try state.tree.write(metadata.content, as: SentMetadata.fileName) }
            try state.tree.finishDirectories()
            state.phase = .complete
            outcome.isComplete = true
        }
    }

    private func takeEntry(_ stat: Fsutil_Types_Stat, _ state: inout State, _ outcome: inout Outcome) throws {
        let entry = try SentEntry(stat, owners: receiver.owners, limits: receiver.limits)
        let depth = try state.order.admit(entry)
        let id = state.nextID
        state.nextID += 1
        // Directories above it that were passed over have no content: an id is that of the last.
        for (entry, depth) in try state.metadata?.take(stat, entry, depth: depth) ?? [(entry, depth)] {
            guard let directory = try state.tree.place(entry, depth: depth) else { continue }
            state.contents.await(id, entry, in: directory)
            outcome.requests.append(id)
        }
    }

    private static func metadata(_ scope: FileReceiver.Scope) throws(FileSyncError) -> SentMetadata? {
        guard case .metadata(let patterns) = scope else { return nil }
        if patterns.isEmpty { return SentMetadata(wanted: nil) }
        do throws(IgnoreFileError) {
            return SentMetadata(wanted: try IgnoreFile(patterns: patterns))
        } catch {
            throw .invalidPatterns(error.description)
        }
    }

    private static func unexpected(_ type: Fsutil_Types_Packet.PacketType, _ phase: Phase) -> FileSyncError {
        let packet =
            switch type {
            case .packetStat: "an entry"
            case .packetReq: "a request"
            case .packetData: "content"
            case .packetFin: "the end"
            case .packetErr: "a failure"
            case .UNRECOGNIZED(let number): "a packet of unknown type \(number)"
            }
        let moment =
            switch phase {
            case .entries: "before the last entry"
            case .contents: "before all content"
            case .complete: "after all content"
            case .finished: "after the end"
            }
        return .unexpectedPacket("the sender sent \(packet) \(moment)")
    }
}
