internal import Images
internal import LinuxSystem
internal import Storage
internal import SystemPackage

/// `slipway builder du`, and buildx's spelling of it.
struct BuildCacheUsageCommand: RunnableCommand {
    static let about = CommandSummary(usage: "", summary: "Disk usage", arguments: .none)
    static let flags: [Flag<BuildCacheUsageCommand>] = [
        .values("filter", \.filters, placeholder: "filter", help: "Provide filter values") {
            bytes throws(FlagValueError) in [try CacheFilter(parsing: bytes)]
        },
        .toggle("verbose", \.isVerbose, help: "Shows detailed output"),
    ]

    var arguments: [[UInt8]] = []
    var filters: [CacheFilter] = []
    var isVerbose = false

    func run(_ environment: SlipwayEnvironment) async throws -> CommandStatus {
        let engine = try await environment.engine()
        let now = environment.clock()
        let items = try await CacheItem.all(in: engine.store).filter {
            CacheFilter.allow(filters, $0, now: now.seconds)
        }
        await engine.store.close()
        let newest = items.sorted { ($1.lastUsed, $1.id) < ($0.lastUsed, $0.id) }
        var text = isVerbose ? newest.map { $0.details(now: now) }.joined() : table(newest, now: now)
        var totals = TextTable(minimumWidth: 0, padding: 2)
        let shared = items.filter(\.isShared).reduce(0) { $0 + $1.size }
        let total = items.reduce(0) { $0 + $1.size }
        if shared > 0 {
            totals.append(["Shared:", CacheItem.shown(shared)])
            totals.append(["Private:", CacheItem.shown(total - shared)])
        }
        totals.append(["Reclaimable:", CacheItem.shown(items.filter { !$0.isInUse }.reduce(0) { $0 + $1.size })])
        totals.append(["Total:", CacheItem.shown(total)])
        text += totals.rendered()
        try await environment.output.write(text)
        return .success
    }

    private func table(_ items: [CacheItem], now: FileTime) -> String {
        var table = TextTable()
        table.append(["ID", "RECLAIMABLE", "SIZE", "LAST ACCESSED"])
        for item in items {
            let size = CacheItem.shown(item.size) + (item.isShared ? "*" : "")
            let used = DurationText.ago(FileTime(seconds: item.lastUsed), now: now)
            table.append([item.id + (item.isMutable ? "*" : ""), "\(!item.isInUse)", size, used])
        }
        return table.rendered()
    }
}

/// `slipway builder prune`, and buildx's spelling of it.
struct PruneBuilderCommand: RunnableCommand {
    static let about = CommandSummary(usage: "", summary: "Remove build cache", arguments: .none)
    static let flags: [Flag<PruneBuilderCommand>] = [
        .toggle("all", short: "a", \.all, help: "Remove all build cache, also what images have too"),
        .values("filter", \.filters, placeholder: "filter", help: "Provide filter values (e.g., \"until=24h\")") {
            bytes throws(FlagValueError) in [try CacheFilter(parsing: bytes)]
        },
        .toggle("force", short: "f", \.force, help: "Do not prompt for confirmation"),
        .size("max-used-space", \.maxUsedSpace, help: "Maximum amount of disk space allowed to keep for cache"),
        .size("min-free-space", \.minFreeSpace, help: "Target amount of free disk space after pruning"),
        .size("reserved-space", \.reservedSpace, help: "Amount of disk space always allowed to keep for cache"),
        .size("keep-storage", \.reservedSpace, help: "Former name of --reserved-space").hidden,
    ]

    var arguments: [[UInt8]] = []
    var all = false
    var filters: [CacheFilter] = []
    var force = false
    var maxUsedSpace: Int64?
    var minFreeSpace: Int64?
    var reservedSpace: Int64?

