internal import BuildCache
internal import BuildKitService
internal import GoTemplate
internal import Images
internal import LinuxSystem
internal import Storage
internal import SystemPackage
internal import Terminal
internal import Text

/// `slipway builder du`, and buildx's spelling of it.
struct BuildCacheUsageCommand: RunnableCommand {
    static let about = CommandSummary(usage: "", summary: "Disk usage", arguments: .none)
    static let flags: [Flag<BuildCacheUsageCommand>] = [
        .values("filter", \.filters, placeholder: "filter", help: "Provide filter values") {
            bytes throws(FlagValueError) in [try CacheFilter(parsing: bytes)]
        },
        .format(\.format),
        .toggle("verbose", \.isVerbose, help: "Shows detailed output"),
    ]

    private static let columns = [
        Listing.Column("ID", "ID"), Listing.Column("Reclaimable", "RECLAIMABLE"), Listing.Column("Size", "SIZE"),
        Listing.Column("LastUsedAt", "LAST ACCESSED"),
    ]
    private static let headers = [
        "ID": "ID", "Parents": "PARENTS", "CreatedAt": "CREATED AT", "Mutable": "MUTABLE", "Reclaimable": "RECLAIMABLE",
        "Shared": "SHARED", "Size": "SIZE", "Description": "DESCRIPTION", "UsageCount": "USAGE COUNT",
        "LastUsedAt": "LAST ACCESSED", "Type": "TYPE",
    ]

    var arguments: [[UInt8]] = []
    var filters: [CacheFilter] = []
    var format: String?
    var isVerbose = false

    func run(_ environment: SlipwayEnvironment) async throws -> CommandStatus {
        let listing = try format.map { text throws(TemplateError) in
            Listing(try ListingFormat(text, columns: Self.columns), type: "*du.context", headers: Self.headers)
        }
        if listing != nil, isVerbose { throw CommandFailure("ERROR: --format and --verbose cannot be used together") }
        let engine = try await environment.engine(freesSpace: true)
        let now = environment.clock()
        let items = try await engine.store.cacheItems().filter {
            CacheFilter.allow(filters, $0, now: now.seconds)
        }
        await engine.store.close()
        let newest = items.sorted { ($1.lastUsed, $1.id) < ($0.lastUsed, $0.id) }
        if let listing {
            let rows: [(fields: [String: TemplateValue], methods: [String: TemplateRecord.Method])] = newest.map {
                ($0.fields(now: now), [:])
            }
            try await listing.write(rows, to: environment.output)
            return .success
        }
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
        .toggle("policies", \.usesPolicies, help: "Remove what the configuration says").hidden,
        .size("keep-storage", \.reservedSpace, help: "Former name of --reserved-space").hidden,
    ]

    var arguments: [[UInt8]] = []
    var all = false
    var filters: [CacheFilter] = []
    var force = false
    var maxUsedSpace: Int64?
    var minFreeSpace: Int64?
    var reservedSpace: Int64?
    /// As Slipway does by itself now and then.
    var usesPolicies = false

    func run(_ environment: SlipwayEnvironment) async throws -> CommandStatus {
        let warning = "WARNING! This will remove all \(all ? "" : "dangling ")build cache."
        if !force, try await !environment.confirms(warning) { return .success }
        let engine = try await environment.engine(freesSpace: true)
        var policy = CachePolicy()
        policy.all = all
        policy.filters = filters
        policy.reservedSpace = reservedSpace ?? 0
        policy.maxUsedSpace = maxUsedSpace ?? 0
        policy.minFreeSpace = minFreeSpace ?? 0
        let policies = usesPolicies ? try await environment.cachePolicies(of: engine.store) : [policy]
        let (gone, bytes) = try await engine.store.prune(policies)
        await engine.store.close()
        let list = gone.isEmpty ? "" : "Deleted build cache objects:\n" + gone.map { "\($0)\n" }.joined() + "\n"
        try await environment.output.write(list)
        try await environment.output.writeLine(PruneReport.total(bytes))
        return .success
    }
}

extension Flag {
    fileprivate static func size(_ name: String, _ path: Path<Int64?>, help: String) -> Flag {
        .value(name, path, placeholder: "bytes", help: help) { bytes throws(FlagValueError) in
            try FlagValues.size(bytes, allowsUnlimited: false)
        }
    }
}

extension CacheItem {
    static func shown(_ size: Int64) -> String { ByteCount.decimal(size, digits: 4) }

    /// What `du --verbose` says of it.
    func details(now: FileTime) -> String {
        var table = TextTable(minimumWidth: 0, padding: 2)
        table.append(["ID:", id])
        if !parents.isEmpty {
            table.append([parents.count == 1 ? "Parent:" : "Parents:", parents.joined(separator: ";")])
        }
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

    /// What `du --format` may name.
    func fields(now: FileTime) -> [String: TemplateValue] {
        [
            "ID": .text(id),
            "Parents": .list(parents.map { .text($0) }),
            "CreatedAt": .text(TimeText.local(FileTime(seconds: created))),
            "Mutable": .boolean(isMutable),
            "Reclaimable": .boolean(!isInUse),
            "Shared": .boolean(isShared),
            "Size": .text(Self.shown(size) + (isShared ? "*" : "")),
            "Description": .text(description),
            "UsageCount": .integer(Int64(usageCount ?? 0)),
            "LastUsedAt": .text(DurationText.ago(FileTime(seconds: lastUsed), now: now)),
            "Type": .text(type),
        ]
    }
}
