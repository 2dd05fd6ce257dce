import BuildCache
import BuildGraph
import GRDB
import Glibc
import Images
import LinuxSystem
import OCI
import Snapshots
import Storage
import SystemPackage
import Testing

/// Lends a store with layers, images and a build cache, which is removed when the test is over.
private func withStore(_ body: (Store) async throws -> Void) async throws {
    var template = Array("/tmp/slipway-cache-XXXXXX".utf8CString)
    guard mkdtemp(&template) != nil else { throw SystemCallError("mkdtemp", errno: Errno(rawValue: errno)) }
    let root = FilePath(platformString: template)
    let tables = StoreTables([LayerTable.self, ImageTable.self, CacheTable.self])
    let result: Result<Void, any Error>
    do {
        let store = try await Store.open(at: root.appending("store"), tables: tables)
        try await body(store)
        await store.close()
        result = .success(())
    } catch {
        result = .failure(error)
    }
    try await onBlockingPool { try removeTree(root) }
    try result.get()
}

@Suite struct `The build cache on disk` {
    /// Keeps a record that was last used at a time and made a layer of 100 bytes on top of another.
    private func addRecord(_ number: Int, lastUsed: Int, base: Int64?, in store: Store) async throws -> LayerID {
        try await store.database.write { db in
            try db.execute(
                sql: "INSERT INTO layers (unpacked, size, created, last_used) VALUES (1, 100, 0, 0)"
            )
            let layer = LayerID(rawValue: db.lastInsertedRowID)
            try HostFiles.createDirectories(store.layout.snapshot(layer).appending("fs"))
            try db.execute(
                sql: """
                    INSERT INTO cache_records (canonical_key, name, outputs, created, last_used)
                    VALUES (?, ?, x'', 0, ?)
                    """,
                arguments: ["key-\(number)", "step \(number)", lastUsed]
            )
            let record = db.lastInsertedRowID
            for (position, id) in ([base, layer.rawValue].compactMap(\.self)).enumerated() {
                try db.execute(sql: "INSERT INTO cache_layers VALUES (?, 0, ?, ?)", arguments: [record, position, id])
            }
            return layer
        }
    }

    private func names(_ records: [CacheUsage]) -> [String] { records.map(\.name) }

    @Test func `records tell the size of what they made, the longest unused first`() async throws {
        try await withStore { store in
            let base = try await addRecord(1, lastUsed: 20, base: nil, in: store)
            _ = try await addRecord(2, lastUsed: 10, base: base.rawValue, in: store)
            let records = try await store.buildCache()
            #expect(names(records) == ["step 2", "step 1"])
            #expect(records.map(\.size) == [100, 100])
            #expect(try await store.diskUsage().cacheLayers == 200)
        }
    }

    @Test func `a record whose key is not a digest is reported as damage of the database`() async throws {
        try await withStore { store in
            _ = try await addRecord(1, lastUsed: 5, base: nil, in: store)
            let key = Digest.sha256(of: Array("what leads to it".utf8))
            try await store.database.write { db in
                try db.execute(
                    sql: "INSERT INTO cache_keys SELECT ?, id FROM cache_records",
                    arguments: [key.description]
                )
            }
            try await store.withLease { lease in
                let index = StoredCacheIndex(store: store, lease: lease)
                await #expect {
                    _ = try await index.record(for: CacheKey(key))
                } throws: { error in
                    guard case StorageError.databaseDamaged(let path, _) = error else { return false }
                    return path.lastComponent?.string == "slipway.db"
                }
            }
        }
    }

    @Test func `prune removes what was not used for a while, and keeps what it stands on`() async throws {
        try await withStore { store in
            let base = try await addRecord(1, lastUsed: 5, base: nil, in: store)
            _ = try await addRecord(2, lastUsed: 20, base: base.rawValue, in: store)
            _ = try await addRecord(3, lastUsed: 5, base: base.rawValue, in: store)
            var pruning = CachePruning()
            pruning.unusedSince = 10
            let (records, garbage) = try await store.pruneBuildCache(pruning)
            #expect(names(records) == ["step 1", "step 3"])
            // The first layer is still below that of the second step.
            #expect(garbage.bytes == 100)
            #expect(try await store.check(full: true).problems.allSatisfy { "\($0)".contains("has no blob") })
        }
    }

    @Test func `prune stops at the size to keep`() async throws {
        try await withStore { store in
            for number in 1...5 { _ = try await addRecord(number, lastUsed: number, base: nil, in: store) }
            var pruning = CachePruning()
            pruning.keepBytes = 250
            #expect(names(try await store.pruneBuildCache(pruning).records) == ["step 1", "step 2", "step 3"])
            #expect(try await store.diskUsage().cacheLayers == 200)
        }
    }

    @Test func `what images have too goes only with all`() async throws {
        try await withStore { store in
            let layer = try await addRecord(1, lastUsed: 1, base: nil, in: store)
            try await store.database.write { db in
                try db.execute(
                    sql: "INSERT INTO images (id, os, architecture, stored) VALUES ('i', 'linux', 'amd64', 0)"
                )
                try db.execute(sql: "INSERT INTO image_layers VALUES ('i', 0, ?)", arguments: [layer])
            }
            #expect(try await store.pruneBuildCache().records.isEmpty)
            var pruning = CachePruning()
            pruning.all = true
            let (records, garbage) = try await store.pruneBuildCache(pruning)
            #expect(names(records) == ["step 1"])
            #expect(garbage.layers.isEmpty)
        }
    }
}

