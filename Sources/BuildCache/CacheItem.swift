import LinuxSystem
package import Storage
import Text

/// One thing that the build cache keeps: the result of a step, or the directory of a cache mount.
package struct CacheItem: Sendable, Identifiable {
    /// What it is in the store.
    package enum Kind: Sendable {
        case record(Int64)
        case mount(CacheMountUsage)
    }

    package let id: String
    /// BuildKit's word for it.
    package let type: String
    package let description: String
    package let size: Int64
    /// Seconds since 1970.
    package let created: Int64
    package let lastUsed: Int64
    package let usageCount: Int?
    /// Of records: the ids of those whose layers it is made on.
    package let parents: [String]
    package let isInUse: Bool
    /// Whether images have it too.
    package let isShared: Bool
    package let isMutable: Bool
    package let kind: Kind

    package init(
        id: String,
        type: String,
        description: String,
        size: Int64,
        created: Int64,
        lastUsed: Int64,
        usageCount: Int?,
        parents: [String],
        isInUse: Bool,
        isShared: Bool,
        isMutable: Bool,
        kind: Kind
    ) {
        self.id = id
        self.type = type
        self.description = description
        self.size = size
        self.created = created
        self.lastUsed = lastUsed
        self.usageCount = usageCount
        self.parents = parents
        self.isInUse = isInUse
        self.isShared = isShared
        self.isMutable = isMutable
        self.kind = kind
    }

    /// What its removal gives back.
    package var ownSize: Int64 { isShared ? 0 : size }
}

extension Store {
    /// Everything that the build cache keeps, the longest unused first.
    package func cacheItems() async throws -> [CacheItem] {
        let records = try await buildCache().map { record in
            CacheItem(
                id: "\(record.id)",
                type: record.name.hasPrefix("[internal]") ? "internal" : "regular",
                description: record.name,
                size: record.size,
                created: record.created,
                lastUsed: record.lastUsed,
                usageCount: record.usageCount,
                parents: record.parents.map { "\($0)" },
                isInUse: false,
                isShared: record.isShared,
                isMutable: false,
                kind: .record(record.id)
            )
        }
        let mounts = try await cacheMounts().map { mount in
            CacheItem(
                id: mount.id,
                type: "exec.cachemount",
                description: "cached mount \(escapedForDisplay(mount.name))",
                size: mount.size,
                created: mount.created,
                lastUsed: mount.lastUsed,
                usageCount: nil,
                parents: [],
                isInUse: mount.isInUse,
                isShared: false,
                isMutable: true,
                kind: .mount(mount)
            )
        }
        return (records + mounts).sorted { ($0.lastUsed, $0.id) < ($1.lastUsed, $1.id) }
    }

    /// Removes what is not in use.
    /// - Returns: the ids of what is gone, and the bytes that gives back.
    package func remove(_ items: [CacheItem]) async throws -> (ids: [String], bytes: Int64) {
        var records: Set<Int64> = []
        var mounts: [CacheMountUsage] = []
        for item in items {
            switch item.kind {
            case .record(let id): records.insert(id)
            case .mount(let mount): mounts.append(mount)
            }
        }
        let removed = try await removeCacheMounts(mounts)
        var pruning = CachePruning()
        pruning.all = true
        pruning.ids = records
        let cache = try await pruneBuildCache(pruning)
        let ids = cache.records.map { "\($0.id)" } + removed.map(\.id)
        return (ids, removed.reduce(cache.garbage.bytes) { $0 + $1.size })
    }
}
