import Archive
import CommandLine
import Foundation
import Glibc
import Images
import LinuxSystem
import OCI
import Snapshots
import Storage
import Synchronization
import SystemPackage
import Testing

@Suite(.requires(.root))
struct `Snapshots` {
    private let scratch: TemporaryDirectory

    init() throws { scratch = try TemporaryDirectory() }

    private func open(_ name: String = "store") async throws -> (Store, SnapshotStore) {
        let store = try await Store.open(at: FilePath(scratch.url.appending(path: name).path), tables: .all)
        return (store, SnapshotStore(store: store))
    }

    /// Runs a shell script in the root of a tree's writable view; what it changes becomes a layer.
    private func change(_ snapshots: SnapshotStore, _ tree: FileTree, _ script: String) async throws -> FileTree {
        let (_, layer) = try await snapshots.lasting.withActiveSnapshot(on: tree) { active in
            let result = try await runProgram("sh", ["-ec", script], in: URL(filePath: active.root.string))
            try #require(result.status == 0, "\(result.errorText)")
        }
        return tree.adding(layer)
    }

    /// What `script` prints in the root of a tree.
    private func look(_ snapshots: SnapshotStore, _ tree: FileTree, _ script: String) async throws -> String {
        try await snapshots.lasting.withMounted(tree) { root in
            try await runProgram("sh", ["-c", script], in: URL(filePath: root.string)).text
        }
    }

    private static let listing =
        "find . -mindepth 1 -printf '%p %y %m %U:%G %Ts %l %n ' -exec sh -c 'test ! -f \"$1\" || cat \"$1\"' - {} \\; -printf '\\n' | sort"

    @Test func `an unpacking that its last waiter cancelled does not end for one who comes after`() async throws {
        let (store, _) = try await open()
        // An archive without entries.
        let archive = [UInt8](repeating: 0, count: 1024)
        let provider = LateProvider(store: store, content: archive)
        let snapshots = SnapshotStore(store: store, blobProvider: provider)
        let blob = Descriptor(mediaType: .ociLayer, digest: Digest.sha256(of: archive), size: 1024)
        let layer = try await snapshots.layer(
            diffID: blob.digest,
            blob: blob,
            isChecked: true,
            in: snapshots.store.lastingLease
        )
        let first = Task { try await snapshots.lasting.unpack([layer]) }
        for await _ in provider.began { break }
        first.cancel()
        try await snapshots.lasting.unpack([layer])
        #expect(try await snapshots.info(of: layer).isUnpacked)
        await #expect(throws: CancellationError.self) { try await first.value }
    }

