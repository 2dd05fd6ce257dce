internal import BuildKitProto
package import LinuxSystem
internal import SwiftProtobuf

extension RemoteBuilder {
    /// What a daemon says of one of its workers.
    package struct Worker: Sendable, Hashable {
        package let id: String
        package let labels: [String: String]
        package let platforms: [String]
        package let version: String
    }

    /// The workers of the daemon.
    /// - Throws: `RemoteFailure`, `LostDaemon`.
    package func workers() async throws -> [Worker] {
        let answer: Moby_Buildkit_V1_ListWorkersResponse = try await ask(
            Self.control,
            "ListWorkers",
            Moby_Buildkit_V1_ListWorkersRequest()
        )
        return answer.record.map { record in
            Worker(
                id: record.id,
                labels: record.labels,
                platforms: record.platforms.map { platform in
                    [platform.os, platform.architecture, platform.variant].filter { !$0.isEmpty }.joined(separator: "/")
                },
                version: record.buildkitVersion.version
            )
        }
    }

    /// A piece of the build cache of a daemon.
    package struct CacheRecord: Sendable, Hashable {
        package let id: String
        package let parents: [String]
        package let created: FileTime
        package let lastUsed: FileTime
        package let usageCount: Int
        package let size: Int64
        package let isMutable: Bool
        package let isInUse: Bool
        package let isShared: Bool
        package let description: String
        package let type: String

        init(_ record: Moby_Buildkit_V1_UsageRecord) {
            id = record.id
            parents = record.parents.isEmpty ? [record.parent].filter { !$0.isEmpty } : record.parents
            created = FileTime(seconds: record.createdAt.seconds)
            let used = record.hasLastUsedAt ? record.lastUsedAt : record.createdAt
            lastUsed = FileTime(seconds: used.seconds)
            usageCount = Int(record.usageCount)
            size = record.size
            isMutable = record.mutable
            isInUse = record.inUse
            isShared = record.shared
            description = record.description_p
            type = record.recordType
        }
    }

    /// The build cache of the daemon.
    /// - Parameter filters: which records, as BuildKit writes filters.
    /// - Returns: the records.
    /// - Throws: `RemoteFailure`, `LostDaemon`.
    package func diskUsage(_ filters: [String]) async throws -> [CacheRecord] {
        let answer: Moby_Buildkit_V1_DiskUsageResponse = try await ask(
            Self.control,
            "DiskUsage",
            Moby_Buildkit_V1_DiskUsageRequest.with { $0.filter = filters }
        )
        return answer.record.map { CacheRecord($0) }
    }

    /// What is to be removed of a build cache.
    package struct Pruning: Sendable, Hashable {
        package var all = false
        package var filters: [String] = []
        /// In seconds.
        package var keepDuration: Double = 0
        package var reservedSpace: Int64 = 0
        package var maxUsedSpace: Int64 = 0
        package var minFreeSpace: Int64 = 0

        package init() {}
    }

    /// Removes records of the build cache.
    /// - Parameters:
    ///   - pruning: which.
    ///   - removed: is told each that is gone.
    /// - Throws: `RemoteFailure`, `LostDaemon`; else what `removed` throws.
    package func prune(
        _ pruning: Pruning,
        _ removed: @escaping @Sendable (CacheRecord) async throws -> Void
    ) async throws {
        let question = Moby_Buildkit_V1_PruneRequest.with {
            $0.all = pruning.all
            $0.filter = pruning.filters
            $0.keepDuration = Int64(pruning.keepDuration * 1e9)
            $0.reservedSpace = pruning.reservedSpace
            $0.maxUsedSpace = pruning.maxUsedSpace
            $0.minFreeSpace = pruning.minFreeSpace
        }
        try await listen("Prune", question) { (record: Moby_Buildkit_V1_UsageRecord) in
            try await removed(CacheRecord(record))
        }
    }
}
