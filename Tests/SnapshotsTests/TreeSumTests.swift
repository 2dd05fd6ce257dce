import Archive
import Fakes
import Foundation
import LinuxSystem
import Proofs
import Storage
import SystemPackage
import Testing

@testable import Snapshots

@Suite struct `Sums of a tree` {
    private func sum(_ text: String) -> FileSum {
        var counter = FileSum.Counter()
        counter.add(Array(text.utf8))
        return counter.sum
    }

    /// The layer that a file of a tree is found to be damaged in; nil for none.
    private func damage(
        of path: String,
        reading text: String,
        in layers: LayerID...,
        snapshots: SnapshotStore,
        keeping: Bool = false
    ) async throws -> LayerID? {
        let sums = try await snapshots.lasting.sums(of: FileTree(layers: layers))
        do {
            try await onBlockingPool {
                try sums.compare(Array(path.utf8), sum(text))
                if keeping { try sums.keep() }
            }
            return nil
        } catch SnapshotError.fileDamaged(let layer, let found, _) {
            #expect(found == Array(path.utf8))
            return layer
        }
    }

    /// Files that make a layer too large for its archive to be made at once.
    private func many(_ more: [String: String]) -> [String: String] {
        (0..<40).reduce(into: more) { $0["other/\($1)"] = "\($1)" }
    }

    @Test func `are those of the topmost layer that has a file of the name`() async throws {
        try await withSnapshots { (snapshots: SnapshotStore) async throws in
            let base = try await snapshots.arrivedLayer(["a": "one", "d/b": "two", "d/c": "three"])
            try await snapshots.lasting.unpack([base])
            let top = try await snapshots.layer(on: FileTree(layers: [base])) { root in
                try write("changed", to: root.appending(path: "a"))
                try FileManager.default.removeItem(at: root.appending(path: "d/c"))
            }
            func damaged(_ path: String, _ text: String) async throws -> LayerID? {
                try await damage(of: path, reading: text, in: base, top, snapshots: snapshots)
            }
            #expect(try await damaged("a", "changed") == nil)
            #expect(try await damaged("a", "one") == top)
            #expect(try await damaged("d/b", "two") == nil)
            #expect(try await damaged("d/b", "tw0") == base)
            #expect(try await damaged("none", "anything") == nil)
            let again = try await snapshots.layer(on: FileTree(layers: [base, top]), ["d/c": "new"])
            #expect(try await damage(of: "d/c", reading: "new", in: base, top, again, snapshots: snapshots) == nil)
            #expect(try await damage(of: "d/c", reading: "three", in: base, top, again, snapshots: snapshots) == again)
        }
    }

    @Test func `count from the first reading where no archive was made, and from the archive`() async throws {
        try await withSnapshots { (snapshots: SnapshotStore) async throws in
            let layer = try await snapshots.layer(many(["read": "first", "unread": "text"]))
            func damaged(_ path: String, _ text: String, keeping: Bool = false) async throws -> LayerID? {
                try await damage(of: path, reading: text, in: layer, snapshots: snapshots, keeping: keeping)
            }
            #expect(try await damaged("read", "first", keeping: true) == nil)
            #expect(try await damaged("read", "another") == layer)
            #expect(try await damaged("unread", "another") == nil, "it was not kept")
            #expect(try await snapshots.checkFiles().unknown == 1)
            _ = try await snapshots.diffID(of: layer)
            #expect(try await damaged("unread", "another") == layer)
            #expect(try await damaged("unread", "text") == nil)
            #expect(try await snapshots.checkFiles().sound == 1)
        }
    }

    @Test(.proves("A13: a damaged file of an unpacked"))
    func `keep a file that was damaged after it was read from getting into the first archive`() async throws {
        try await withSnapshots { (snapshots: SnapshotStore) async throws in
            let layer = try await snapshots.layer(many(["read": "first"]))
            _ = try await damage(of: "read", reading: "first", in: layer, snapshots: snapshots, keeping: true)
            let root = snapshots.store.layout.snapshot(layer)
            try await onBlockingPool {
                let form = try HostFiles.status(of: root.appending("marked")) != nil ? "marked" : "fs"
                try OpenFile.open(root.appending(form).appending("read"), .readWrite).write(Array("worst".utf8))
            }
            await #expect(throws: SnapshotError.fileDamaged(layer, path: Array("read".utf8), images: [])) {
                _ = try await snapshots.diffID(of: layer)
            }
            let check = try await snapshots.checkFiles()
            #expect(check.layers == [layer])
            #expect(check.damaged.first?.description.hasSuffix("what they were when it was made (/read)") == true)
        }
    }

    @Test func `of a layer without any say nothing of those below it, until a check has made them`() async throws {
        try await withSnapshots { (snapshots: SnapshotStore) async throws in
            let base = try await snapshots.arrivedLayer(["a": "one"])
            try await snapshots.lasting.unpack([base])
            let top = try await snapshots.layer(on: FileTree(layers: [base]), ["b": "two"])
            let file = snapshots.store.layout.snapshot(top).appending("sums")
            #expect(try await onBlockingPool { try HostFiles.remove(file) })
            for path in ["a", "b"] {
                #expect(try await damage(of: path, reading: "?", in: base, top, snapshots: snapshots) == nil)
            }
            #expect(try await damage(of: "a", reading: "?", in: base, snapshots: snapshots) == base)
            #expect(try await snapshots.checkFiles().damaged.isEmpty)
            for (path, layer) in [("a", base), ("b", top)] {
                #expect(try await damage(of: path, reading: "?", in: base, top, snapshots: snapshots) == layer)
            }
        }
    }

    @Test func `of another layer are found by a check and made again`() async throws {
        try await withSnapshots { (snapshots: SnapshotStore) async throws in
            let one = try await snapshots.arrivedLayer(["a": "one"])
            let two = try await snapshots.arrivedLayer(["b": "two", "c": "three"])
            try await snapshots.lasting.unpack([one, two])
            let layout = snapshots.store.layout
            try await onBlockingPool {
                let bytes = try OpenFile.open(layout.snapshot(two).appending("sums"), .readOnly).readToEnd()
                try HostFiles.write(bytes, to: layout.snapshot(one).appending("sums"))
            }
            #expect(try await snapshots.checkFiles().sound == 2)
            #expect(try await damage(of: "a", reading: "?", in: one, snapshots: snapshots) == one)
        }
    }
}
