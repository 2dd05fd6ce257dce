import GRDB
import Glibc
import LinuxSystem
import OCI
import Proofs
import Storage
import SystemPackage
import Testing
import Text

/// Lends a store with one image of one layer that nobody has open.
private func withClosedStore(_ body: (StoreLayout) async throws -> Void) async throws {
    var template = Array("/tmp/slipway-damage-XXXXXX".utf8CString)
    guard mkdtemp(&template) != nil else { throw SystemCallError("mkdtemp", errno: Errno(rawValue: errno)) }
    let root = FilePath(platformString: template)
    do {
        try await fillStore(at: root.appending("store"))
        try await awaitClosed(root)
        try await body(StoreLayout(root: root.appending("store")))
        try await onBlockingPool { try removeTree(root) }
    } catch {
        try await onBlockingPool { try removeTree(root) }
        throw error
    }
}

/// Waits until this process has no file below a directory open: connections end on threads of their own.
private func awaitClosed(_ root: FilePath) async throws {
    for _ in 0..<2000 {
        let isOpen = try await onBlockingPool {
            try HostFiles.entries(of: "/proc/self/fd").contains { descriptor in
                let link = "/proc/self/fd/" + String(decoding: descriptor, as: UTF8.self)
                var buffer = [CChar](repeating: 0, count: 4096)
                let count = readlink(link, &buffer, buffer.count)
                let target = buffer.prefix(max(0, count)).map { UInt8(bitPattern: $0) }
                return target.starts(with: root.bytes)
            }
        }
        if !isOpen { return }
        try await Task.sleep(for: .milliseconds(1))
    }
    Issue.record("the store stays open")
}

private func fillStore(at root: FilePath) async throws {
    let store = try await Store.open(at: root, tables: .all)
    try await store.withLease { lease in
        let configuration = try await store.blobs.put("{}", in: lease)
        try await store.database.write { db in
            try HostFiles.createDirectories(store.layout.snapshot(LayerID(rawValue: 1)).appending("fs"))
            try db.execute(
                sql: "INSERT INTO layers (id, diff_id, unpacked, size, created, last_used) VALUES (1, 'd', 1, 9, 0, 0)"
            )
        }
        try await store.database.write { db in
            try db.execute(
                sql: "INSERT INTO images (id, os, architecture, stored) VALUES (?, 'linux', 'amd64', 0)",
                arguments: [configuration]
            )
            try db.execute(sql: "INSERT INTO image_layers VALUES (?, 0, 1)", arguments: [configuration])
            try db.execute(sql: "INSERT INTO image_names VALUES ('a:1', ?, 0)", arguments: [configuration])
        }
    }
    await store.close()
}

private func names(in layout: StoreLayout) async throws -> [String] {
    let store = try await Store.open(at: layout.root, tables: .all)
    let names = try await store.database.read { db in try String.fetchAll(db, sql: "SELECT name FROM image_names") }
    await store.close()
    return names
}

private func file(_ suffix: String, of layout: StoreLayout) -> FilePath {
    FilePath(bytes: layout.database.bytes + Array(suffix.utf8))
}

/// Changes one bit of a file.
private func flip(_ bit: Int, of byte: Int64, in path: FilePath) async throws {
    try await onBlockingPool {
        let file = try OpenFile.open(path, .readWrite)
        var value: [UInt8] = [0]
        _ = try value.withUnsafeMutableBytes { try file.read(into: $0, at: byte) }
        value[0] ^= 1 << UInt8(bit)
        try value.withUnsafeBytes { try file.write($0, at: byte) }
    }
}

@Suite struct `A damaged database` {
    /// Opening names the damage, and a repair brings everything back.
    private func expectDamage(in layout: StoreLayout, _ reason: String) async throws {
        let error = await #expect(throws: StorageError.self) { _ = try await names(in: layout) }
        #expect(error?.description.contains(reason) == true, "\(String(describing: error))")
        #expect(error?.description.contains("slipway system check --repair") == true)
        let left = try await onBlockingPool { try HostFiles.entries(of: layout.snapshots) }
        #expect(left == ["1"])
        let rebuilt = try #require(try await Store.rebuildIfDamaged(at: layout.root, tables: .all))
        #expect(rebuilt.counts == ["images": 1, "layers": 1, "containers": 0, "blobs": 1])
        try await expectWhole(layout)
    }

