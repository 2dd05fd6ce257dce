package import Archive
internal import BuildKitProto
internal import FoundationEssentials
package import LinuxSystem
internal import Synchronization
internal import SystemPackage

/// The end of a file sync that offers the entries of a directory, and sends the content of those that are asked for.
///
/// The directory may change meanwhile: what vanishes is passed over, a file that is gone when it is asked for is sent empty,
/// and one that changes as it is, as fsutil does it. The receiver sees by size and time what to ask for the next time.
package struct FileSender: Sendable {
    /// Bytes of packets that wait for the channel.
    private static let buffered = 4 << 20

    private let directory: RootedDirectory
    private let selection: FileSelection
    private let owners: FileOwners
    private let whenRead: FileComparison

    /// - Parameters:
    ///   - directory: what is offered; nothing outside of it is read.
    ///   - selection: which of its entries.
    ///   - owners: who owns what is sent; clients of BuildKit say root.
    ///   - whenRead: is told the sum of each file's content when all of it was read; what it throws ends the sync.
    package init(
        from directory: RootedDirectory,
        selection: FileSelection = .everything,
        owners: FileOwners = .asSent,
        whenRead: @escaping FileComparison = { _, _ in }
    ) {
        self.directory = directory
        self.selection = selection
        self.owners = owners
        self.whenRead = whenRead
    }

    /// Sends until the receiver has all it wants.
    /// - Parameters:
    ///   - channel: leads to a receiver.
    ///   - progress: is told now and then how many bytes have been sent.
    /// - Throws: `FileSyncError` for what the receiver did, `SystemCallError` for what cannot be read, and what the
    ///   channel throws. The receiver is told.
    package func run(
        _ channel: some PacketChannel,
        progress: @escaping @Sendable (Int64) -> Void = { _ in }
    ) async throws {
        do {
            try await exchange(channel, progress)
        } catch {
            switch error {
            case FileSyncError.receiverFailed, FileSyncError.cutShort: break
            default: try? await channel.send(.failure("\(error)"))
            }
            throw error
        }
    }

    private func exchange(
        _ channel: some PacketChannel,
        _ progress: @escaping @Sendable (Int64) -> Void
    ) async throws {
        let offer = Offer()
        let requests = PacketQueue<UInt32>(capacity: .max)
        let outgoing = PacketQueue<Fsutil_Types_Packet>(capacity: Self.buffered)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await self.offerEntries(offer, outgoing) }
            group.addTask {
                try await Self.hear(channel, offer, requests)
                requests.finish()
            }
            group.addTask {
                while let ids = try await requests.take() { try await self.send(ids, offer, outgoing) }
                try await outgoing.add(.finish, weight: 1)
                outgoing.finish()
            }
            group.addTask {
                var sent: Int64 = 0
                while let packets = try await outgoing.take() {
                    for packet in packets { try await channel.send(packet) }
                    sent += packets.reduce(0) { $0 + $1.wireSize }
                    progress(sent)
                }
            }
            while try await group.next() != nil {}
        }
    }

    private func offerEntries(_ offer: Offer, _ outgoing: PacketQueue<Fsutil_Types_Packet>) async throws {
        let walk = try await onBlockingPool { try Walk(TreeReader(directory, selection, owners)) }
        while true {
            let entries = try await onBlockingPool { try walk.next() }
            if entries.isEmpty { break }
            offer.add(entries)
            for entry in entries {
                let packet = Fsutil_Types_Packet.entry(entry)
                try await outgoing.add(packet, weight: packet.weight)
            }
        }
        offer.end()
        try await outgoing.add(.endOfEntries, weight: 1)
    }

    /// Takes requests until the receiver is done.
    private static func hear(
        _ channel: some PacketChannel,
        _ offer: Offer,
        _ requests: PacketQueue<UInt32>
    ) async throws {
        while let packet = try await channel.next() {
            switch packet.type {
            case .packetReq: try requests.addAtOnce(packet.id)
            case .packetFin:
                guard offer.isComplete else {
                    throw FileSyncError.unexpectedPacket("the receiver sent the end before the last entry")
                }
                return
            case .packetErr: throw FileSyncError.receiverFailed([UInt8](packet.data))
            case .packetStat, .packetData, .UNRECOGNIZED:
                throw FileSyncError.unexpectedPacket("the receiver sent what only a sender sends")
            }
        }
        throw FileSyncError.cutShort
    }

    private func send(_ ids: [UInt32], _ offer: Offer, _ outgoing: PacketQueue<Fsutil_Types_Packet>) async throws {
        let contents = Contents(try ids.map { (id: $0, path: try offer.take($0)) }, in: directory, whenRead)
        while true {
            let packets = try await onBlockingPool { try contents.next() }
            if packets.isEmpty { return }
            for packet in packets { try await outgoing.add(packet, weight: packet.weight) }
        }
    }
}

