import Archive
import Foundation
import LinuxSystem
import OCI
import Proofs
import Snapshots
import Storage
import Synchronization
import SystemPackage
import Testing
import Text

@Suite struct `Blobs of layers` {
    @Test func `that are not what was promised are refused`() async throws {
        try await withSnapshots { (snapshots: SnapshotStore) async throws in
            let lie = try await snapshots.arrivedLayer(["f": "x"], diffID: .sha256(of: []))
            let error = await #expect(throws: SnapshotError.self) { try await snapshots.lasting.unpack([lie]) }
            #expect(error?.description.contains("lies about it") == true)
            #expect(try await snapshots.info(of: lie).isUnpacked == false)
            #expect(try await snapshots.store.check(full: true).problems.isEmpty)
        }
    }

    @Test func `that an image passes off as a layer made here are never taken for it`() async throws {
        try await withSnapshots { (snapshots: SnapshotStore) async throws in
            let layer = try await snapshots.layer(["f": "mine"])
            let diffID = try await snapshots.diffID(of: layer)
            let evil = try await snapshots.lasting.blob(
                for: try await snapshots.layer(["f": "evil"]),
                compression: .gzip
            )
            // The files are there, so they are taken; the blob is what the image that came with it says, and no more.
            let lease = try await snapshots.store.lastingLease
            #expect(try await snapshots.layer(diffID: diffID, blob: evil, isChecked: false, in: lease) == layer)
            #expect(try await snapshots.info(of: layer).isSaid(toBeIn: evil.digest))
            #expect(try await snapshots.info(of: layer).blobs.isEmpty)
            let archive = Collector()
            try await snapshots.lasting.writeArchive(of: layer, to: archive)
            #expect(Digest.sha256(of: archive.bytes) == diffID)
            for (forced, compression) in [(false, Compression.gzip), (true, .gzip), (false, .zstd), (true, .zstd)] {
                let blob = try await snapshots.lasting.blob(for: layer, compression: compression, forced: forced)
                #expect(blob.digest != evil.digest)
            }
        }
    }

    @Test(arguments: [true, false])
    func `that are a lie do not keep a layer from being read from a true one`(isSent: Bool) async throws {
        try await withSnapshots { (snapshots: SnapshotStore) async throws in
            let layer = try await snapshots.layer(["f": "mine"])
            let diffID = try await snapshots.diffID(of: layer)
            let honest = try await snapshots.lasting.blob(for: layer, compression: .gzip)
            let evil = try await snapshots.lasting.blob(
                for: try await snapshots.layer(["f": "evil"]),
                compression: .gzip
            )
            try await withSnapshots { (copies: SnapshotStore) async throws in
                let first = try await copies.arrivedLayer(evil, from: snapshots, diffID: diffID)
                #expect(try await copies.arrivedLayer(honest, from: snapshots, diffID: diffID) == first)
                if isSent {
                    #expect(try await copies.lasting.blob(for: first, compression: .gzip) == honest)
                } else {
                    try await copies.lasting.unpack([first])
                }
                #expect(try await copies.info(of: first).blobs == [honest])
                #expect(try await copies.contents(of: first) == ["f": "mine"])
            }
        }
    }

    @Test func `that came as a plain archive leave compressed`() async throws {
        try await withSnapshots { (snapshots: SnapshotStore) async throws in
            let layer = try await snapshots.layer(["f": "x"])
            let plain = try await snapshots.lasting.blob(for: layer, compression: .uncompressed)
            #expect(plain.mediaType == .ociLayer)
            let gzip = try await snapshots.lasting.blob(for: layer, compression: .gzip)
            #expect(gzip.mediaType == .ociLayerGzip && gzip.digest != plain.digest)
            // What was compressed here is compressed anew, so that a result does not depend on what was asked before.
            #expect(try await snapshots.lasting.blob(for: layer, compression: .zstd).mediaType == .ociLayerZstd)
            #expect(try await snapshots.lasting.blob(for: layer, compression: .gzip) == gzip)
            // What came compressed stays as it came.
            let diffID = try await snapshots.diffID(of: layer)
            try await withSnapshots { (copies: SnapshotStore) async throws in
                let arrived = try await copies.arrivedLayer(gzip, from: snapshots, diffID: diffID)
                #expect(try await copies.lasting.blob(for: arrived, compression: .zstd) == gzip)
                let forced = try await copies.lasting.blob(for: arrived, compression: .zstd, forced: true)
                #expect(forced.mediaType == .ociLayerZstd)
            }
        }
    }