    private func expectWhole(_ layout: StoreLayout) async throws {
        #expect(try await names(in: layout) == ["a:1"])
        let store = try await Store.open(at: layout.root, tables: .all)
        #expect(try await store.check(full: true).problems.isEmpty)
        #expect(try await store.collectGarbage().layers.isEmpty)
        await store.close()
        #expect(try await Store.rebuildIfDamaged(at: layout.root, tables: .all) == nil)
    }

    @Test(.proves("A11: a flipped bit in the log of")) func `that lost its log is named and made again`() async throws {
        try await withClosedStore { layout in
            _ = try await onBlockingPool { try HostFiles.remove(file("-wal", of: layout)) }
            try await expectDamage(in: layout, "it is older than its records")
        }
    }

    @Test(.proves("A11: a flipped bit in the log of"), arguments: [100, 30_000])
    func `with a bit flipped early in its log is named and made again`(
        byte: Int64
    ) async throws {
        try await withClosedStore { layout in
            try await flip(3, of: byte, in: file("-wal", of: layout))
            try await expectDamage(in: layout, "it is older than its records")
        }
    }

    @Test(.proves("A11: a flipped bit in the log of")) func `whose log was cut is named and made again`() async throws {
        try await withClosedStore { layout in
            try await onBlockingPool {
                let log = try OpenFile.open(file("-wal", of: layout), .readWrite)
                try log.truncate(to: try log.status().size - 100)
            }
            try await expectDamage(in: layout, "it has lost its last 1 changes")
        }
    }

    @Test(.proves("A12: a damaged, cut or lost database")) func `that is gone is named and made again`() async throws {
        try await withClosedStore { layout in
            _ = try await onBlockingPool { try HostFiles.remove(layout.database) }
            try await expectDamage(in: layout, "it is missing or empty, and the store is not")
        }
    }

    private func changeTwice(_ layout: StoreLayout) async throws {
        let store = try await Store.open(at: layout.root, tables: .all)
        try await store.database.write { db in
            try db.execute(sql: "INSERT INTO image_names SELECT 'b:1', id, 0 FROM images")
        }
        try await store.database.write { db in try db.execute(sql: "DELETE FROM image_names WHERE name = 'b:1'") }
        await store.close()
    }

    @Test(.proves("A11: a flipped bit in the log of")) func `that is an older copy of itself is named and made again`()
        async throws
    {
        try await withClosedStore { layout in
            let log = file("-wal", of: layout)
            let old = try await onBlockingPool { try OpenFile.open(log, .readOnly).readToEnd() }
            try await changeTwice(layout)
            try await awaitClosed(layout.root)
            try await onBlockingPool {
                let file = try OpenFile.open(log, [.readWrite, .truncate])
                try file.write(old)
            }
            try await expectDamage(in: layout, "it has lost its last 2 changes")
        }
    }

    @Test(.proves("A11: a flipped bit in the log of")) func `of another store is named and made again`() async throws {
        try await withClosedStore { layout in
            try await withClosedStore { other in
                try await onBlockingPool {
                    for suffix in ["", "-wal", "-sums"] {
                        try HostFiles.rename(file(suffix, of: other), to: file(suffix, of: layout))
                    }
                }
            }
            try await expectDamage(in: layout, "it is not the one that its records belong to")
        }
    }

    @Test(.proves("A12: a damaged, cut or lost database"))
    func `with a bit flipped in a page of a row is named and made again`() async throws {
        try await withClosedStore { layout in
            let pages =
                try await onBlockingPool {
                    let store = try Store.openBlocking(at: layout.root, tables: .all)
                    try store.database.compact()
                    return try HostFiles.status(of: layout.database)?.size ?? 0
                } / 4096
            #expect(pages > 20)
            // Wherever the bit is: what is read of it is never another answer.
            for page in stride(from: Int64(0), to: pages, by: 7) {
                try await flip(Int(page % 8), of: page * 4096 + 4000 - page, in: layout.database)
                let found = try? await names(in: layout)
                #expect(found == nil || found == ["a:1"], "page \(page)")
                _ = try await Store.rebuildIfDamaged(at: layout.root, tables: .all)
                try await expectWhole(layout)
                try await onBlockingPool { try Store.openBlocking(at: layout.root, tables: .all).database.compact() }
            }
        }
    }

