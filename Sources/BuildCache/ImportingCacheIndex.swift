package import BuildGraph
package import Operations
package import RemoteCache
package import Snapshots
import Synchronization

/// The build cache of the store, and beside it caches that a build reads.
///
/// What the store has comes first. A record of a remote cache becomes one of the store when a step is found by it, under the key that it
/// was found by and its canonical key alone: nothing that a remote cache says changes what another key leads to.
package final class ImportingCacheIndex: CacheIndex {
    package typealias Output = BuildOutput

    private let stored: StoredCacheIndex
    private let imported: [ImportedCache]
    private let snapshots: LeasedSnapshots
    /// Records of remote caches that were found, by the ids they got for this build.
    private let found = Mutex<[Int64: (cache: ImportedCache, record: ImportedCache.Found)]>([:])

    package init(stored: StoredCacheIndex, imported: [ImportedCache], snapshots: LeasedSnapshots) {
        self.stored = stored
        self.imported = imported
        self.snapshots = snapshots
    }

    package var hasForeignRecords: Bool { !imported.isEmpty }

    package func record(for key: CacheKey) async throws -> CacheRecord? {
        let own = try await stored.record(for: key)
        if let own, try await stored.outputs(of: own) != nil { return own }
        // Of several caches that know the step, the first that has most of it.
        var best: (cache: ImportedCache, record: ImportedCache.Found)?
        for cache in imported {
            guard let record = cache.record(for: key) else { continue }
            if let known = best, record.presentOutputs <= known.record.presentOutputs { continue }
            best = (cache, record)
        }
        guard let (cache, record) = best else { return own }
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

    package func outputs(of record: CacheRecord, needed: Set<Int>?) async throws -> [BuildOutput?]? {
        guard record.source != nil else { return try await stored.outputs(of: record, needed: needed) }
        guard let (cache, record) = found.withLock({ $0[record.id] }), let trees = record.outputs,
            trees.indices.allSatisfy({ trees[$0] != nil || needed?.contains($0) == false })
        else { return nil }
        var outputs: [BuildOutput?] = []
        for layers in trees {
            guard let layers else {
                outputs.append(nil)
                continue
            }
            outputs.append(.tree(try await snapshots.tree(of: layers, from: cache.name)))
        }
        return outputs
    }

    package func alias(_ key: CacheKey, to record: CacheRecord) async throws {
        if record.source == nil { try await stored.alias(key, to: record) }
    }

    package func save(_ outputs: [BuildOutput], _ entry: CacheEntry) async throws -> CacheRecord {
        try await stored.save(outputs, entry)
    }

    package func latestEntry(slot: String) async throws -> CacheEntry? { try await stored.latestEntry(slot: slot) }

    package func adopt(_ record: CacheRecord, _ outputs: [BuildOutput?], foundBy key: CacheKey, _ entry: CacheEntry)
        async throws
    {
        let there = outputs.compactMap(\.self)
        // A record of the store has all of its outputs.
        guard there.count == outputs.count else { return }
        let own = CacheEntry(
            canonicalKey: record.canonicalKey,
            aliases: key == record.canonicalKey ? entry.aliases : [key],
            name: entry.name,
            origin: entry.origin,
            description: entry.description,
            reason: entry.reason,
            created: entry.created
        )
        _ = try await stored.save(there, own)
    }
}
