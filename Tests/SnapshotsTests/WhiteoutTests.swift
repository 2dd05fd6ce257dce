import Foundation
import Snapshots
import Storage
import Testing

/// Removed files, as layers say it: https://github.com/opencontainers/image-spec/blob/main/layer.md#whiteouts.
@Suite struct `Whiteouts` {
    @Test func `are what a layer has of files and directories that were removed`() async throws {
        try await withSnapshots { (snapshots: SnapshotStore) async throws in
            let base = try await snapshots.layer(["a": "1", "d/b": "2", "d/c": "3", "e/f/g": "4"])
            let top = try await snapshots.layer(on: FileTree(layers: [base])) { root in
                for path in ["a", "d/b", "e"] { try FileManager.default.removeItem(at: root.appending(path: path)) }
            }
            #expect(try await snapshots.archivedNames(of: top) == [".wh.a", ".wh.e", "d/", "d/.wh.b"])
            #expect(try await snapshots.contents(of: base, top) == ["d": "/", "d/c": "3"])
        }
    }

    @Test func `name what a directory had that was removed and made again`() async throws {
        try await withSnapshots { (snapshots: SnapshotStore) async throws in
            let base = try await snapshots.layer(["d/a": "1", "d/e/b": "2", "d/f/g": "3", "d/f/h": "4"])
            let top = try await snapshots.layer(on: FileTree(layers: [base])) { root in
                try FileManager.default.removeItem(at: root.appending(path: "d"))
                try write("5", to: root.appending(path: "d/c"))
                try write("6", to: root.appending(path: "d/f/h"))
            }
            let names = ["d/", "d/.wh.a", "d/.wh.e", "d/c", "d/f/", "d/f/.wh.g", "d/f/h"]
            #expect(try await snapshots.archivedNames(of: top).sorted() == names.sorted())
            let seen = ["d": "/", "d/c": "5", "d/f": "/", "d/f/h": "6"]
            #expect(try await snapshots.contents(of: base, top) == seen)
        }
    }

    @Test func `say nothing of layers that a directory was not made on`() async throws {
        try await withSnapshots { (snapshots: SnapshotStore) async throws in
            let base = try await snapshots.layer(["d/a": "1"])
            let top = try await snapshots.layer(on: FileTree(layers: [base])) { root in
                try FileManager.default.removeItem(at: root.appending(path: "d"))
                try write("2", to: root.appending(path: "d/b"))
                try write("3", to: root.appending(path: "new/c"))
            }
            let other = try await snapshots.layer(["d/x": "4", "new/y": "5"])
            let seen = ["d": "/", "d/b": "2", "d/x": "4", "new": "/", "new/c": "3", "new/y": "5"]
            #expect(try await snapshots.contents(of: other, base, top) == seen)
        }
    }

    @Test func `are not needed where a file takes the place of a directory, or a directory that of a file`()
        async throws
    {
        try await withSnapshots { (snapshots: SnapshotStore) async throws in
            let base = try await snapshots.layer(["d/a": "1", "f": "2"])
            let top = try await snapshots.layer(on: FileTree(layers: [base])) { root in
                for path in ["d", "f"] { try FileManager.default.removeItem(at: root.appending(path: path)) }
                try write("3", to: root.appending(path: "d"))
                try write("4", to: root.appending(path: "f/b"))
            }
            #expect(try await snapshots.contents(of: base, top) == ["d": "3", "f": "/", "f/b": "4"])
            #expect(try await snapshots.archivedNames(of: top).contains("d"))
            #expect(try await snapshots.archivedNames(of: top).contains(".wh.d") == false)
        }
    }

    @Test func `of an archive hide what is below, and nothing of their own layer`() async throws {
        try await withSnapshots { (snapshots: SnapshotStore) async throws in
            let base = try await snapshots.layer(["a": "1", "d/b": "2", "d/e/c": "3", "k/x": "4", "k/y": "5"])
            let top = try await snapshots.arrivedLayer([
                ".wh.a": "", "d/": "", "d/new": "6", "d/.wh..wh..opq": "", "k/": "", "k/.wh.x": "", ".wh.none": "",
            ])
            let seen = ["d": "/", "d/new": "6", "k": "/", "k/y": "5"]
            #expect(try await snapshots.contents(of: base, top) == seen)
            // Alone, the layer removes nothing and still shows no mark.
            #expect(try await snapshots.contents(of: top) == ["d": "/", "d/new": "6", "k": "/"])
        }
    }

    @Test func `hold for the layers below them only`() async throws {
        try await withSnapshots { (snapshots: SnapshotStore) async throws in
            let base = try await snapshots.layer(["a": "1", "d/b": "2"])
            let middle = try await snapshots.arrivedLayer([".wh.a": "", ".wh.d": ""])
            let top = try await snapshots.arrivedLayer(["a": "3", "d/": "", "d/c": "4"])
            #expect(try await snapshots.contents(of: base, middle).isEmpty)
            #expect(try await snapshots.contents(of: base, middle, top) == ["a": "3", "d": "/", "d/c": "4"])
        }
    }
}
