import GRDB
import Snapshots
package import Storage

/// One record of the build cache, as `system df -v` and `builder prune` show it.
package struct CacheUsage: Sendable, Hashable, Identifiable {
    package let id: Int64
    /// The name of the step.
    package let name: String
    /// Seconds since 1970.
    package let created: Int64
    package let lastUsed: Int64
    package let usageCount: Int
    /// Bytes of the layer that the step made, which is the topmost of its outputs.
    package let size: Int64
    /// Whether an image or a container has that layer, too: removing the record gives nothing back.
    package let isShared: Bool
    /// The records whose layers its own are made on.
    package var parents: [Int64] = []
}

/// Which records of the build cache to remove.
package struct CachePruning: Sendable, Hashable {
    /// Also records whose layers images or containers have.
    package var all = false
    /// Only these records; nil for any.
    package var ids: Set<Int64>?
    /// Only records that nobody used since this moment, in seconds since 1970.
    package var unusedSince: Int64?
    /// Stop when the rest of the cache has no more than this many bytes of its own, the longest unused going first.
    package var keepBytes: Int64?

    package init() {}
}

extension Store {
    /// The records of the build cache, the longest unused first.
    package func buildCache() async throws -> [CacheUsage] {
        let held = held
        return try await database.read { db in try Self.cacheUsage(held, in: db) }
    }

    private static func cacheUsage(_ held: HeldContent, in db: Database) throws -> [CacheUsage] {
        let records = try CacheTable.Record.fetchAll(
            db,
            sql: "SELECT \(CacheTable.Record.columns) FROM cache_records ORDER BY last_used, id"
        )
        let made = try madeLayers(in: db)
        let usage = try LayerTable.usage(of: Set(made.values.joined()), held, in: db)
        let parents = try Self.parents(in: db)
        return records.map { record in
            let own = (made[record.id] ?? []).compactMap { usage[$0] }
            return CacheUsage(
                id: record.id,
                name: record.name,
                created: record.created,
                lastUsed: record.lastUsed,
                usageCount: record.usageCount,
                size: own.reduce(0) { $0 + $1.bytes },
                isShared: own.contains(where: \.isInUse),
                parents: parents[record.id] ?? []
            )
        }
    }

    /// For each record the topmost layer of each of its outputs.
    private static func madeLayers(in db: Database) throws -> [Int64: [LayerID]] {
        let rows = try CacheTable.Layer.fetchAll(
            db,
            sql: """
                SELECT \(CacheTable.Layer.columns) FROM cache_layers AS own WHERE position = (
                    SELECT max(position) FROM cache_layers WHERE record_id = own.record_id AND output = own.output)
                """
        )
        return rows.reduce(into: [:]) { $0[$1.record, default: []].append($1.layer) }
    }

    /// For each record those that have all of its layers but the topmost.
    private static func parents(in db: Database) throws -> [Int64: [Int64]] {
        let rows = try CacheTable.Layer.fetchCursor(
            db,
            sql: """
                SELECT \(CacheTable.Layer.columns) FROM cache_layers WHERE output = 0 ORDER BY record_id, position
                """
        )
        var layers: [Int64: [LayerID]] = [:]
        while let row = try rows.next() { layers[row.record, default: []].append(row.layer) }
        let owners = Dictionary(grouping: layers.keys.sorted(), by: { layers[$0] ?? [] })
        return layers.mapValues { $0.count > 1 ? owners[Array($0.dropLast())] ?? [] : [] }
    }

    /// Removes records of the build cache, and every layer and blob that nothing else needs then.
    ///
    /// A build that runs meanwhile keeps what it holds, and builds a step again whose record is gone.
    /// - Returns: the records that are gone, and what was removed with them.
    package func pruneBuildCache(
        _ pruning: CachePruning = CachePruning()
    ) async throws -> (records: [CacheUsage], garbage: CollectedGarbage) {
        let held = held
        let removed = try await database.write { db in
            let records = try Self.cacheUsage(held, in: db)
            var own = records.reduce(Int64(0)) { $0 + ($1.isShared ? 0 : $1.size) }
            var removed: [CacheUsage] = []
            let delete = try db.cachedStatement(sql: "DELETE FROM cache_records WHERE id = ?")
            for record in records where pruning.all || !record.isShared {
                if let ids = pruning.ids, !ids.contains(record.id) { continue }
                if let limit = pruning.unusedSince, record.lastUsed >= limit { continue }
                if let keep = pruning.keepBytes, own <= keep { break }
                try delete.execute(arguments: [record.id])
                if !record.isShared { own -= record.size }
                removed.append(record)
            }
            return removed
        }
        return (removed, try await collectGarbage())
    }
}
