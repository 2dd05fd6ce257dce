package import BuildGraph
import FoundationEssentials
import GRDB
import LinuxSystem
package import OCI
package import Operations
import Snapshots
package import Storage
import Synchronization

/// The build cache in the store's database: keys, the records they lead to, and the layers of the records' results.
///
/// Layers of a record live as long as the record does. What a record's key was made of is kept beside it, for `explain`.
package final class StoredCacheIndex: CacheIndex {
    package typealias Output = BuildOutput

    private let store: Store
    private let lease: Lease
    private let canFetch: @Sendable (Digest) -> Bool
    /// Records that were used and are not marked so yet.
    private let used = Mutex<Set<Int64>>([])
    /// Layers that were there after the lease held them, and so stay: those of a step are among those of each step above it.
    private let secured = Mutex<Set<LayerID>>([])

    /// - Parameters:
    ///   - store: where the cache is.
    ///   - lease: what holds the results that are found.
    ///   - canFetch: whether a blob that only a remote cache has can be had of it now.
    package init(
        store: Store,
        lease: Lease,
        canFetch: @escaping @Sendable (Digest) -> Bool = { _ in false }
    ) {
        self.store = store
        self.lease = lease
        self.canFetch = canFetch
    }

    package func record(for key: CacheKey) async throws -> CacheRecord? {
        try await store.database.read { db in
            let statement = try db.cachedStatement(
                sql: """
                    SELECT r.id, r.canonical_key AS canonicalKey FROM cache_keys k JOIN cache_records r ON r.id = k.record_id
                    WHERE k.key = ?
                    """
            )
            return try CacheTable.Found.fetchOne(statement, arguments: [key.digest]).map {
                CacheRecord(id: $0.id, canonicalKey: CacheKey($0.canonicalKey))
            }
        }
    }

    package func outputs(of record: CacheRecord, needed: Set<Int>?) async throws -> [BuildOutput?]? {
        guard record.source == nil, let found = try await layers(of: record) else { return nil }
        if !found.unsecured.isEmpty {
            // Held first and asked again: what is there then stays.
            try await lease.hold(found.unsecured.map { .layer($0) })
            guard let again = try await layers(of: record), again.outputs == found.outputs else { return nil }
            secured.withLock { $0.formUnion(again.present) }
        }
        _ = used.withLock { $0.insert(record.id) }
        return found.outputs.map { .tree(FileTree(layers: $0)) }
    }

    /// The layers of a record's result.
    private struct FoundLayers {
        /// Of each output.
        var outputs: [[LayerID]]
        /// Those that might go.
        var unsecured: Set<LayerID>
        /// Those of them whose content is in the store.
        var present: [LayerID] = []
    }

    /// The layers of each output; nil if the record or a layer's content is gone.
    private func layers(of record: CacheRecord) async throws -> FoundLayers? {
        try await store.database.read { [self] db in
            let kept = try db.cachedStatement(sql: "SELECT outputs FROM cache_records WHERE id = ?")
            guard let content = try Data.fetchOne(kept, arguments: [record.id]),
                let counts = try? JSONDecoder().decode(KeptCounts.self, from: content).layerCounts
            else { return nil }
            let layers = try db.cachedStatement(
                sql: """
                    SELECT \(CacheTable.Layer.columns) FROM cache_layers WHERE record_id = ? ORDER BY output, position
                    """
            )
            let rows = try CacheTable.Layer.fetchAll(layers, arguments: [record.id])
            var found = FoundLayers(
                outputs: [[LayerID]](repeating: [], count: counts.count),
                unsecured: secured.withLock { secured in
                    rows.reduce(into: []) { if !secured.contains($1.layer) { $0.insert($1.layer) } }
                }
            )
            if !found.unsecured.isEmpty {
                let presence = try LayerTable.presence(of: found.unsecured, in: db)
                for layer in found.unsecured {
                    switch presence[layer] {
                    case .present: found.present.append(layer)
                    case .remote(let blob): if !canFetch(blob) { return nil }
                    case .absent, nil: return nil
                    }
                }
            }
            for row in rows {
                guard found.outputs.indices.contains(row.output) else { return nil }
                found.outputs[row.output].append(row.layer)
            }
            return found.outputs.map(\.count) == counts ? found : nil
        }
    }

    package func alias(_ key: CacheKey, to record: CacheRecord) async throws {
        try await store.database.writeLazily { db in
            let known = try db.cachedStatement(sql: "SELECT 1 FROM cache_records WHERE id = ?")
            guard try Bool.fetchOne(known, arguments: [record.id]) != nil else { return }
            try Self.insertKey(key, record.id, in: db)
        }
    }

    package func save(_ outputs: [BuildOutput], _ entry: CacheEntry) async throws -> CacheRecord {
        let trees = outputs.map(\.tree)
        guard !trees.contains(nil) else {
            // Nothing that could be found again: the result is used by this build only.
            return CacheRecord(id: -1, canonicalKey: entry.canonicalKey)
        }
        let layers = trees.compactMap { $0?.layers }
        let (kept, contents) = KeptEntry.split(entry, layerCounts: layers.map(\.count))
        let content = Data(try StrictJSON.encode(kept))
        return try await store.database.writeLazily { db in
            try db.execute(
                sql: "DELETE FROM cache_records WHERE canonical_key = ?",
                arguments: [entry.canonicalKey.digest]
            )
            let now = currentTime()
            try db.execute(
                sql: """
                    INSERT INTO cache_records (canonical_key, slot, name, outputs, created, last_used)
                    VALUES (?, ?, ?, ?, ?, ?)
                    """,
                arguments: [entry.canonicalKey.digest, entry.origin?.slot, entry.name, content, now, now]
            )
            let id = db.lastInsertedRowID
            for key in [entry.canonicalKey] + entry.aliases { try Self.insertKey(key, id, in: db) }
            try Self.insert(layers, of: id, in: db)
            try Self.insert(contents, of: id, in: db)
            return CacheRecord(id: id, canonicalKey: entry.canonicalKey)
        }
    }

    package func latestEntry(slot: String) async throws -> CacheEntry? {
        try await store.database.read { db in
            let latest = try db.cachedStatement(
                sql: "SELECT id, outputs FROM cache_records WHERE slot = ? ORDER BY id DESC LIMIT 1"
            )
            guard let kept = try CacheTable.Kept.fetchOne(latest, arguments: [slot]) else { return nil }
            let content = try db.cachedStatement(
                sql: """
                    SELECT e.entries FROM cache_contents c JOIN content_entries e ON e.digest = c.digest
                    WHERE c.record_id = ? AND c.input = ?
                    """
            )
            return try JSONDecoder().decode(KeptEntry.self, from: kept.outputs).entry { input in
                try Data.fetchOne(content, arguments: [kept.id, input])
                    .map { PackedContentEntries.unpack(Array($0)) } ?? []
            }
        }
    }

    /// Notes in the database which records were used since the last call, so that the longest unused are pruned first.
    package func markUsed() async throws {
        let records = used.withLock { used in
            defer { used = [] }
            return used
        }
        if records.isEmpty { return }
        let now = currentTime()
        // To the hour is precise enough, and a build in which nothing ran then writes nothing.
        let list = records.sorted().map(String.init).joined(separator: ",")
        let stale = try await store.database.read { db in
            try Int.fetchOne(
                db,
                sql: "SELECT count(*) FROM cache_records WHERE id IN (\(list)) AND last_used < ?",
                arguments: [now - 3600]
            )
        }
        guard let stale, stale > 0 else { return }
        try await store.database.writeLazily { db in
            try db.execute(
                sql: "UPDATE cache_records SET last_used = ?, usage_count = usage_count + 1 WHERE id IN (\(list))",
                arguments: [now]
            )
        }
    }

    private static func insertKey(_ key: CacheKey, _ record: Int64, in db: Database) throws {
        let insert = try db.cachedStatement(
            sql: """
                INSERT INTO cache_keys (key, record_id) VALUES (?, ?)
                ON CONFLICT (key) DO UPDATE SET record_id = excluded.record_id
                """
        )
        try insert.execute(arguments: [key.digest, record])
    }

    private static func insert(_ outputs: [[LayerID]], of record: Int64, in db: Database) throws {
        let insert = try db.cachedStatement(
            sql: "INSERT INTO cache_layers (record_id, output, position, layer_id) VALUES (?, ?, ?, ?)"
        )
        for (index, layers) in outputs.enumerated() {
            for (position, layer) in layers.enumerated() {
                try insert.execute(arguments: [record, index, position, layer])
            }
        }
    }

    private static func insert(_ contents: [KeptEntry.Content], of record: Int64, in db: Database) throws {
        let keep = try db.cachedStatement(
            sql: "INSERT INTO content_entries (digest, entries) VALUES (?, ?) ON CONFLICT (digest) DO NOTHING"
        )
        let insert = try db.cachedStatement(
            sql: "INSERT INTO cache_contents (record_id, input, digest) VALUES (?, ?, ?)"
        )
        for (input, digest, packed) in contents {
            try keep.execute(arguments: [digest, Data(packed)])
            try insert.execute(arguments: [record, input, digest])
        }
    }
}

