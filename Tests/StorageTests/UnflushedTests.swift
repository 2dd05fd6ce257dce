import GRDB
import LinuxSystem
import OCI
import Storage
import SystemPackage
import Testing
import Text

/// What a crash of the machine takes from a store, and what it leaves.
@Suite struct `Content that is not on the disk yet` {
    private func unflushed(_ store: Store) async throws -> [String] {
        try await store.database.read { db in
            try String.fetchAll(db, sql: "SELECT resource FROM unflushed ORDER BY resource")
        }
    }

    /// Makes it look as if everything that is unflushed had been written in an earlier boot.
    private func reboot(_ store: Store) async throws {
        try await store.database.write { db in try db.execute(sql: "UPDATE unflushed SET boot = 'earlier'") }
        try await onBlockingPool {
            try replaceFile(at: store.layout.boot, with: Array("earlier".utf8), mode: 0o600)
        }
        await store.close()
    }

    private func withRoot(_ body: (FilePath) async throws -> Void) async throws {
        try await withStore { store in try await body(store.root.appending("another")) }
    }

    private func names(in directory: FilePath) async throws -> [[UInt8]] {
        try await onBlockingPool { try HostFiles.entries(of: directory) }
    }

    private func addLayer(_ store: Store, isReplaceable: Bool = false) async throws -> LayerID {
        try await store.database.writeLazily { db in
            try db.execute(sql: "INSERT INTO layers (unpacked, created, last_used) VALUES (1, 0, 0)")
            let layer = LayerID(rawValue: db.lastInsertedRowID)
            try HostFiles.createDirectories(store.layout.snapshot(layer).appending("fs"))
            try store.unflushed.note(.layer(layer), isReplaceable: isReplaceable, in: db)
            return layer
        }
    }

    @Test func `is forgotten after another boot, with the rows that need it and the files that no row names`()
        async throws
    {
        try await withRoot { root in
            var store = try await Store.open(at: root, tables: .all)
            let lost = try await store.blobs.put("lost", in: store.lastingLease)
            let kept = try await store.blobs.put("kept", in: store.lastingLease)
            let layer = try await addLayer(store, isReplaceable: true)
            try await store.flush([.blob(kept)])
            #expect(try await unflushed(store) == ["blob \(lost)", "layer \(layer)"])
            // Of what the transaction that was lost had begun.
            let orphan = store.layout.snapshot(LayerID(rawValue: 99))
            try await onBlockingPool { try HostFiles.createDirectories(orphan.appending("fs")) }
            try await reboot(store)

            store = try await Store.open(at: root, tables: .all)
            #expect(try await store.blobs.contains(lost) == false)
            #expect(try await store.blobs.read(kept) == "kept")
            let rows = try await store.database.read { db in
                try ["layers", "unflushed"].map {
                    try Int.fetchOne(db, sql: "SELECT count(*) FROM \($0)")
                }
            }
            #expect(rows == [0, 0])
            #expect(try await names(in: store.layout.snapshots).isEmpty)
            #expect(try await names(in: root).contains("boot") == false)
            #expect(try await store.check(full: true).problems == [])
            await store.close()
        }
    }

    @Test func `stays in the same boot, however often the store is opened`() async throws {
        try await withRoot { root in
            var store = try await Store.open(at: root, tables: .all)
            let blob = try await store.blobs.put("content", in: store.lastingLease)
            await store.close()
            store = try await Store.open(at: root, tables: .all)
            #expect(try await store.blobs.read(blob) == "content")
            #expect(try await unflushed(store) == ["blob \(blob)"])
            await store.close()
        }
    }

    @Test func `is flushed at the end if only work could replace it, and otherwise when there is time`() async throws {
        try await withRoot { root in
            let store = try await Store.open(at: root, tables: .all)
            let blob = try await store.blobs.put("a copy of a registry's", in: store.lastingLease)
            let layer = try await addLayer(store)
            #expect(try await unflushed(store) == ["blob \(blob)", "layer \(layer)"])
            try await store.flushRest()
            #expect(try await unflushed(store) == ["blob \(blob)"])
            try await store.flushRest(everything: true)
            #expect(try await unflushed(store) == [])
            await store.close()
        }
    }

    @Test func `is nothing where the store is strict`() async throws {
        try await withRoot { root in
            let store = try await Store.open(at: root, tables: .all, durability: .strict)
            _ = try await store.blobs.put("content", in: store.lastingLease)
            _ = try await addLayer(store)
            #expect(try await unflushed(store) == [])
            #expect(try await names(in: root).contains("boot") == false)
            await store.close()
        }
    }

    @Test func `what is written lazily is recorded with the next transaction that is durable`() async throws {
        try await withRoot { root in
            let store = try await Store.open(at: root, tables: .all)
            let generation = "SELECT number FROM generation"
            let before = try await store.database.read { db in try Int.fetchOne(db, sql: generation) }
            _ = try await addLayer(store)
            let (after, waiting) = try await store.database.read { db in
                (
                    try Int.fetchOne(db, sql: generation),
                    try Int.fetchOne(db, sql: "SELECT count(*) FROM changes") ?? 0
                )
            }
            #expect(after == before)
            #expect(waiting > 0)
            #expect(try await store.check(full: true).problems == [])
            try await store.database.write { db in try db.execute(sql: "UPDATE layers SET size = 1") }
            let left = try await store.database.read { db in try Int.fetchOne(db, sql: "SELECT count(*) FROM changes") }
            #expect(left == 0)
            #expect(try await store.check(full: true).problems == [])
            await store.close()
        }
    }

    @Test func `blobs that are replaced are as unflushed as new ones`() async throws {
        try await withRoot { root in
            let store = try await Store.open(at: root, tables: .all)
            let blob = try await store.blobs.put("content", in: store.lastingLease)
            try await store.flush([.blob(blob)])
            try await onBlockingPool { _ = try HostFiles.remove(store.blobs.path(of: blob)) }
            _ = try await store.blobs.put("content", in: store.lastingLease)
            #expect(try await unflushed(store) == ["blob \(blob)"])
            await store.close()
        }
    }
}
