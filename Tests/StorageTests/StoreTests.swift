import Containers
import GRDB
import Glibc
import Images
import LinuxSystem
import OCI
import Snapshots
import Storage
import SystemPackage
import Testing
import Text

extension StoreTables {
    /// Those that the tests of the store fill.
    static let all = StoreTables([LayerTable.self, ImageTable.self, ContainerTable.self])
}

/// Lends a store in a directory of its own, which is removed when the test is over.
func withStore<Value>(_ body: (Store) async throws -> Value) async throws -> Value {
    var template = Array("/tmp/slipway-store-XXXXXX".utf8CString)
    guard mkdtemp(&template) != nil else { throw SystemCallError("mkdtemp", errno: Errno(rawValue: errno)) }
    let root = FilePath(platformString: template)
    do {
        let store = try await Store.open(at: root.appending("store"), tables: .all)
        let value = try await body(store)
        await store.close()
        try await onBlockingPool { try removeTree(root) }
        return value
    } catch {
        try await onBlockingPool { try removeTree(root) }
        throw error
    }
}

@Suite struct `Stores` {
    @Test func `a new store is readable by its owner alone and has nothing to complain about`() async throws {
        try await withStore { store in
            let status = try await onBlockingPool { try HostFiles.status(of: store.root) }
            #expect(status?.mode == 0o700)
            #expect(try await store.check(full: true).problems.isEmpty)
        }
    }

    @Test func `a store is opened again with what was in it`() async throws {
        try await withStore { store in
            let digest = try await store.blobs.put("hello", in: store.lastingLease)
            let again = try await Store.open(at: store.root, tables: .all)
            #expect(try await again.blobs.read(digest) == "hello")
        }
    }

    @Test func `opening a store that is up to date is cheap`() async throws {
        try await withStore { store in
            let clock = ContinuousClock()
            var best = Duration.seconds(1)
            for _ in 0..<20 {
                let root = store.root
                let start = clock.now
                let opened = try await Store.open(at: root, tables: .all)
                best = min(best, clock.now - start)
                await opened.close()
            }
            #expect(best < .milliseconds(20))
        }
    }

    @Test func `a store of a newer version is refused with both versions`() async throws {
        try await withStore { store in
            try await store.database.write { db in try db.execute(sql: "PRAGMA user_version = 999") }
            let error = await #expect(throws: StorageError.self) {
                _ = try await Store.open(at: store.root, tables: .all)
            }
            #expect(error?.description.contains("was written by a newer Slipway (its format is 999") == true)
        }
    }

    @Test func `a damaged database is named as such`() async throws {
        try await withStore { store in
            let path = store.root.appending("other")
            try await onBlockingPool {
                try HostFiles.createDirectory(path)
                let file = try OpenFile.open(path.appending("slipway.db"), [.writeOnly, .create])
                try file.write(Array(repeating: 7, count: 8192))
            }
            let error = await #expect(throws: StorageError.self) { _ = try await Store.open(at: path, tables: .all) }
            #expect(error?.description.contains("is damaged") == true)
        }
    }

    @Test func `scratch of a living process stays and that of a dead one goes`() async throws {
        try await withStore { store in
            let living = try await onBlockingPool { try store.temporaryDirectory() }
            let dead = store.root.appending("tmp").appending("1.2.feedface.x")
            try await onBlockingPool {
                try HostFiles.createDirectories(dead.appending("deep"))
                try OpenFile.open(store.root.appending("ingest/1.2.feedface.x.7"), [.create, .writeOnly]).write([1])
            }
            let again = try await Store.open(at: store.root, tables: .all)
            let (kept, removed, incoming) = try await onBlockingPool {
                (
                    try HostFiles.status(of: living), try HostFiles.status(of: dead),
                    try HostFiles.entries(of: store.root.appending("ingest"))
                )
            }
            #expect(kept != nil)
            #expect(removed == nil)
            #expect(incoming.isEmpty)
            await again.close()
        }
    }

    @Test func `what has no owner's name in the scratch directories is left alone`() async throws {
        try await withStore { store in
            let paths = [store.layout.run.appending("some.socket"), store.layout.tmp.appending("x")]
            try await onBlockingPool { for path in paths { try HostFiles.createDirectories(path.appending("deep")) } }
            let again = try await Store.open(at: store.root, tables: .all)
            for path in paths {
                let status = try await onBlockingPool { try HostFiles.status(of: path) }
                #expect(status != nil)
            }
            await again.close()
        }
    }

    @Test func `a transaction that throws leaves nothing behind`() async throws {
        try await withStore { store in
            struct Refusal: Error {}
            await #expect(throws: Refusal.self) {
                try await store.database.write { db in
                    try db.execute(sql: "INSERT INTO blob_sources VALUES ('a', 'b')")
                    throw Refusal()
                }
            }
            let count = try await store.database.read { db in
                try Int.fetchOne(db, sql: "SELECT count(*) FROM blob_sources")
            }
            #expect(count == 0)
        }
    }

    @Test func `many writers and readers of two openings do not disturb each other`() async throws {
        try await withStore { store in
            let other = try await Store.open(at: store.root, tables: .all)
            try await withThrowingTaskGroup(of: Void.self) { group in
                for index in 0..<40 {
                    let target = index % 2 == 0 ? store : other
                    group.addTask {
                        try await target.database.write { db in
                            try db.execute(sql: "INSERT INTO blob_sources VALUES (?, 'r')", arguments: ["\(index)"])
                        }
                        _ = try await target.database.read { db in
                            try Int.fetchOne(db, sql: "SELECT count(*) FROM blob_sources")
                        }
                    }
                }
                try await group.waitForAll()
            }
            let count = try await store.database.read { db in
                try Int.fetchOne(db, sql: "SELECT count(*) FROM blob_sources")
            }
            #expect(count == 40)
        }
    }
}