    @Test func `that nothing provides are named`() async throws {
        try await withSnapshots { (snapshots: SnapshotStore) async throws in
            let digest = Digest.sha256(of: "elsewhere")
            let blob = Descriptor(mediaType: .ociLayer, digest: digest, size: 9)
            let lease = try await snapshots.store.lastingLease
            let layer = try await snapshots.layer(diffID: digest, blob: blob, isChecked: true, in: lease)
            let error = await #expect(throws: NoBlobProvider.NotAvailable.self) {
                try await snapshots.lasting.unpack([layer])
            }
            #expect(error?.digest == digest)
        }
    }

    @Test func `are fetched and unpacked once, however many ask`() async throws {
        try await withSnapshots { (other: SnapshotStore) async throws in
            let provider = CountingProvider(store: other.store)
            let snapshots = SnapshotStore(store: other.store, blobProvider: provider, means: .copying)
            let layer = try await snapshots.layer(provider.blob)
            try await withThrowingTaskGroup(of: Void.self) { group in
                for _ in 0..<20 { group.addTask { try await snapshots.lasting.unpack([layer, layer]) } }
                try await group.waitForAll()
            }
            #expect(provider.count == 1)
            #expect(try await snapshots.info(of: layer).isUnpacked)
        }
    }

    @Test(.proves("D: who asks for a layer whose unpacking"))
    func `are unpacked for one who comes after the last waiter was cancelled`() async throws {
        try await withSnapshots { (other: SnapshotStore) async throws in
            let provider = CountingProvider(store: other.store, isLate: true)
            let snapshots = SnapshotStore(store: other.store, blobProvider: provider, means: .copying)
            let layer = try await snapshots.layer(provider.blob)
            let first = Task { try await snapshots.lasting.unpack([layer]) }
            for await _ in provider.began { break }
            first.cancel()
            try await snapshots.lasting.unpack([layer])
            #expect(try await snapshots.info(of: layer).isUnpacked)
            await #expect(throws: CancellationError.self) { try await first.value }
        }
    }
}

@Suite struct `Damaged layers` {
    /// Changes a file of a layer behind the store's back, and leaves its time.
    private func damage(_ layer: LayerID, _ path: FilePath, in snapshots: SnapshotStore) async throws {
        let root = snapshots.store.layout.snapshot(layer)
        try await onBlockingPool {
            let form = try HostFiles.status(of: root.appending("marked")) != nil ? "marked" : "fs"
            let file = try OpenFile.open(root.appending(form).pushing(path), [.readWrite])
            let time = try file.status().modified
            try file.write("no")
            try file.setTimes(modified: time)
        }
    }

