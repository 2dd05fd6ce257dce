import Archive
import CommandLine
import Foundation
import LinuxSystem
import OCI
import Snapshots
import Storage
import SystemPackage
import Testing

@Suite(.requires(.root, .program("setfattr")))
struct `Snapshots without overlayfs` {
    private let scratch: TemporaryDirectory

    init() throws { scratch = try TemporaryDirectory() }

    /// Changes with everything that a layer can say.
    ///
    /// Times are set, so that the same change gives the same bytes.
    private static let changes = [
        """
        mkdir -p gone/deep kept/deep replaced turned moved plain/a/b bare
        echo a > gone/a; echo b > kept/deep/b; echo c > replaced/old; echo d > turned/d; echo e > file; echo f > moved/f
        echo g > plain/a/b/g; echo h > bare/h; echo i > untouched
        ln kept/deep/b hard; ln -s file link; mkfifo pipe; mknod dev c 1 3; chmod 4755 hard; chown 12:34 kept
        echo one > first; ln first second; printf x > "$(printf 'odd\\nname\\377')"
        setfattr -n user.note -v hello kept/deep/b; setfattr -n user.note -v bye file; setfattr -n user.dir -v d kept
        setfattr -n security.capability -v 0x0100000200040000000000000000000000000000 untouched
        find . -exec touch -h -d @1500000000 {} +
        """,
        """
        rm -r gone; rm -r replaced; mkdir replaced; echo new > replaced/new; rm -r turned; echo file > turned
        rm file; mkdir file; echo inside > file/inside; mkdir other; mv moved/f other/f; rmdir moved
        echo two > first; chmod 600 kept/deep/b; ln link link2; setfattr -x user.dir kept; mv plain renamed
        rm -r bare; mkdir bare
        touch -h -d @1500000001 . replaced replaced/new turned file file/inside other other/f first kept kept/deep \
            kept/deep/b link link2 renamed renamed/a renamed/a/b renamed/a/b/g bare
        """,
        """
        rm pipe link; mkdir replaced/new2; rm replaced/new; echo back > pipe; rm -r file; echo again > file
        mkdir -p gone/other; mv renamed/a/b renamed/c; rm second; echo more >> untouched
        touch -h -d @1500000002 . replaced replaced/new2 pipe file gone gone/other renamed renamed/a renamed/c \
            renamed/c/g untouched
        """,
    ]

    private static let listing =
        "find . -mindepth 1 -printf '%p %y %m %U:%G %Ts %l ' -exec sh -c 'test ! -f \"$1\" || cat \"$1\"' - {} \\; "
        + "-printf '\\n' | sort; getfattr -R -d -m - . | sort"

    private func open(_ name: String, _ means: SnapshotMeans?) async throws -> (Store, SnapshotStore) {
        let store = try await Store.open(at: FilePath(scratch.url.appending(path: name).path), tables: .all)
        return (store, SnapshotStore(store: store, means: means))
    }

    /// Makes the layers of all changes, and says what each holds and what the tree shows in the end.
    private func make(_ snapshots: SnapshotStore) async throws -> (tree: FileTree, digests: [Digest], seen: String) {
        var tree = FileTree.empty
        var digests: [Digest] = []
        for script in Self.changes {
            let (_, layer) = try await snapshots.lasting.withActiveSnapshot(on: tree) { active in
                let result = try await runProgram("sh", ["-ec", script], in: URL(filePath: active.root.string))
                try #require(result.status == 0, "\(result.errorText)")
            }
            tree = tree.adding(layer)
            digests.append(try await snapshots.diffID(of: layer))
        }
        return (tree, digests, try await look(snapshots, tree))
    }

    private func look(_ snapshots: SnapshotStore, _ tree: FileTree) async throws -> String {
        try await snapshots.lasting.withMounted(tree) { root in
            try await runProgram("sh", ["-c", Self.listing], in: URL(filePath: root.string)).text
        }
    }

    /// The entries of each layer's archive, to show where two differ.
    private func entries(_ snapshots: SnapshotStore, _ tree: FileTree) async throws -> String {
        var text = ""
        for layer in tree.layers {
            let blob = try await snapshots.lasting.blob(for: layer, compression: .gzip)
            let bytes = try await snapshots.store.blobs.read(blob.digest)
            text += try await runProgram("tar", ["-tvz", "--full-time"], input: bytes).text + "\n"
        }
        return text
    }

    @Test func `copied trees give the layers that mounted ones give`() async throws {
        let (_, mounted) = try await open("mounted", .overlay)
        let (store, copied) = try await open("copied", .copying)
        let expected = try await make(mounted)
        let actual = try await make(copied)
        #expect(actual.seen == expected.seen)
        if actual.digests != expected.digests {
            let (left, right) = (try await entries(copied, actual.tree), try await entries(mounted, expected.tree))
            Issue.record("copied:\n\(left)\nmounted:\n\(right)")
        }
        #expect(try await store.check(full: true).problems.isEmpty)
        #expect(try String(contentsOfFile: "/proc/self/mounts", encoding: .utf8).contains(scratch.path) == false)
        let left = try await onBlockingPool { try HostFiles.entries(of: store.layout.tmp).count }
        await store.close()
        #expect(left <= 1, "one directory of this process")
    }

