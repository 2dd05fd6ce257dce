import Archive
import CommandLine
import LinuxSystem
import Snapshots
import Storage
import SystemPackage
import Testing
import Text

@Suite(.requires(.root)) struct `Snapshots and what outlives a step` {
    private func layer(_ snapshots: SnapshotStore, on tree: FileTree, _ name: String, _ text: String) async throws
        -> LayerID
    {
        try await snapshots.lasting.withActiveSnapshot(on: tree) { active in
            try await onBlockingPool {
                try OpenFile.open(active.root.appending(name), [.writeOnly, .create, .truncate]).write(Array(text.utf8))
            }
        }.layer
    }

    @Test func `a file kept open for writing fails the step`() async throws {
        try await withScratchDirectory { root in
            let snapshots = SnapshotStore(store: try await Store.open(at: root.appending("store"), tables: .all))
            let base = FileTree(layers: [try await layer(snapshots, on: .empty, "base", "base")])
            await #expect(throws: SnapshotError.stillInUse) {
                _ = try await snapshots.lasting.withActiveSnapshot(on: base) { active in
                    try await onBlockingPool {
                        try OpenFile.open(active.root.appending("leaked"), [.writeOnly, .create])
                    }
                }
            }
        }
    }

    @Test func `a layer may stand twice in a tree`() async throws {
        try await withScratchDirectory { root in
            let snapshots = SnapshotStore(store: try await Store.open(at: root.appending("store"), tables: .all))
            let one = try await layer(snapshots, on: .empty, "file", "one")
            let two = try await layer(snapshots, on: FileTree(layers: [one]), "file", "two")
            let text = try await snapshots.lasting.withMounted(FileTree(layers: [one, two, one])) { path in
                try await onBlockingPool { try OpenFile.open(path.appending("file"), .readOnly).readToEnd() }
            }
            #expect(text == "one")
        }
    }
}