    @Test(.proves("A13: a damaged file of an unpacked"))
    func `are refused at the end of their archive, and found by a check`() async throws {
        try await withSnapshots { (snapshots: SnapshotStore) async throws in
            let layer = try await snapshots.layer(["d/f": "one"])
            let diffID = try await snapshots.diffID(of: layer)
            #expect(try await snapshots.checkFiles().damaged.isEmpty)
            try await damage(layer, "d/f", in: snapshots)
            let error = await #expect(throws: SnapshotError.self) {
                try await snapshots.lasting.writeArchive(of: layer, to: Collector())
            }
            #expect(error?.description.contains("slipway system check --deep --repair") == true)
            await #expect(throws: SnapshotError.self) {
                _ = try await snapshots.lasting.blob(for: layer, compression: .gzip)
            }
            let check = try await snapshots.checkFiles()
            #expect(check.layers == [layer] && check.sound == 0)
            #expect(check.damaged.first?.description.contains("\(diffID)") == true)
        }
    }

    @Test func `are told from sound ones of the same tree, whether made here or unpacked`() async throws {
        try await withSnapshots { (snapshots: SnapshotStore) async throws in
            let base = try await snapshots.arrivedLayer(["a": "one"])
            let middle = try await snapshots.layer(on: FileTree(layers: [base]), ["b": "two"])
            let top = try await snapshots.layer(on: FileTree(layers: [base, middle]), ["c": "three"])
            for layer in [middle, top] { _ = try await snapshots.diffID(of: layer) }
            #expect(try await snapshots.checkFiles().sound == 3)
            try await damage(base, "a", in: snapshots)
            try await damage(top, "c", in: snapshots)
            let check = try await snapshots.checkFiles()
            #expect(check.layers == [base, top] && check.sound == 1)
        }
    }
}

@Suite struct `What caches offer` {
    private struct Offer: BlobOffer {
        let name: String
        func read(_ blob: Descriptor, from offset: Int64, _ receive: ([UInt8]) async throws -> Void) async throws {}
    }

    @Test func `is asked in the order in which it was offered`() {
        let offers = BlobOffers()
        let (one, two) = (Digest.sha256(of: "1"), Digest.sha256(of: "2"))
        offers.offer([one, two], by: Offer(name: "a"))
        offers.offer([one], by: Offer(name: "b"))
        #expect(offers.offers(of: one).map(\.name) == ["a", "b"])
        #expect(offers.offers(of: two).map(\.name) == ["a"])
        #expect(offers.isOffered(two) && !offers.isOffered(.sha256(of: "3")))
    }

    @Test func `is taken back where it could not be had, with the reason`() {
        let offers = BlobOffers()
        let (one, two) = (Digest.sha256(of: "1"), Digest.sha256(of: "2"))
        offers.offer([one, two], by: Offer(name: "a"))
        offers.offer([one], by: Offer(name: "b"))
        offers.failed(offers.offers(of: two), "no answer")
        let failed = offers.withdrawFailed()
        #expect(failed.map(\.name) == ["a"] && failed.map(\.reason) == ["no answer"])
        #expect(offers.offers(of: one).map(\.name) == ["b"])
        #expect(!offers.isOffered(two))
        #expect(offers.withdrawFailed().isEmpty)
    }
}

extension SnapshotStore {
    /// The layer of a blob that is an archive without compression.
    fileprivate func layer(_ blob: Descriptor) async throws -> LayerID {
        try await layer(diffID: blob.digest, blob: blob, isChecked: true, in: store.lastingLease)
    }
}

/// Brings one blob, an archive without entries, and counts how often it is asked.
private final class CountingProvider: BlobProvider {
    /// The end of an archive: two blocks of zeros.
    private static let content = [UInt8](repeating: 0, count: 1024)
    let blob = Descriptor(mediaType: .ociLayer, digest: .sha256(of: content), size: Int64(content.count))
    private let store: Store
    /// Whether the first who asks is told late that no task waits for it any more.
    private let isLate: Bool
    private let calls = Mutex(0)
    private let beginning: AsyncStream<Void>.Continuation
    /// Has an element once the first has asked.
    let began: AsyncStream<Void>

    var count: Int { calls.withLock { $0 } }

    init(store: Store, isLate: Bool = false) {
        self.store = store
        self.isLate = isLate
        (began, beginning) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
    }

    func fetch(_ descriptor: Descriptor, in lease: Lease, offers: BlobOffers?) async throws {
        let call = calls.withLock { calls in
            calls += 1
            return calls
        }
        if isLate, call == 1 {
            beginning.yield()
            while !Task.isCancelled { await Task.yield() }
            // Not cancelled with the task: as a connection that takes its time to close.
            await Task.detached { try? await Task.sleep(for: .milliseconds(100)) }.value
            throw CancellationError()
        }
        _ = try await store.blobs.put(Self.content, in: store.lastingLease)
    }
}
