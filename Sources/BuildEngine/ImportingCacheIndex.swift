import BuildGraph
import RemoteCache
import Snapshots
import Synchronization

/// The build cache of the store, and beside it caches that a build reads.
///
/// What the store has comes first. A record of a remote cache becomes one of the store when a step is found by it, under the key that it
/// was found by and its canonical key alone: nothing that a remote cache says changes what another key leads to.
final class ImportingCacheIndex<Output: Sendable>: CacheIndex {
    private let stored: StoredCacheIndex<Output>
    private let imported: [ImportedCache]
    private let snapshots: LeasedSnapshots
    private let output: @Sendable (FileTree) -> Output
    /// Records of remote caches that were found, by the ids they got for this build.
    private let found = Mutex<[Int64: (cache: ImportedCache, record: ImportedCache.Found)]>([:])

    init(
        stored: StoredCacheIndex<Output>,
        imported: [ImportedCache],
        snapshots: LeasedSnapshots,
        output: @escaping @Sendable (FileTree) -> Output
    ) {
        self.stored = stored
        self.imported = imported
        self.snapshots = snapshots
        self.output = output
    }

    var hasForeignRecords: Bool { !imported.isEmpty }

    func record(for key: CacheKey) async throws -> CacheRecord? {
        let own = try await stored.record(for: key)
        if let own, try await stored.outputs(of: own) != nil { return own }
        let candidates = imported.compactMap { cache in cache.record(for: key).map { (cache, $0) } }
        guard let (cache, record) = candidates.first(where: { $0.1.outputs != nil }) ?? candidates.first else {
            return own
        }
        if record.outputs == nil, own != nil { return own }
        // A record of the store is reached by the keys that the store knows, whatever a remote cache takes for the same.
        if record.key != key, let other = try await stored.record(for: record.key),
            try await stored.outputs(of: other) != nil
        {
            return own
        }
        let id = found.withLock { found in
            let id = -Int64(found.count) - 2
            found[id] = (cache, record)
            return id
        }
        return CacheRecord(id: id, canonicalKey: record.key, source: cache.name)
    }

    func outputs(of record: CacheRecord) async throws -> [Output]? {
        guard record.source != nil else { return try await stored.outputs(of: record) }
        guard let (cache, record) = found.withLock({ $0[record.id] }), let layers = record.outputs else { return nil }
        var outputs: [Output] = []
        for layers in layers { outputs.append(output(try await snapshots.tree(of: layers, from: cache.name))) }
        return outputs
    }

    func alias(_ key: CacheKey, to record: CacheRecord) async throws {
        if record.source == nil { try await stored.alias(key, to: record) }
    }

    func save(_ outputs: [Output], _ entry: CacheEntry) async throws -> CacheRecord {
        try await stored.save(outputs, entry)
    }

    func latestEntry(slot: String) async throws -> CacheEntry? { try await stored.latestEntry(slot: slot) }

    func adopt(_ record: CacheRecord, _ outputs: [Output], foundBy key: CacheKey, _ entry: CacheEntry) async throws {
        let own = CacheEntry(
            canonicalKey: record.canonicalKey,
            aliases: key == record.canonicalKey ? entry.aliases : [key],
            name: entry.name,
            origin: entry.origin,
            description: entry.description,
            reason: entry.reason,
            created: entry.created
        )
        _ = try await stored.save(outputs, own)
    }
}
