import Archive
import CommandLine
import Foundation
import LinuxSystem
import OCI
import Snapshots
import Storage
import SystemPackage
import Testing

@Suite(.requires(.root))
struct `Mounted snapshots` {
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
        let base = try await change(snapshots, .empty, "echo x > f")
        await #expect(throws: Boom.self) {
            _ = try await snapshots.lasting.withActiveSnapshot(on: base) { active in
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
