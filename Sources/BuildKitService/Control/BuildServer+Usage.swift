import BuildCache
import BuildKitProto
import LinuxSystem
import RPC
import SwiftProtobuf
import Terminal

extension BuildServer {
    /// What the build cache keeps.
    func diskUsage(
        _ question: Moby_Buildkit_V1_DiskUsageRequest
    ) async throws -> Moby_Buildkit_V1_DiskUsageResponse {
        let filters = try Self.filters(question.filter)
        let now = currentTime()
        let age = Double(question.ageLimit) / 1e9
        let items = try await store.cacheItems().filter { item in
            Double(now - item.lastUsed) >= age
                && (filters.isEmpty || filters.contains { CacheFilter.allow($0, item, now: now) })
        }
        return .with { $0.record = items.map { Moby_Buildkit_V1_UsageRecord($0) } }
    }

    /// Removes what a client asks to be removed, and tells what that was.
    func prune(
        _ question: Moby_Buildkit_V1_PruneRequest,
        to output: RPCOutput<Moby_Buildkit_V1_UsageRecord>
    ) async throws {
        var policy = CachePolicy()
        policy.all = question.all
        policy.alternatives = try Self.filters(question.filter)
        policy.keepDuration = Double(question.keepDuration) / 1e9
        policy.reservedSpace = question.reservedSpace
        policy.maxUsedSpace = question.maxUsedSpace
        policy.minFreeSpace = question.minFreeSpace
        let before = Dictionary(uniqueKeysWithValues: try await store.cacheItems().map { ($0.id, $0) })
        for id in try await store.prune([policy]).ids {
            if let item = before[id] { try await output.write(Moby_Buildkit_V1_UsageRecord(item)) }
        }
    }

    /// Filters of which one must match; within one, commas mean that all must.
    private static func filters(_ texts: [String]) throws -> [[CacheFilter]] {
        try texts.map { text in
            try text.split(separator: ",").map { part in
                do throws(FlagValueError) { return try CacheFilter(text: String(part)) } catch {
                    throw ServiceError.invalidFilter(text)
                }
            }
        }
    }
}

extension Moby_Buildkit_V1_UsageRecord {
    init(_ item: CacheItem) {
        self.init()
        id = item.id
        mutable = item.isMutable
        inUse = item.isInUse
        size = item.size
        parents = item.parents
        createdAt.seconds = item.created
        lastUsedAt.seconds = item.lastUsed
        usageCount = Int64(item.usageCount ?? 0)
        description_p = item.description
        recordType = item.type
        shared = item.isShared
    }
}

extension Moby_Buildkit_V1_Types_GCPolicy {
    init(_ policy: CachePolicy) {
        self.init()
        all = policy.all
        keepDuration = Int64(policy.keepDuration * 1e9)
        reservedSpace = policy.reservedSpace
        maxUsedSpace = policy.maxUsedSpace
        minFreeSpace = policy.minFreeSpace
    }
}
