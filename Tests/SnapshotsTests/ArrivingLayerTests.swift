import LinuxSystem
import OCI
import Snapshots
import Storage
import Synchronization
import SystemPackage
import Tasks
import Testing

@Suite struct `Layers whose blobs are on their way` {
    @Test(.timeLimit(.minutes(1))) func `are unpacked while the rest of the blob is still missing`() async throws {
        let sender = Sender()
        try await withSnapshots(fetching: sender) { snapshots in
            sender.store.keep(snapshots.store)
            let (layer, bytes) = try await snapshots.expectedLayer()
            let work = Task { try await snapshots.lasting.unpack([layer]) }
            sender.turns.send(.bytes(bytes.prefix(bytes.count / 2)))
            // The blob's second half is sent only when files of the first half are there.
            while try await snapshots.namesBeingUnpacked().isEmpty { try await Task.sleep(for: .milliseconds(5)) }
            #expect(try await snapshots.info(of: layer).isUnpacked == false)
            sender.turns.send(.bytes(bytes.suffix(from: bytes.count / 2)))
            sender.turns.send(.end)
            try await work.value
            #expect(try await snapshots.contents(of: layer).keys.sorted() == ["a", "b", "c", "d"])
            #expect(try await snapshots.store.check(full: true).problems.isEmpty)
        }
    }

    @Test(.timeLimit(.minutes(1))) func `do not appear when the end shows that the blob is another`() async throws {
        let sender = Sender()
        try await withSnapshots(fetching: sender) { snapshots in
            sender.store.keep(snapshots.store)
            let (layer, bytes) = try await snapshots.expectedLayer()
            var changed = bytes
            changed[changed.count / 2] ^= 1
            let work = Task { try await snapshots.lasting.unpack([layer]) }
            sender.turns.send(.bytes(changed[...]))
            sender.turns.send(.end)
            let error = await #expect(throws: StorageError.self) { try await work.value }
            guard case .digestMismatch = error else { throw error ?? CancellationError() }
            #expect(try await snapshots.info(of: layer).isUnpacked == false)
            #expect(try await snapshots.namesBeingUnpacked().isEmpty)
        }
    }

    @Test(.timeLimit(.minutes(1))) func `come whole where the first attempt breaks off and another starts anew`()
        async throws
    {
        let sender = Sender()
        try await withSnapshots(fetching: sender) { snapshots in
            sender.store.keep(snapshots.store)
            let (layer, bytes) = try await snapshots.expectedLayer()
            let work = Task { try await snapshots.lasting.unpack([layer]) }
            sender.turns.send(.bytes(bytes.prefix(bytes.count / 2)))
            while try await snapshots.namesBeingUnpacked().isEmpty { try await Task.sleep(for: .milliseconds(5)) }
            sender.turns.send(.restart)
            sender.turns.send(.bytes(bytes[...]))
            sender.turns.send(.end)
            try await work.value
            #expect(try await snapshots.contents(of: layer).keys.sorted() == ["a", "b", "c", "d"])
            #expect(try await snapshots.namesBeingUnpacked().isEmpty)
        }
    }

    @Test(.timeLimit(.minutes(1))) func `leave nothing when the work is cancelled while it waits for more`()
        async throws
    {
        let sender = Sender()
        try await withSnapshots(fetching: sender) { snapshots in
            sender.store.keep(snapshots.store)
            let (layer, bytes) = try await snapshots.expectedLayer()
            let work = Task { try await snapshots.lasting.unpack([layer]) }
            sender.turns.send(.bytes(bytes.prefix(bytes.count / 2)))
            while try await snapshots.namesBeingUnpacked().isEmpty { try await Task.sleep(for: .milliseconds(5)) }
            work.cancel()
            await #expect(throws: CancellationError.self) { try await work.value }
            #expect(try await snapshots.info(of: layer).isUnpacked == false)
            #expect(try await snapshots.namesBeingUnpacked().isEmpty)
        }
    }
}

extension SnapshotStore {
    /// A layer of four files whose blob of some megabytes is known and not here.
    fileprivate func expectedLayer() async throws -> (LayerID, [UInt8]) {
        let text = String(repeating: "0123456789abcdef", count: 100_000)
        let bytes = try await onBlockingPool { try archive(["a": text, "b": text, "c": text, "d": text]) }
        let digest = Digest.sha256(of: bytes)
        let blob = Descriptor(mediaType: .ociLayer, digest: digest, size: Int64(bytes.count))
        return (try await layer(diffID: digest, blob: blob, isChecked: false, in: store.lastingLease), bytes)
    }

    /// The names of files in trees that are not finished.
    fileprivate func namesBeingUnpacked() async throws -> [String] {
        try await onBlockingPool {
            let directory = self.store.root.appending("tmp")
            func names(in path: FilePath, depth: Int) throws -> [String] {
                guard depth < 6, try HostFiles.status(of: path)?.type == .directory else { return [] }
                return try HostFiles.entries(of: path).flatMap { name in
                    [String(decoding: name, as: UTF8.self)]
                        + (try names(in: path.appending(name: name), depth: depth + 1))
                }
            }
            return try names(in: directory, depth: 0).filter { ["a", "b", "c", "d"].contains($0) }
        }
    }
}

/// Brings a blob as a test says.
private final class Sender: BlobProvider {
    enum Turn: Sendable {
        case bytes(ArraySlice<UInt8>)
        case restart
        case end
    }

    let store = Promise<Store>()
    let turns = Turns()

    func fetch(_ descriptor: Descriptor, in lease: Lease, offers: BlobOffers?) async throws {
        try await store.value().blobs.ingest(in: lease, expecting: descriptor.digest, size: descriptor.size) { writer in
            while true {
                switch try await turns.next() {
                case .bytes(let bytes): try await writer.write(Array(bytes))
                case .restart: try await writer.restart()
                case .end: return
                }
            }
        }
    }
}

/// What a sender is to do, in this order.
private final class Turns: Sendable {
    private let stream: AsyncStream<Sender.Turn>
    private let continuation: AsyncStream<Sender.Turn>.Continuation

    init() { (stream, continuation) = AsyncStream.makeStream() }

    func send(_ turn: Sender.Turn) { continuation.yield(turn) }

    func next() async throws -> Sender.Turn {
        for await turn in stream { return turn }
        throw CancellationError()
    }
}