/// A walk that goes on where it stopped.
private final class Walk: Sendable {
    private let reader: Mutex<TreeReader>

    init(_ reader: sending TreeReader) { self.reader = Mutex(reader) }

    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    func next() throws -> [Fsutil_Types_Stat] { try reader.withLock { try $0.next(256) } }
}

/// The files that were offered and not asked for, by their numbers.
private final class Offer: Sendable {
    private struct State {
        var next: UInt32 = 0
        var files: [UInt32: Data] = [:]
        var isComplete = false
    }

    private let state = Mutex(State())

    var isComplete: Bool { state.withLock { $0.isComplete } }
    func end() { state.withLock { $0.isComplete = true } }

    func add(_ entries: [Fsutil_Types_Stat]) {
        state.withLock { state in
            for entry in entries {
                if entry.mode & GoFileMode.type == 0 { state.files[state.next] = entry.path }
                state.next += 1
            }
        }
    }

    func take(_ id: UInt32) throws(FileSyncError) -> [UInt8] {
        guard let path = state.withLock({ $0.files.removeValue(forKey: id) }) else { throw .unknownFile(id: id) }
        return [UInt8](path)
    }
}

/// The content of files as packets, some at a time: one hop to a thread that may block serves many small files.
private final class Contents: Sendable {
    private struct State {
        var files: [(id: UInt32, path: [UInt8])]
        var file: OpenFile?
        var counter = FileSum.Counter()
    }

    /// What fsutil reads at once.
    private static let pieceSize = 32 << 10
    private static let batchSize = 512 << 10

    private let directory: RootedDirectory
    private let state: Mutex<State>
    private let whenRead: FileComparison

    init(
        _ files: [(id: UInt32, path: [UInt8])],
        in directory: RootedDirectory,
        _ whenRead: @escaping FileComparison
    ) {
        self.directory = directory
        self.whenRead = whenRead
        state = Mutex(State(files: files.reversed(), file: nil))
    }

    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    func next() throws -> [Fsutil_Types_Packet] {
        try state.withLock { state in
            var packets: [Fsutil_Types_Packet] = []
            var bytes = 0
            while let (id, path) = state.files.last, bytes < Self.batchSize {
                if state.file == nil { state.file = try open(path) }
                let piece = try state.file.map { try read($0, path) } ?? Data()
                piece.withUnsafeBytes { state.counter.add($0) }
                if piece.isEmpty, state.file != nil { try whenRead(path, state.counter.sum) }
                packets.append(.content(id, piece))
                bytes += max(piece.count, 1 << 10)
                if piece.isEmpty {
                    state.files.removeLast()
                    state.file = nil
                    state.counter = FileSum.Counter()
                }
            }
            return packets
        }
    }

    /// Nil for what is no file that can be read any more, whose content is empty then.
    private func open(_ path: [UInt8]) throws -> OpenFile? {
        guard let file = try? directory.open(FilePath(bytes: path), [.readOnly, .noFollow, .nonBlocking]),
            try file.status().type == .regular
        else { return nil }
        return file
    }

    private func read(_ file: OpenFile, _ path: [UInt8]) throws -> Data {
        var piece = Data(count: Self.pieceSize)
        let count = try naming(path) { try piece.withUnsafeMutableBytes { try file.read(into: $0) } }
        return count == Self.pieceSize ? piece : piece.prefix(count)
    }
}