@Suite struct `The history of builds` {
    private func record(_ id: String, second: Int64, log: Digest? = nil, isPinned: Bool = false) -> BuildRecord {
        var client = ClientRecord(frontend: "", attributes: [:], outputs: [])
        client.log = log.map { Descriptor(mediaType: MediaType(rawValue: "x"), digest: $0, size: 1) }
        client.isPinned = isPinned
        let time = Timestamp(nanoseconds: second * 1_000_000_000)
        return BuildRecord(
            id: id,
            started: time,
            completed: time,
            status: .completed,
            name: "",
            client: client
        )
    }

    @Test func `keeps what is new enough or among the last, and what is pinned`() async throws {
        try await withStore { store in
            var limits = BuildHistory.Limits()
            (limits.entries, limits.age) = (2, 100)
            let history = BuildHistory(store: store, limits: limits)
            try await history.add(record("pinned", second: 1, isPinned: true))
            for second in [2, 3, 300, 310, 320] { try await history.add(record("\(second)", second: Int64(second))) }
            #expect(try await history.ofClients().map(\.id) == ["320", "310", "300", "pinned"])
            try await history.update("pinned") { $0.isPinned = false }
            try await history.add(record("1000", second: 1000))
            #expect(try await history.ofClients().map(\.id) == ["1000", "320"])
        }
    }

    @Test func `holds the blobs of its builds as long as it has them`() async throws {
        try await withStore { store in
            let history = BuildHistory(store: store)
            let (first, second) = try await store.withLease { lease in
                let first = try await store.blobs.put(Array("first".utf8), in: lease)
                let second = try await store.blobs.put(Array("second".utf8), in: lease)
                try await history.add(record("a", second: 1, log: first))
                return (first, second)
            }
            _ = try await store.collectGarbage()
            #expect(try await store.blobs.present(among: [first, second]) == [first])
            #expect(try await history.remove("a"))
            #expect(try await !history.remove("a"))
            _ = try await store.collectGarbage()
            #expect(try await store.blobs.present(among: [first, second]).isEmpty)
        }
    }

    @Test func `reads the records of versions that knew no clients`() async throws {
        try await withStore { store in
            try await store.database.write { db in
                try db.execute(
                    sql: """
                        INSERT INTO build_history VALUES ('0a', 1, 2, 'completed', 'x', 'x', NULL, ?)
                        """,
                    arguments: [
                        #"{"id":"0a","started":{"nanoseconds":1},"completed":{"nanoseconds":2},"status":"completed","#
                            + #""name":"x","steps":[]}"#
                    ]
                )
            }
            let history = BuildHistory(store: store)
            #expect(try await history.find("0")?.name == "x")
            #expect(try await history.ofClients().isEmpty)
            #expect(try await history.update("0a") { $0.isPinned = true } == nil)
        }
    }
}
