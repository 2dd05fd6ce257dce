internal import BuildKitProto
package import LinuxSystem
package import SystemPackage

/// What came of a file sync.
package struct ReceivedFiles: Sendable, Hashable {
    /// All entries of the tree.
    package let entries: Int
    /// The files whose content was sent.
    package let requested: Int
    /// The bytes of that content.
    package let bytes: Int64
    /// Whether the directory is not as it was before.
    package let isChanged: Bool
    /// The regular files that were sent and have no extended attributes, if they were digested on the way.
    package let digested: [ReceivedContent]
}

/// A regular file as it was when it got its place, and the SHA-256 of its content.
package struct ReceivedContent: Sendable, Hashable {
    package let path: [UInt8]
    package let status: FileStatus
    package let sha256: [UInt8]
}

/// The end of a file sync that makes a directory what the sender's is.
///
/// Only what differs is asked for: a file of the same size and time as before is left as it is, with its inode. New content is written beside the tree and renamed to its place when it is complete. A sync that is cut leaves a
/// tree of which each entry is old or new; the next one goes on from there.
///
/// Nothing is written faster than the disk takes it: the channel is read again when it has.
package struct FileReceiver: Sendable {
    /// What makes a file one that is there already.
    package enum Comparison: Sendable, Hashable {
        /// Type, size, time, mode, owner, and the names it is linked under.
        case metadata
        /// Nothing: all content is asked for.
        case none
    }

    /// What of the tree is brought.
    package enum Scope: Sendable {
        case everything
        /// A file that has the metadata of all entries, and those entries that match patterns.
        case metadata(besides: [[UInt8]])
    }

    /// Bytes of packets that wait for the disk.
    private static let buffered = 4 << 20
    /// Packets after which a directory counts as large: how it is brought matters more than how soon the next entry is here.
    private static let many = 1_000

    let directory: RootedDirectory
    let workshop: RootedDirectory?
    let isMerging: Bool
    let comparison: Comparison
    let scope: Scope
    let owners: FileOwners
    let limits: SyncLimits
    let plainMark: FilePath?
    let isDigesting: Bool

    /// - Parameters:
    ///   - directory: where the tree goes. No other process may change it meanwhile.
    ///   - workshop: an empty directory of the same file system for what is unfinished; without one, a directory of a
    ///     random name is made in `directory` and removed in the end.
    ///   - isMerging: whether what is there already and is not sent stays, as in a directory that outputs go to; all
    ///     content is asked for then.
    ///   - comparison: which files are taken for what is there already.
    ///   - scope: what of the tree is brought.
    ///   - owners: who owns what is received.
    ///   - limits: how much may be sent.
    ///   - plainMark: a file that is there as long as nothing in the directory was given an extended attribute: it is
    ///     removed before the first. What has none then need not be asked for its own.
    ///   - isDigesting: whether content is digested while it comes, which the sender's next piece is not kept waiting for.
    package init(
        into directory: RootedDirectory,
        workshop: RootedDirectory? = nil,
        isMerging: Bool = false,
        comparison: Comparison = .metadata,
        scope: Scope = .everything,
        owners: FileOwners = .asSent,
        limits: SyncLimits = SyncLimits(),
        plainMark: FilePath? = nil,
        isDigesting: Bool = false
    ) {
        self.directory = directory
        self.workshop = workshop
        self.isMerging = isMerging
        self.comparison = comparison
        self.scope = scope
        self.owners = owners
        self.limits = limits
        self.plainMark = plainMark
        self.isDigesting = isDigesting
    }

    /// Receives a tree.
    /// - Parameters:
    ///   - channel: leads to a sender; read to its end.
    ///   - progress: is told now and then how many bytes have come, as they were sent.
    /// - Returns: what has been received.
    /// - Throws: `FileSyncError` for what the sender did, `SystemCallError` for what the disk did, and what the channel
    ///   throws. The sender is told.
    package func run(
        _ channel: some PacketChannel,
        progress: @escaping @Sendable (Int64) -> Void = { _ in }
    ) async throws -> ReceivedFiles {
        let reception = try await onBlockingPool { try Reception(self) }
        do {
            try await exchange(channel, reception, progress)
            let received = try reception.end()
            try await onBlockingPool { try reception.cleanUp() }
            return received
        } catch {
            try? await onBlockingPool { try reception.cleanUp() }
            switch error {
            case FileSyncError.senderFailed, FileSyncError.cutShort: break
            default: try? await channel.send(.failure("\(error)"))
            }
            throw error
        }
    }

    private func exchange(
        _ channel: some PacketChannel,
        _ reception: Reception,
        _ progress: @escaping @Sendable (Int64) -> Void
    ) async throws {
        let incoming = PacketQueue<Fsutil_Types_Packet>(capacity: Self.buffered)
        let outgoing = PacketQueue<Fsutil_Types_Packet>(capacity: .max)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                var count = 0
                while let packets = try await channel.nextBatch() {
                    if count < Self.many, count + packets.count >= Self.many { channel.gather() }
                    count += packets.count
                    try await incoming.add(packets, weight: packets.reduce(0) { $0 + $1.weight })
                }
                incoming.finish()
            }
            group.addTask {
                var received: Int64 = 0
                while let packets = try await incoming.take() {
                    let outcome = try await onBlockingPool { try reception.take(packets) }
                    // Never waited for: a sender may hear requests only when its content has been taken.
                    for id in outcome.requests { try outgoing.addAtOnce(.request(id)) }
                    if outcome.isComplete { try outgoing.addAtOnce(.finish) }
                    received += packets.reduce(0) { $0 + $1.wireSize }
                    progress(received)
                }
                outgoing.finish()
            }
            group.addTask {
                while let packets = try await outgoing.take() {
                    for packet in packets { try await channel.send(packet) }
                }
            }
            // The first that fails ends the others; `waitForAll` would wait for them first.
            while try await group.next() != nil {}
        }
    }
}
