import Archive
import CommandLine
import Foundation
import LinuxSystem
import Snapshots
import Storage
import SystemPackage
import Testing

/// What makes one tree of another that it was not made from.
@Suite(.requires(.root))
struct `The difference of two trees` {
    private let scratch: TemporaryDirectory

    init() throws { scratch = try TemporaryDirectory() }

    private func made(_ snapshots: SnapshotStore, _ script: String) async throws -> FileTree {
        let (_, layer) = try await snapshots.lasting.withActiveSnapshot(on: .empty) { active in
            let result = try await runProgram("sh", ["-ec", script], in: URL(filePath: active.root.string))
            try #require(result.status == 0, "\(result.errorText)")
        }
        return FileTree(layers: [layer])
    }

    private func listing(_ snapshots: SnapshotStore, _ tree: FileTree) async throws -> String {
        try await snapshots.lasting.withMounted(tree) { root in
            // overlayfs counts no links of directories that it puts together.
            let script = """
                find . -mindepth 1 -printf '%p %y %m %U:%G %T@ %l' \\( -type d -o -printf ' %n' \\) -printf '\\n' | sort
                cat a b d/f 2>/dev/null; true
                """
            return try await runProgram("sh", ["-c", script], in: URL(filePath: root.string)).text
        }
    }

    @Test(arguments: SnapshotMeans.allCases)
    func `laid over the first gives the second, and holds only what is different`(means: SnapshotMeans) async throws {
        let root = FilePath(scratch.url.appending(path: "store-\(means.rawValue)").path)
        let snapshots = SnapshotStore(store: try await Store.open(at: root, tables: .all), means: means)
        let dated = "find . -exec touch -h -d @1000000000 {} +"
        let lower = try await made(
            snapshots,
            """
            echo same > same; mkdir d d/gone; echo one > d/f; echo AAAA > a; ln -s x link; mkfifo pipe; mkdir kind
            ln same other; echo x > d/gone/x; \(dated)
            """
        )
        let upper = try await made(
            snapshots,
            """
            echo same > same; mkdir d; echo three > d/f; echo BBBB > a; ln -s y link; mkfifo pipe; echo f > kind
            ln same other; mkdir new; chmod 1777 new; echo n > new/n; ln new/n b; chown 5:6 d; \(dated)
            """
        )
        let difference = try await snapshots.lasting.difference(from: lower, to: upper)
        let together = FileTree(layers: lower.layers + difference.layers)
        #expect(try await listing(snapshots, together) == listing(snapshots, upper))
        let alone = try await listing(snapshots, difference)
        #expect(!alone.contains("same") && !alone.contains("other") && !alone.contains("pipe"))
        #expect(alone.contains("BBBB") && alone.contains("./kind f"))
    }

    @Test func `of a tree to nothing takes all of it away`() async throws {
        let root = FilePath(scratch.url.appending(path: "store").path)
        let snapshots = SnapshotStore(store: try await Store.open(at: root, tables: .all))
        let lower = try await made(snapshots, "mkdir -p d/e; echo x > d/e/f; echo y > a")
        let difference = try await snapshots.lasting.difference(from: lower, to: .empty)
        let other = try await made(snapshots, "echo kept > b")
        let left = try await listing(
            snapshots,
            FileTree(layers: lower.layers + other.layers + difference.layers)
        )
        #expect(left.hasSuffix("kept\n") && left.split(separator: "\n").count == 2)
    }
}
