import Archive
import Foundation
import LinuxSystem
import OCI
import Snapshots
import Storage
import SystemPackage
import Testing

@Suite struct `Snapshots` {
    @Test func `a change becomes a layer, and the tree below stays as it was`() async throws {
        try await withSnapshots { (snapshots: SnapshotStore) async throws in
            let base = try await snapshots.layer(["d/f": "one", "g": "two"])
            let top = try await snapshots.layer(on: FileTree(layers: [base]), ["d/f": "three", "h": "new"])
            #expect(try await snapshots.contents(of: base) == ["d": "/", "d/f": "one", "g": "two"])
            let changed = ["d": "/", "d/f": "three", "g": "two", "h": "new"]
            #expect(try await snapshots.contents(of: base, top) == changed)
            #expect(try await snapshots.contents(of: top) == ["d": "/", "d/f": "three", "h": "new"])
        }
    }

    @Test func `a change that fails leaves nothing`() async throws {
        struct Boom: Error {}
        try await withSnapshots { (snapshots: SnapshotStore) async throws in
            let base = try await snapshots.layer(["f": "one"])
            for tree in [FileTree.empty, FileTree(layers: [base])] {
                await #expect(throws: Boom.self) {
                    _ = try await snapshots.layer(on: tree) { root in
                        try write("two", to: root.appending(path: "f"))
                        throw Boom()
                    }
                }
            }
            let store = snapshots.store
            #expect(try await store.check(full: true).problems.isEmpty)
            let layers = try await onBlockingPool { try HostFiles.entries(of: store.layout.snapshots) }
            #expect(layers.count == 1)
            #expect(try await snapshots.contents(of: base) == ["f": "one"])
        }
    }

    @Test func `a change of mode or time alone is a change of the entry`() async throws {
        try await withSnapshots { (snapshots: SnapshotStore) async throws in
            let base = try await snapshots.layer(["d/f": "one", "d/g": "two", "e/h": "three"])
            let top = try await snapshots.layer(on: FileTree(layers: [base])) { root in
                let file = root.appending(path: "d/f").path
                try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: file)
                let directory = root.appending(path: "e").path
                try FileManager.default.setAttributes([.modificationDate: Date.distantPast], ofItemAtPath: directory)
            }
            #expect(try await snapshots.archivedNames(of: top) == ["d/", "d/f", "e/"])
        }
    }

    @Test func `a layer may stand twice in a tree`() async throws {
        try await withSnapshots { (snapshots: SnapshotStore) async throws in
            let one = try await snapshots.layer(["f": "one"])
            let two = try await snapshots.layer(on: FileTree(layers: [one]), ["f": "two", "g": "kept"])
            #expect(try await snapshots.contents(of: one, two, one) == ["f": "one", "g": "kept"])
        }
    }

    @Test func `two names of one file stay two names of one file in a layer`() async throws {
        try await withSnapshots { (snapshots: SnapshotStore) async throws in
            let layer = try await snapshots.layer { root in
                try write("one", to: root.appending(path: "a"))
                try FileManager.default.linkItem(at: root.appending(path: "a"), to: root.appending(path: "b"))
            }
            #expect(try await snapshots.info(of: layer).size == 3)
            #expect(try await snapshots.contents(of: layer) == ["a": "one", "b": "one"])
        }
    }

    @Test func `the archive of a layer gives the same layer in another store`() async throws {
        try await withSnapshots { (snapshots: SnapshotStore) async throws in
            let base = try await snapshots.layer(["d/f": "one", "gone": "x", "old/a": "a"])
            let top = try await snapshots.layer(on: FileTree(layers: [base])) { root in
                try FileManager.default.removeItem(at: root.appending(path: "gone"))
                try FileManager.default.removeItem(at: root.appending(path: "old"))
                try write("b", to: root.appending(path: "old/b"))
            }
            let seen = try await snapshots.contents(of: base, top)
            try await withSnapshots { (copies: SnapshotStore) async throws in
                var copied: [LayerID] = []
                for (layer, compression) in [(base, Compression.gzip), (top, .zstd)] {
                    let blob = try await snapshots.lasting.blob(for: layer, compression: compression)
                    let diffID = try await snapshots.diffID(of: layer)
                    copied.append(try await copies.arrivedLayer(blob, from: snapshots, diffID: diffID))
                }
                #expect(try await copies.contents(of: copied[0], copied[1]) == seen)
                #expect(try await copies.archivedNames(of: copied[1]) == snapshots.archivedNames(of: top))
            }
        }
    }

    @Test func `a layer goes with the last lease that holds it`() async throws {
        try await withSnapshots { (snapshots: SnapshotStore) async throws in
            let store = snapshots.store
            let layer = try await store.withLease { lease in
                let made = try await snapshots.leased(by: lease).withActiveSnapshot(on: .empty) { active in
                    try write("x", to: URL(filePath: active.root.string).appending(path: "f"))
                }
                #expect(try await store.collectGarbage().layers.isEmpty)
                return made.layer
            }
            #expect(try await store.collectGarbage().layers == [layer])
            await #expect(throws: SnapshotError.unknownLayer(layer)) { try await snapshots.info(of: layer) }
            await #expect(throws: SnapshotError.unknownLayer(layer)) { try await snapshots.contents(of: layer) }
        }
    }

    @Test func `a tree that is read holds its layers`() async throws {
        try await withSnapshots { (snapshots: SnapshotStore) async throws in
            let store = snapshots.store
            let (layer, top) = try await store.withLease { lease in
                let leased = snapshots.leased(by: lease)
                let layer = try await leased.withActiveSnapshot(on: .empty) { _ in }.layer
                let top = try await leased.withActiveSnapshot(on: FileTree(layers: [layer])) { _ in }.layer
                return (layer, top)
            }
            try await store.withLease { lease in
                try await snapshots.leased(by: lease).withDiscardedSnapshot(on: FileTree(layers: [layer])) { _ in
                    let garbage = try await store.collectGarbage()
                    #expect(garbage.layers == [top])
                }
            }
            #expect(try await store.collectGarbage().layers == [layer])
        }
    }

    @Test func `a step may not leave a file whose name means a removed one`() async throws {
        try await withSnapshots { (snapshots: SnapshotStore) async throws in
            let base = FileTree(layers: [try await snapshots.layer(["f": "one"])])
            let error = await #expect(throws: ArchiveError.self) {
                _ = try await snapshots.layer(on: base, ["d/.wh.f": ""])
            }
            #expect(error?.description.contains("d/.wh.f") == true)
        }
    }
}