    @Test func `an archive of files that have changed is refused at its end, and a check finds the layer`() async throws
    {
        let (store, snapshots) = try await open()
        let tree = try await change(snapshots, .empty, "mkdir d; echo one > d/f")
        let layer = tree.layers[0]
        let diffID = try await snapshots.diffID(of: layer)
        #expect(try await snapshots.checkFiles().damaged.isEmpty)
        let file = store.layout.snapshot(layer).appending("fs/d/f")
        let times = try await onBlockingPool { try HostFiles.status(of: file) }
        try Data("two\n".utf8).write(to: URL(filePath: file.string))
        try await onBlockingPool { try OpenFile.open(file, .readWrite).setTimes(modified: times?.modified ?? .epoch) }
        let error = await #expect(throws: SnapshotError.self) {
            try await snapshots.lasting.writeArchive(of: layer, to: DigestingBox())
        }
        #expect(error?.description.contains("slipway system check --deep --repair") == true)
        await #expect(throws: SnapshotError.self) {
            _ = try await snapshots.lasting.blob(for: layer, compression: .gzip)
        }
        let damaged = try await snapshots.checkFiles().damaged
        #expect(damaged.count == 1 && damaged[0].description.contains("\(diffID)"))
    }

    @Test func `a change becomes a layer and nothing else of the tree is touched`() async throws {
        let (_, snapshots) = try await open()
        let base = try await change(snapshots, .empty, "mkdir d; echo one > d/f; echo two > g; chmod 1777 d")
        let top = try await change(snapshots, base, "echo three > d/f; rm g; ln -s d/f link")
        #expect(try await look(snapshots, base, "cat d/f g; stat -c %a d") == "one\ntwo\n1777\n")
        #expect(try await look(snapshots, top, "cat d/f link; ls; stat -c %a d") == "three\nthree\nd\nlink\n1777\n")
    }

    @Test func `a change that fails leaves nothing`() async throws {
        struct Boom: Error {}
        let (store, snapshots) = try await open()
        await #expect(throws: Boom.self) {
            _ = try await snapshots.lasting.withActiveSnapshot(on: .empty) { active in
                try Data("x".utf8).write(to: URL(filePath: active.root.appending("f").string))
                throw Boom()
            }
        }
        #expect(try await store.check(full: true).problems.isEmpty)
        let mounts = try String(contentsOfFile: "/proc/self/mounts", encoding: .utf8)
        #expect(!mounts.contains(scratch.path))
    }

    @Test func `archives of layers give the same tree in another store`() async throws {
        let (store, snapshots) = try await open()
        let base = try await change(
            snapshots,
            .empty,
            """
            mkdir -p gone kept/deep replaced; echo a > gone/a; echo b > kept/deep/b; echo c > replaced/old
            ln kept/deep/b hard; mkfifo pipe; mknod dev c 1 3; chmod 4755 hard; chown 12:34 kept
            printf x > "$(printf 'odd\\nname\\377')"
            setfattr -n user.note -v hello kept/deep/b
            """
        )
        let tree = try await change(
            snapshots,
            base,
            "rm -r gone; rm -r replaced; mkdir replaced; echo new > replaced/new; echo B >> kept/deep/b; rm hard"
        )
        let (copyStore, copies) = try await open("copy")
        var copied: [LayerID] = []
        for (index, layer) in tree.layers.enumerated() {
            let compression: Compression = index == 0 ? .gzip : .zstd
            let blob = try await snapshots.lasting.blob(for: layer, compression: compression)
            let bytes = try await store.blobs.read(blob.digest)
            #expect(try await copyStore.blobs.put(bytes, in: copyStore.lastingLease) == blob.digest)
            copied.append(
                try await copies.layer(
                    diffID: try await snapshots.diffID(of: layer),
                    blob: blob,
                    isChecked: false,
                    in: copies.store.lastingLease
                )
            )
        }
        let script = Self.listing + "; getfattr -n user.note --only-values kept/deep/b"
        let expected = try await look(snapshots, tree, script)
        #expect(expected.contains("replaced/new") && !expected.contains("gone") && expected.contains("hello"))
        let actual = try await look(copies, FileTree(layers: copied), script)
        #expect(actual == expected, "\(actual)\n\(expected)")
    }

    @Test func `a layer whose archive is not what was promised is refused`() async throws {
        let (store, snapshots) = try await open()
        let tree = try await change(snapshots, .empty, "echo x > f")
        let blob = try await snapshots.lasting.blob(for: try #require(tree.layers.first), compression: .gzip)
        let (copyStore, copies) = try await open("copy")
        _ = try await copyStore.blobs.put(try await store.blobs.read(blob.digest), in: copyStore.lastingLease)
        let lie = try await copies.layer(
            diffID: .sha256(of: []),
            blob: blob,
            isChecked: false,
            in: copies.store.lastingLease
        )
        let error = await #expect(throws: SnapshotError.self) { try await copies.lasting.unpack([lie]) }
        #expect(error?.description.contains("lies about it") == true)
        #expect(try await copyStore.check(full: true).problems.isEmpty)
    }

    @Test func `a blob that an image passes off as a layer made here is never taken for it`() async throws {
        let (store, snapshots) = try await open()
        let layer = try #require(try await change(snapshots, .empty, "echo mine > f").layers.first)
        let diffID = try await snapshots.diffID(of: layer)
        let other = try #require(try await change(snapshots, .empty, "echo evil > f").layers.first)
        let evil = try await snapshots.lasting.blob(for: other, compression: .gzip)
        // The files are there, so they are taken; the blob is what the image that came with it says, and no more.
        #expect(
            try await snapshots.layer(diffID: diffID, blob: evil, isChecked: false, in: snapshots.store.lastingLease)
                == layer
        )
        #expect(try await snapshots.info(of: layer).isSaid(toBeIn: evil.digest))
        #expect(try await snapshots.info(of: layer).blobs.isEmpty)
        #expect(try await store.blobs.contains(evil.digest))
        let archive = Mutex<[UInt8]>([])
        try await snapshots.writeArchive(of: layer, in: snapshots.store.lastingLease) { bytes in
            archive.withLock { $0 += bytes }
        }
        #expect(Digest.sha256(of: archive.withLock { $0 }) == diffID)
        for forced in [false, true] {
            #expect(
                try await snapshots.lasting.blob(for: layer, compression: .gzip, forced: forced).digest != evil.digest
            )
            #expect(
                try await snapshots.lasting.blob(for: layer, compression: .zstd, forced: forced).digest != evil.digest
            )
        }
    }

    @Test(arguments: [true, false])
    func `a lie about a blob does not keep a layer from being read from a true one`(isSent: Bool) async throws {
        let (store, snapshots) = try await open()
        let layer = try #require(try await change(snapshots, .empty, "echo mine > f").layers.first)
        let other = try #require(try await change(snapshots, .empty, "echo evil > f").layers.first)
        let (copyStore, copies) = try await open("copy")
        var blobs: [Descriptor] = []
        for layer in [other, layer] {
            let blob = try await snapshots.lasting.blob(for: layer, compression: .gzip)
            _ = try await copyStore.blobs.put(try await store.blobs.read(blob.digest), in: copyStore.lastingLease)
            blobs.append(blob)
        }
        let diffID = try await snapshots.diffID(of: layer)
        let first = try await copies.layer(
            diffID: diffID,
            blob: blobs[0],
            isChecked: false,
            in: copies.store.lastingLease
        )
        #expect(
            try await copies.layer(diffID: diffID, blob: blobs[1], isChecked: false, in: copies.store.lastingLease)
                == first
        )
        if isSent {
            #expect(try await copies.lasting.blob(for: first, compression: .gzip) == blobs[1])
        } else {
            try await copies.lasting.unpack([first])
        }
        #expect(try await copies.info(of: first).blobs == [blobs[1]])
        #expect(try await look(copies, FileTree(layers: [first]), "cat f") == "mine\n")
    }

    @Test func `a layer that came as a plain archive leaves compressed`() async throws {
        let (store, snapshots) = try await open()
        let tree = try await change(snapshots, .empty, "echo x > f")
        let layer = try #require(tree.layers.first)
        let plain = try await snapshots.lasting.blob(for: layer, compression: .uncompressed)
        #expect(plain.mediaType == .ociLayer)
        let gzip = try await snapshots.lasting.blob(for: layer, compression: .gzip)
        #expect(gzip.mediaType == .ociLayerGzip && gzip.digest != plain.digest)
        // What was compressed here is compressed anew, so that a result does not depend on what was asked for before.
        #expect(try await snapshots.lasting.blob(for: layer, compression: .zstd).mediaType == .ociLayerZstd)
        #expect(try await snapshots.lasting.blob(for: layer, compression: .gzip) == gzip)
        // What came compressed stays as it came.
        let (copyStore, copies) = try await open("copy")
        _ = try await copyStore.blobs.put(try await store.blobs.read(gzip.digest), in: copyStore.lastingLease)
        let arrived = try await copies.layer(
            diffID: try await snapshots.diffID(of: layer),
            blob: gzip,
            isChecked: false,
            in: copies.store.lastingLease
        )
        #expect(try await copies.lasting.blob(for: arrived, compression: .zstd) == gzip)
        #expect(
            try await copies.lasting.blob(for: arrived, compression: .zstd, forced: true).mediaType == .ociLayerZstd
        )
    }

    @Test func `a commit that a killed process left hidden does not come to life over files that made room`()
        async throws
    {
        let (store, snapshots) = try await open()
        let index = URL(filePath: store.layout.database.string + "-shm")
        let first = try await change(snapshots, .empty, "echo kept > f")
        // As kill -9 leaves it between the write to the log and the one to the log's index.
        let before = try Data(contentsOf: index)
        let lost = try #require(try await change(snapshots, .empty, "echo lost > f").layers.first)
        let handle = try FileHandle(forWritingTo: index)
        try handle.write(contentsOf: before)
        try handle.close()
        await #expect(throws: SnapshotError.unknownLayer(lost)) { _ = try await snapshots.info(of: lost) }
        // The next layer takes its place, and fails when the old files are half removed.
        let obstacle = store.layout.snapshot(lost).appending("obstacle")
        try await onBlockingPool {
            try HostFiles.createDirectory(obstacle)
            try DetachedMount.tmpfs().attach(at: obstacle)
        }
        await #expect(throws: (any Error).self) { _ = try await change(snapshots, .empty, "echo next > f") }
        try await onBlockingPool { try unmount(obstacle) }
        // Opened by nobody else, the log's index is built anew and shows all that was committed.
        let copied = try await runProgram("cp", ["-a", store.root.string, scratch.path + "/copy"])
        try #require(copied.status == 0, "\(copied.errorText)")
        try FileManager.default.removeItem(atPath: scratch.path + "/copy/slipway.db-shm")
        let (copy, copies) = try await open("copy")
        _ = try await copy.collectGarbage(thoroughly: true)
        #expect(try await copy.check(full: true).problems.isEmpty)
        await #expect(throws: SnapshotError.unknownLayer(lost)) { _ = try await copies.info(of: lost) }
        #expect(try await look(snapshots, first, "cat f") == "kept\n")
    }

    @Test func `more layers than one mount takes are one tree`() async throws {
        let (_, snapshots) = try await open()
        var tree = FileTree.empty
        for index in 0..<520 {
            let (_, layer) = try await snapshots.lasting.withActiveSnapshot(on: .empty) { active in
                try Data("\(index)".utf8).write(to: URL(filePath: active.root.appending("f\(index)").string))
                try Data("\(index)".utf8).write(to: URL(filePath: active.root.appending("last").string))
            }
            tree = tree.adding(layer)
        }
        #expect(try await look(snapshots, tree, "ls | wc -l; cat last f0 f519") == "521\n5190519")
        let more = try await change(snapshots, tree, "rm f0; echo new > f1")
        #expect(try await look(snapshots, more, "ls | wc -l; cat f1") == "520\nnew\n")
    }
}

/// Takes an archive that nobody wants.
private final class DigestingBox: ByteSink, Sendable {
    func write(_ bytes: UnsafeRawBufferPointer) {}
}

/// Brings a blob; the first who asks is told late that nobody waits for it any more.
private final class LateProvider: BlobProvider {
    private let store: Store
    private let content: [UInt8]
    private let calls = Mutex(0)
    private let beginning: AsyncStream<Void>.Continuation
    /// Has an element once the first has asked.
    let began: AsyncStream<Void>

    init(store: Store, content: [UInt8]) {
        self.store = store
        self.content = content
        (began, beginning) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
    }

    func fetch(_ descriptor: Descriptor, in lease: Lease, offers: BlobOffers?) async throws {
        let call = calls.withLock { calls in
            calls += 1
            return calls
        }
        if call == 1 {
            beginning.yield()
            while !Task.isCancelled { await Task.yield() }
            // Not cancelled with the task: as a connection that takes its time to close.
            await Task.detached { try? await Task.sleep(for: .milliseconds(100)) }.value
            throw CancellationError()
        }
        _ = try await store.blobs.put(content, in: store.lastingLease)
    }
}