    @Test(.proves("A12: a damaged, cut or lost database"))
    func `harms nothing where its records are damaged instead, and a repair writes them again`() async throws {
        try await withClosedStore { layout in
            try await flip(0, of: 100, in: layout.records)
            #expect(try await names(in: layout) == ["a:1"])
            let store = try await Store.open(at: layout.root, tables: .all)
            let problems = try await store.check(full: true).problems
            #expect(problems.count == 1 && problems.first?.description.hasPrefix("records of the database: ") == true)
            _ = try await store.repair()
            await store.close()
            try await expectWhole(layout)
        }
    }
}

@Suite struct `Records of a database` {
    @Test func `say the same as the database after every change`() async throws {
        try await withClosedStore { layout in
            let store = try await Store.open(at: layout.root, tables: .all)
            let changes = [
                "UPDATE image_names SET name = 'b:1'", "INSERT INTO image_names SELECT 'c:1', id, 1 FROM images",
                "UPDATE layers SET size = 12, diff_id = NULL",
                "INSERT INTO layer_blobs (layer_id, digest, media_type, size) VALUES (1, 'x', 'm', 3)",
                // Names and layers go with the image, which nobody says for each of them.
                "DELETE FROM images", "DELETE FROM layers",
            ]
            for change in changes {
                try await store.database.write { db in try db.execute(sql: change) }
                #expect(
                    try await store.check(full: true).problems.filter { "\($0)".contains("database") }.isEmpty,
                    "\(change)"
                )
            }
            await store.close()
        }
    }

    @Test(.proves("A12: a damaged, cut or lost database"))
    func `of a store of an older version are made when it is opened`() async throws {
        try await withClosedStore { layout in
            try await onBlockingPool {
                let old = try DatabaseQueue(path: layout.database.string)
                try old.write { db in
                    for trigger in try String.fetchAll(db, sql: "SELECT name FROM sqlite_master WHERE type = 'trigger'")
                    {
                        try db.execute(sql: "DROP TRIGGER \(trigger)")
                    }
                    try db.execute(sql: "DROP TABLE generation; DROP TABLE changes")
                    try db.execute(sql: "DELETE FROM grdb_migrations WHERE identifier = 'generations'")
                    let version = try Int.fetchOne(db, sql: "PRAGMA user_version") ?? 0
                    try db.execute(sql: "PRAGMA user_version = \(version - 1)")
                }
                try old.close()
                try HostFiles.remove(layout.records)
                try HostFiles.remove(file("-sums", of: layout))
            }
            #expect(try await names(in: layout) == ["a:1"])
            try await onBlockingPool { _ = try HostFiles.remove(layout.database) }
            #expect(try await Store.rebuildIfDamaged(at: layout.root, tables: .all)?.counts["images"] == 1)
            #expect(try await names(in: layout) == ["a:1"])
        }
    }
}

@Suite struct `Files of a store` {
    @Test(.proves("A8: everything in a store is its")) func `are their owner's alone in a directory that all may read`()
        async throws
    {
        try await withStore { outer in
            let root = outer.root.appending("tmp").appending("open")
            _ = try await onBlockingPool { try HostFiles.createDirectory(root, mode: 0o755) }
            let store = try await Store.open(at: root, tables: .all)
            try await store.database.write { db in try db.execute(sql: "INSERT INTO blob_sources VALUES ('a', 'b')") }
            _ = try await store.collectGarbage(thoroughly: true)
            try await onBlockingPool {
                for name in try HostFiles.entries(of: root) {
                    let status = try HostFiles.status(of: root.appending(String(decoding: name, as: UTF8.self)))
                    #expect((status?.mode ?? 0) & 0o077 == 0, "\(String(decoding: name, as: UTF8.self))")
                }
            }
            await store.close()
        }
    }
}