/// What finding a result needs of a kept entry: decoding all of it takes longer than the rest of the look-up.
private struct KeptCounts: Decodable {
    let layerCounts: [Int]
}

/// A cache entry as it is kept: the long lists of files are kept apart, once for each content.
private struct KeptEntry: Codable {
    let canonicalKey: CacheKey
    let aliases: [CacheKey]
    let name: String
    let origin: StepOrigin?
    let description: KeyDescription
    let reason: MissReason
    let created: Timestamp
    /// How many layers each output has.
    let layerCounts: [Int]

    typealias Content = (input: Int, digest: Digest, packed: [UInt8])

    static func split(_ entry: CacheEntry, layerCounts: [Int]) -> (kept: KeptEntry, contents: [Content]) {
        var description = entry.description
        var contents: [Content] = []
        for (index, input) in description.inputs.enumerated() {
            guard case .content(let key, let selector) = input.contribution, !key.entries.isEmpty else { continue }
            contents.append((index, key.digest, PackedContentEntries.pack(key.entries)))
            description.inputs[index] = InputDescription(
                step: input.step,
                slot: input.slot,
                contribution: .content(ContentKey(digest: key.digest), selector: selector)
            )
        }
        let kept = KeptEntry(
            canonicalKey: entry.canonicalKey,
            aliases: entry.aliases,
            name: entry.name,
            origin: entry.origin,
            description: description,
            reason: entry.reason,
            created: entry.created,
            layerCounts: layerCounts
        )
        return (kept, contents)
    }

    func entry(_ entries: (_ input: Int) throws -> [ContentEntry]) rethrows -> CacheEntry {
        var description = description
        for (index, input) in description.inputs.enumerated() {
            guard case .content(let key, let selector) = input.contribution else { continue }
            description.inputs[index] = InputDescription(
                step: input.step,
                slot: input.slot,
                contribution: .content(ContentKey(digest: key.digest, entries: try entries(index)), selector: selector)
            )
        }
        return CacheEntry(
            canonicalKey: canonicalKey,
            aliases: aliases,
            name: name,
            origin: origin,
            description: description,
            reason: reason,
            created: created
        )
    }
}
