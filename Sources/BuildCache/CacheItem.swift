import LinuxSystem
package import Storage
import Text

/// One thing that the build cache keeps: the result of a step, the directory of a cache mount, or a copy of a client's.
package struct CacheItem: Sendable, Identifiable {
    /// What it is in the store.
    package enum Kind: Sendable {
        case record(Int64)
        case directory(KeptDirectoryUsage)
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

    fileprivate init(_ directory: KeptDirectoryUsage) {
        let name = escapedForDisplay(directory.name)
        let (type, description) =
            switch directory.kind {
            case .cacheMount: ("exec.cachemount", "cached mount \(name)")
            case .sync: ("source.local", "local source for \(name)")
            }
        self.init(
            id: directory.id,
            type: type,
            description: description,
            size: directory.size,
            created: directory.created,
            lastUsed: directory.lastUsed,
            usageCount: nil,
            parents: [],
            isInUse: directory.isInUse,
            isShared: false,
            isMutable: true,
            kind: .directory(directory)
        )
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
        let directories = try await keptDirectories().map { CacheItem($0) }
        return (records + directories).sorted { ($0.lastUsed, $0.id) < ($1.lastUsed, $1.id) }
    }

    /// Removes what is not in use.
    /// - Returns: the ids of what is gone, and the bytes that gives back.
    package func remove(_ items: [CacheItem]) async throws -> (ids: [String], bytes: Int64) {
        var records: Set<Int64> = []
        var directories: [KeptDirectoryUsage] = []
        for item in items {
            switch item.kind {
            case .record(let id): records.insert(id)
            case .directory(let directory): directories.append(directory)
            }
        }
        let removed = try await remove(directories)
        var pruning = CachePruning()
        pruning.all = true
        pruning.ids = records
        let cache = try await pruneBuildCache(pruning)
        let ids = cache.records.map { "\($0.id)" } + removed.map(\.id)
        return (ids, removed.reduce(cache.garbage.bytes) { $0 + $1.size })
    }
}