    @Test func `layers that came as blobs are unpacked without overlayfs's marks, and serve a store that mounts`()
        async throws
    {
        let (store, mounted) = try await open("mounted", .overlay)
        let expected = try await make(mounted)
        let (copyStore, copies) = try await open("copied", .copying)
        var layers: [LayerID] = []
        for layer in expected.tree.layers {
            let blob = try await mounted.lasting.blob(for: layer, compression: .gzip)
            _ = try await copyStore.blobs.put(try await store.blobs.read(blob.digest), in: copyStore.lastingLease)
            layers.append(
                try await copies.layer(
                    diffID: try await mounted.diffID(of: layer),
                    blob: blob,
                    isChecked: false,
                    in: copies.store.lastingLease
                )
            )
        }
        #expect(try await look(copies, FileTree(layers: layers)) == expected.seen)
        // The store moves to where overlayfs works.
        let later = SnapshotStore(store: copyStore, means: .overlay)
        #expect(try await look(later, FileTree(layers: layers)) == expected.seen)
        let (_, layer) = try await later.lasting.withActiveSnapshot(on: FileTree(layers: layers)) { active in
            try Data("x".utf8).write(to: URL(filePath: active.root.appending("added").string))
        }
        let seen = try await look(later, FileTree(layers: layers + [layer]))
        #expect(seen.contains("./added f"))
        #expect(seen.contains("./replaced d"))
    }

    @Test func `a store on a file system that overlayfs refuses copies by itself`() async throws {
        let root = FilePath(scratch.path)
        try await onBlockingPool {
            for name in ["lower", "upper", "work", "disk"] { try HostFiles.createDirectory(root.appending(name)) }
            var overlay = OverlayMount(lower: [root.appending("lower")])
            overlay.writable = (root.appending("upper"), root.appending("work"))
            try overlay.attach(at: root.appending("disk"))
        }
        do {
            let (store, nested) = try await open("disk/store", nil)
            #expect(try await nested.means == .copying)
            let actual = try await make(nested)
            await store.close()
            let (_, mounted) = try await open("mounted", nil)
            #expect(try await mounted.means == .overlay)
            let expected = try await make(mounted)
            #expect(actual.seen == expected.seen)
            #expect(actual.digests == expected.digests)
        } catch {
            try await onBlockingPool { try unmount(root.appending("disk"), lazy: true) }
            throw error
        }
        try await onBlockingPool { try unmount(root.appending("disk"), lazy: true) }
    }

    @Test func `a file that the step's process keeps open cannot change the layer`() async throws {
        let (_, snapshots) = try await open("store", .copying)
        let base = try await make(snapshots).tree
        let (file, layer) = try await snapshots.lasting.withActiveSnapshot(on: base) { active in
            let file = try FileHandle(forUpdating: URL(filePath: active.root.appending("untouched").string))
            try file.write(contentsOf: Data("during".utf8))
            return file
        }
        try file.write(contentsOf: Data("after".utf8))
        let seen = try await look(snapshots, base.adding(layer))
        #expect(seen.contains("during") && !seen.contains("after"))
    }

    @Test(.requires(.program("crun"))) func `a build and a run work without overlayfs`() async throws {
        let shared = try await Slipway.shared()
        let archive = scratch.url.appending(path: "busybox.tar").path
        try await shared.succeed("save", "-o", archive, "busybox")
        try scratch.write("A\n", to: "context/a.txt")
        try scratch.write(
            """
            FROM busybox
            COPY a.txt /
            RUN rm /etc/group && mkdir /dir && echo B > /dir/b.txt && touch -d @1500000000 /etc /dir /dir/b.txt
            RUN rm -r /dir && mkdir /dir && echo C > /dir/c.txt && touch -d @1500000000 / /dir /dir/c.txt
            """,
            to: "context/Dockerfile"
        )
        let touched = try await runProgram("touch", ["-d", "@1500000000", scratch.path + "/context/a.txt"])
        try #require(touched.status == 0, "\(touched.errorText)")
        var digests: [String] = []
        for (driver, environment) in [("overlayfs", [:]), ("copy", ["SLIPWAY_SNAPSHOTTER": "copy"])] {
            let slipway = Slipway(root: scratch.path + "/store-" + driver, environment: environment)
            #expect(try await slipway.succeed("info", "--format", "{{.Driver}}") == driver + "\n")
            try await slipway.succeed("load", "-i", archive)
            try await slipway.succeed("build", "-t", "made", ".", in: scratch.url.appending(path: "context"))
            digests.append(try await slipway.succeed("inspect", "--format", "{{json .RootFS.Layers}}", "made"))
            let ran = try await slipway.succeed(
                "run",
                "--rm",
                "--network",
                "none",
                "made",
                "sh",
                "-c",
                "cat /dir/c.txt; ls /dir; test -e /etc/group || echo gone; echo x > /etc/passwd; cat /etc/passwd"
            )
            #expect(ran == "C\nc.txt\ngone\nx\n")
            #expect(try await slipway.succeed("system", "check").contains("no problems"))
        }
        #expect(digests.count == 2 && digests.first == digests.last, "\(digests)")
        let wrong = try await Slipway(root: scratch.path + "/w", environment: ["SLIPWAY_SNAPSHOTTER": "zfs"])("info")
        #expect(wrong.status == 1)
        #expect(wrong.errorText.contains("SLIPWAY_SNAPSHOTTER") && wrong.errorText.contains("overlayfs, copy"))
    }
}
