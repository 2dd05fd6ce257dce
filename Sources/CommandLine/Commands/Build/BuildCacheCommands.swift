internal import BuildCache
internal import BuildKitClient
internal import BuildKitService
internal import GoTemplate
internal import Images
internal import LinuxSystem
internal import RPC
internal import Storage
internal import Synchronization
internal import SystemPackage
internal import Tasks
internal import Terminal
internal import Text

/// `slipway builder du`, and buildx's spelling of it.
struct BuildCacheUsageCommand: RunnableCommand {
    static let about = CommandSummary(usage: "", summary: "Disk usage", arguments: .none, place: .daemonToo)
    static let flags: [Flag<BuildCacheUsageCommand>] = [
        .values("filter", \.filters, placeholder: "filter", help: "Provide filter values") {
            bytes throws(FlagValueError) in [try WrittenCacheFilter(parsing: bytes)]
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
    var filters: [WrittenCacheFilter] = []
    var format: String?
    var isVerbose = false

    func run(_ environment: SlipwayEnvironment) async throws -> CommandStatus {
        let listing = try format.map { text throws(TemplateError) in
            Listing(try ListingFormat(text, columns: Self.columns), type: "*du.context", headers: Self.headers)
        }
        if listing != nil, isVerbose { throw CommandFailure("ERROR: --format and --verbose cannot be used together") }
        let now = environment.clock()
        let items = try await items(environment).filter {
            CacheFilter.allow(filters.map(\.filter), $0, now: now.seconds)
        }
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

    /// The build cache of this machine's store, or of the daemon.
    private func items(_ environment: SlipwayEnvironment) async throws -> [CacheItem] {
        if let address = try environment.daemonAddress() {
            return try await RemoteBuilder.at(address) { try await $0.diskUsage([]) }.map { CacheItem($0) }
        }
        let engine = try await environment.engine(freesSpace: true)
        return try await withCleanUp {
            try await engine.store.cacheItems()
        } finally: {
            await engine.store.close()
        }
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
    static let about = CommandSummary(usage: "", summary: "Remove build cache", arguments: .none, place: .daemonToo)
    static let flags: [Flag<PruneBuilderCommand>] = [
        .toggle("all", short: "a", \.all, help: "Remove all build cache, also what images have too"),
        .values("filter", \.filters, placeholder: "filter", help: "Provide filter values (e.g., \"until=24h\")") {
            bytes throws(FlagValueError) in [try WrittenCacheFilter(parsing: bytes)]
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
    var filters: [WrittenCacheFilter] = []
    var force = false
    var maxUsedSpace: Int64?
    var minFreeSpace: Int64?
    var reservedSpace: Int64?
    /// As Slipway does by itself now and then.
    var usesPolicies = false

    func run(_ environment: SlipwayEnvironment) async throws -> CommandStatus {
        let warning = "WARNING! This will remove all \(all ? "" : "dangling ")build cache."
        if !force, try await !environment.confirms(warning) { return .success }
        let (gone, bytes) = try await prune(environment)
        let list = gone.isEmpty ? "" : "Deleted build cache objects:\n" + gone.map { "\($0)\n" }.joined() + "\n"
        try await environment.output.write(list)
        try await environment.output.writeLine(PruneReport.total(bytes))
        return .success
    }

    /// Removes from this machine's store, or at the daemon.
    private func prune(_ environment: SlipwayEnvironment) async throws -> (ids: [String], bytes: Int64) {
        if let address = try environment.daemonAddress() { return try await prune(at: address) }
        let engine = try await environment.engine(freesSpace: true)
        var policy = CachePolicy()
        policy.all = all
        policy.filters = filters.map(\.filter)
        policy.reservedSpace = reservedSpace ?? 0
        policy.maxUsedSpace = maxUsedSpace ?? 0
        policy.minFreeSpace = minFreeSpace ?? 0
        let policies = usesPolicies ? try await environment.cachePolicies(of: engine.store) : [policy]
        return try await withCleanUp {
            try await engine.store.prune(policies)
        } finally: {
            await engine.store.close()
        }
    }

    private func prune(at address: RPCAddress) async throws -> (ids: [String], bytes: Int64) {
        var pruning = RemoteBuilder.Pruning()
        pruning.all = all
        pruning.reservedSpace = reservedSpace ?? 0
        pruning.maxUsedSpace = maxUsedSpace ?? 0
        pruning.minFreeSpace = minFreeSpace ?? 0
        for filter in filters {
            if case .unused(let seconds) = filter.filter { pruning.keepDuration = seconds }
        }
        // All must match, as in this machine's store: BuildKit has commas for that.
        let texts = filters.compactMap(\.asBuildKitWrites)
        if !texts.isEmpty { pruning.filters = [texts.joined(separator: ",")] }
        let removed = Mutex<(ids: [String], bytes: Int64)>(([], 0))
        try await RemoteBuilder.at(address) { builder in
            try await builder.prune(pruning) { record in
                removed.withLock {
                    $0.ids.append(record.id)
                    $0.bytes += record.size
                }
            }
        }
        return removed.withLock { $0 }
    }
}

/// One `--filter`, and how BuildKit writes it.
struct WrittenCacheFilter: Sendable, Hashable {
    let filter: CacheFilter
    /// Nil for a time, which BuildKit has no filter for.
    let asBuildKitWrites: String?

    init(parsing bytes: [UInt8]) throws(FlagValueError) {
        let text = try FlagValues.text(bytes)
        filter = try CacheFilter(text: text)
        let parts = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        let name = parts[0]
        if case .unused = filter {
            asBuildKitWrites = nil
        } else if parts.count < 2 {
            asBuildKitWrites = name
        } else if name.hasSuffix("~") || name == "id" || name == "description" {
            asBuildKitWrites = "\(name.prefix { $0 != "~" })~=\(parts[1])"
        } else {
            asBuildKitWrites = "\(name)==\(parts[1].trimmingPrefix("="))"
        }
    }
}

extension CacheItem {
    /// What a daemon says of a record.
    fileprivate init(_ record: RemoteBuilder.CacheRecord) {
        self.init(
            id: record.id,
            type: record.type,
            description: record.description,
            size: record.size,
            created: record.created.seconds,
            lastUsed: record.lastUsed.seconds,
            usageCount: record.usageCount,
            parents: record.parents,
            isInUse: record.isInUse,
            isShared: record.isShared,
            isMutable: record.isMutable,
            // It is not in this machine's store.
            kind: .record(0)
        )
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