    func run(_ environment: SlipwayEnvironment) async throws -> CommandStatus {
        let warning = "WARNING! This will remove all \(all ? "" : "dangling ")build cache."
        if !force, try await !environment.confirms(warning) { return .success }
        let engine = try await environment.engine()
        let free = try await onBlockingPool { [root = engine.store.root] in try FileSystemSpace(at: root).availableBytes
        }
        let now = environment.clock().seconds
        var kept = try await CacheItem.all(in: engine.store).sorted { ($0.lastUsed, $0.id) < ($1.lastUsed, $1.id) }
        var used = kept.reduce(0) { $0 + $1.ownSize }
        let limit = keptBytes(used: used, free: Int64(clamping: free))
        kept.removeAll { $0.isInUse || (!all && $0.isShared) || !CacheFilter.allow(filters, $0, now: now) }
        var doomed: [CacheItem] = []
        for item in kept where limit == 0 || used > limit {
            used -= item.ownSize
            doomed.append(item)
        }
        let (gone, bytes) = try await CacheItem.remove(doomed, from: engine.store)
        await engine.store.close()
        let list = gone.isEmpty ? "" : "Deleted build cache objects:\n" + gone.map { "\($0)\n" }.joined() + "\n"
        try await environment.output.write(list)
        try await environment.output.writeLine(PruneReport.total(bytes))
        return .success
    }

    /// BuildKit's rule: as much as `--max-used-space` allows, less where `--min-free-space` is not there, and never less than
    /// `--reserved-space`; 0 is no limit: everything goes.
    private func keptBytes(used: Int64, free: Int64) -> Int64 {
        var kept = maxUsedSpace ?? 0
        let missing = (minFreeSpace ?? 0).subtractingReportingOverflow(free).partialValue
        if missing > 0 { kept = kept == 0 ? max(1, used - missing) : min(kept, max(1, used - missing)) }
        return max(kept, reservedSpace ?? 0)
    }
}

extension Flag {
    fileprivate static func size(_ name: String, _ path: Path<Int64?>, help: String) -> Flag {
        .value(name, path, placeholder: "bytes", help: help) { bytes throws(FlagValueError) in
            try FlagValues.size(bytes, allowsUnlimited: false)
        }
    }
}

/// One thing that the build cache keeps: the result of a step, or the directory of a cache mount.
struct CacheItem: Sendable {
    enum Kind: Sendable {
        case record(Int64)
        case mount(CacheMountUsage)
    }

    let id: String
    /// BuildKit's word for it.
    let type: String
    let description: String
    let size: Int64
    let created: Int64
    let lastUsed: Int64
    let usageCount: Int?
    let isInUse: Bool
    /// Whether images have it too.
    let isShared: Bool
    let isMutable: Bool
    let kind: Kind

    /// What its removal gives back.
    var ownSize: Int64 { isShared ? 0 : size }

    static func all(in store: Store) async throws -> [CacheItem] {
        let records = try await store.buildCache().map { record in
            CacheItem(
                id: "\(record.id)",
                type: record.name.hasPrefix("[internal]") ? "internal" : "regular",
                description: record.name,
                size: record.size,
                created: record.created,
                lastUsed: record.lastUsed,
                usageCount: record.usageCount,
                isInUse: false,
                isShared: record.isShared,
                isMutable: false,
                kind: .record(record.id)
            )
        }
        let mounts = try await store.cacheMounts().map { mount in
            CacheItem(
                id: mount.id,
                type: "exec.cachemount",
                description: "cached mount \(escapedForDisplay(mount.name))",
                size: mount.size,
                created: mount.created,
                lastUsed: mount.lastUsed,
                usageCount: nil,
                isInUse: mount.isInUse,
                isShared: false,
                isMutable: true,
                kind: .mount(mount)
            )
        }
        return records + mounts
    }

    /// Removes what is not in use.
    /// - Returns: the ids of what is gone, and the bytes that gives back.
    static func remove(_ items: [CacheItem], from store: Store) async throws -> (ids: [String], bytes: Int64) {
        var records: Set<Int64> = []
        var mounts: [CacheMountUsage] = []
        for item in items {
            switch item.kind {
            case .record(let id): records.insert(id)
            case .mount(let mount): mounts.append(mount)
            }
        }
        let removed = try await store.removeCacheMounts(mounts)
        var pruning = CachePruning()
        pruning.all = true
        pruning.ids = records
        let cache = try await store.pruneBuildCache(pruning)
        let ids = cache.records.map { "\($0.id)" } + removed.map(\.id)
        return (ids, removed.reduce(cache.garbage.bytes) { $0 + $1.size })
    }

    static func shown(_ size: Int64) -> String { ByteCount.decimal(size, digits: 4) }

    /// What `du --verbose` says of it.
    func details(now: FileTime) -> String {
        var table = TextTable(minimumWidth: 0, padding: 2)
        table.append(["ID:", id])
        table.append(["Created at:", TimeText.listing(FileTime(seconds: created))])
        table.append(["Mutable:", "\(isMutable)"])
        table.append(["Reclaimable:", "\(!isInUse)"])
        table.append(["Shared:", "\(isShared)"])
        table.append(["Size:", Self.shown(size)])
        table.append(["Description:", description])
        if let usageCount { table.append(["Usage count:", "\(usageCount)"]) }
        table.append(["Last used:", DurationText.ago(FileTime(seconds: lastUsed), now: now)])
        table.append(["Type:", type])
        return table.rendered() + "\n"
    }
}

/// One `--filter` of `du` and `prune`; all of them must match.
enum CacheFilter: Sendable, Hashable {
    /// A part of the id.
    case id(String)
    case type(String)
    /// A part of the description.
    case description(String)
    case inUse(Bool)
    case mutable(Bool)
    case shared(Bool)
    /// Not used since: how long ago in seconds.
    case unused(Double)

    init(parsing bytes: [UInt8]) throws(FlagValueError) {
        let text = try FlagValues.text(bytes)
        let parts = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        let name = parts.first ?? ""
        let value = parts.count > 1 ? parts[1] : nil
        func isTrue() throws(FlagValueError) -> Bool {
            try value.map { v throws(FlagValueError) in try FlagValues.boolean(Array(v.utf8)) } ?? true
        }
        switch (name, value) {
        case ("id", let value?), ("id~", let value?): self = .id(value)
        case ("type", let value?): self = .type(value)
        case ("description", let value?), ("description~", let value?): self = .description(value)
        case ("until", let value?), ("unused-for", let value?):
            self = .unused(try FlagValues.seconds(Array(value.utf8)))
        case ("inuse", _): self = .inUse(try isTrue())
        case ("mutable", _): self = .mutable(try isTrue())
        case ("immutable", _): self = .mutable(try !isTrue())
        case ("shared", _): self = .shared(try isTrue())
        case ("private", _): self = .shared(try !isTrue())
        case ("id", nil), ("type", nil), ("description", nil), ("until", nil):
            throw FlagValueError("bad format of filter (expected name=value)")
        default:
            throw FlagValueError(
                "the filter \(name) is none of id, type, description, until, inuse, mutable, immutable, shared and private"
            )
        }
    }

    static func allow(_ filters: [CacheFilter], _ item: CacheItem, now: Int64) -> Bool {
        filters.allSatisfy { $0.matches(item, now: now) }
    }

    private func matches(_ item: CacheItem, now: Int64) -> Bool {
        switch self {
        case .id(let text): item.id.contains(text)
        case .type(let text): item.type == text
        case .description(let text): item.description.contains(text)
        case .inUse(let wanted): item.isInUse == wanted
        case .mutable(let wanted): item.isMutable == wanted
        case .shared(let wanted): item.isShared == wanted
        case .unused(let seconds): Double(now - item.lastUsed) >= seconds
        }
    }
}
