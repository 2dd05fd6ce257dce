internal import BuildCache
internal import BuildKitClient
internal import Containers
internal import DockerObjects
internal import GoTemplate
internal import Images
internal import LinuxSystem
internal import OCI
internal import RPC
internal import Sandboxes
internal import Snapshots
internal import Storage
internal import Terminal
internal import Text

/// `slipway system df`.
struct DiskUsageCommand: RunnableCommand {
    static let about = CommandSummary(usage: "", summary: "Show disk usage", arguments: .none)
    static let flags: [Flag<DiskUsageCommand>] = [
        .format(\.format),
        .toggle("verbose", short: "v", \.isVerbose, help: "Show each image, container and cache record"),
    ]

    private static let columns = [
        Listing.Column("Type", "TYPE"), Listing.Column("TotalCount", "TOTAL"), Listing.Column("Active", "ACTIVE"),
        Listing.Column("Size", "SIZE"), Listing.Column("Reclaimable", "RECLAIMABLE"),
    ]

    var arguments: [[UInt8]] = []
    var format: String?
    var isVerbose = false

    func run(_ environment: SlipwayEnvironment) async throws -> CommandStatus {
        let format = try ListingFormat(format, columns: Self.columns)
        let engine = try await environment.engine(freesSpace: true)
        let usage = try await engine.images.systemUsage()
        let volumes = try await VolumeUsage.all(try environment.containers(engine))
        let cache = try await engine.store.buildCache()
        let cacheBytes = try await engine.store.diskUsage().cacheLayers
        await engine.store.close()
        if isVerbose {
            try await environment.output.write(verbose(usage, volumes, cache, now: environment.clock()))
            return .success
        }
        let headers = Dictionary(Self.columns.map { ($0.field, $0.header) }) { first, _ in first }
        let all = usage.rows + [VolumeUsage.row(volumes), Self.row(cache, bytes: cacheBytes)]
        let rows: [(fields: [String: TemplateValue], methods: [String: TemplateRecord.Method])] = all.map { row in
            let share = row.size > 0 ? " (\(row.reclaimable * 100 / row.size)%)" : ""
            let reclaimable = ByteCount.decimal(row.reclaimable, digits: 4)
            return (
                [
                    "Type": .text(row.kind.rawValue), "TotalCount": .text("\(row.total)"),
                    "Active": .text("\(row.active)"), "Size": .text(ByteCount.decimal(row.size, digits: 4)),
                    "Reclaimable": .text(reclaimable + (row.kind == .buildCache ? "" : share)),
                ], [:]
            )
        }
        let listing = Listing(format, type: "*formatter.diskUsageContext", headers: headers)
        try await listing.write(rows, to: environment.output)
        return .success
    }

    private static func row(_ cache: [CacheUsage], bytes: Int64) -> SystemUsage.Row {
        SystemUsage.Row(kind: .buildCache, total: cache.count, active: 0, size: bytes, reclaimable: bytes)
    }

    private func verbose(
        _ usage: SystemUsage,
        _ volumes: [VolumeUsage],
        _ cached: [CacheUsage],
        now: FileTime
    ) -> String {
        func ago(_ seconds: Int64?) -> String {
            seconds.map { DurationText.ago(FileTime(seconds: $0), now: now) } ?? "N/A"
        }
        func size(_ bytes: Int64) -> String { ByteCount.decimal(bytes, digits: 3) }
        var images = TextTable()
        images.append([
            "REPOSITORY", "TAG", "IMAGE ID", "CREATED", "SIZE", "SHARED SIZE", "UNIQUE SIZE", "CONTAINERS",
        ])
        for image in usage.images {
            let names = image.names.isEmpty ? [nil] : image.names.map(Optional.some)
            for name in names {
                images.append([
                    name?.familiarRepository ?? "<none>", name?.tag ?? "<none>", image.id.short, ago(image.created),
                    size(image.size), size(image.sharedSize), size(image.uniqueSize), "\(image.containers)",
                ])
            }
        }
        var containers = TextTable()
        containers.append(["CONTAINER ID", "IMAGE", "SIZE", "STATUS", "NAMES"])
        for container in usage.containers {
            containers.append([
                String(container.id.prefix(12)), container.image, size(container.size),
                container.isRunning ? "Up" : "Exited", container.name,
            ])
        }
        var volumeTable = TextTable()
        volumeTable.append(["VOLUME NAME", "LINKS", "SIZE"])
        for volume in volumes { volumeTable.append([volume.volume.name, "\(volume.links)", size(volume.size)]) }
        var cache = TextTable()
        cache.append(["CACHE ID", "SIZE", "CREATED", "LAST USED", "USAGE", "SHARED", "STEP"])
        for record in cached {
            cache.append([
                "\(record.id)", size(record.size), ago(record.created), ago(record.lastUsed), "\(record.usageCount)",
                "\(record.isShared)", record.name,
            ])
        }
        let cacheSize = usage.rows.first { $0.kind == .buildCache }?.size ?? 0
        return "Images space usage:\n\n\(images.rendered())\nContainers space usage:\n\n\(containers.rendered())\n"
            + "Local Volumes space usage:\n\n\(volumeTable.rendered())\n"
            + "Build cache usage: \(ByteCount.decimal(cacheSize, digits: 4))\n\n\(cache.rendered())"
    }
}

/// `slipway system prune`.
struct PruneSystemCommand: RunnableCommand {
    static let about = CommandSummary(usage: "", summary: "Remove unused data", arguments: .none)
    static let flags: [Flag<PruneSystemCommand>] = [
        .toggle("all", short: "a", \.all, help: "Remove all unused images not just dangling ones"),
        .filter(\.filters, help: "Provide filter values (e.g. \"label=<key>=<value>\")"),
        .toggle("force", short: "f", \.force, help: "Do not prompt for confirmation"),
        .toggle("volumes", \.volumes, help: "Prune anonymous volumes"),
    ]

    var arguments: [[UInt8]] = []
    var all = false
    var filters: [String] = []
    var force = false
    var volumes = false

    func run(_ environment: SlipwayEnvironment) async throws -> CommandStatus {
        let now = environment.clock().seconds
        let filter = try ImageFilter(parsing: filters, accepted: ImageFilter.forPruning, now: now)
        let containerFilter = try ContainerPruneFilter(filters, now: now)
        let images = all ? "all images without at least one container associated to them" : "all dangling images"
        let volumeLine = volumes ? "  - all anonymous volumes not used by at least one container\n" : ""
        let warning =
            "WARNING! This will remove:\n  - all stopped containers\n\(volumeLine)  - \(images)\n  - unused build cache\n"
        if !force, try await !environment.confirms(warning) { return .success }
        let engine = try await environment.engine(freesSpace: true)
        // First, for what they hold is then unused.
        let store = try environment.containers(engine)
        let containers = try await store.prune { containerFilter.accepts($0) }
        let prunedVolumes = try await pruneVolumes(store)
        let pruned = try await engine.images.prune(all: all, filter: filter)
        var pruning = CachePruning()
        pruning.all = all
        pruning.unusedSince = filter.until
        let cache = try await engine.store.pruneBuildCache(pruning)
        let setAside = all ? try await engine.store.emptyQuarantine() : 0
        await engine.store.close()
        try await environment.output.write(
            PruneReport.containers(containers.ids) + PruneReport.volumes(prunedVolumes.names)
                + PruneReport.images(pruned.removals)
                + PruneReport.cache(cache.records)
        )
        let bytes =
            containers.bytes + prunedVolumes.bytes + pruned.reclaimed + cache.garbage.bytes + setAside
        try await environment.output.writeLine(PruneReport.total(bytes))
        return .success
    }

    private func pruneVolumes(_ containers: ContainerStore) async throws -> (names: [String], bytes: Int64) {
        guard volumes else { return ([], 0) }
        let labels = filters.filter { $0.hasPrefix("label") }
        let filter = try VolumeFilter(labels, accepted: ["label", "label!"])
        return try await containers.pruneVolumes { $0.isAnonymous && filter.accepts($0) }
    }
}

extension PruneReport {
    static func cache(_ records: [CacheUsage]) -> String {
        records.isEmpty
            ? "" : "Deleted build cache objects:\n" + records.map { "\($0.id)\n" }.joined() + "\n"
    }
}

/// `slipway system check`.
struct CheckCommand: RunnableCommand {
    static let about = CommandSummary(
        usage: "",
        summary: "Compare the store with its database, and every blob with its digest",
        arguments: .none
    )
    static let flags: [Flag<CheckCommand>] = [
        .toggle("quick", \.isQuick, help: "Do not read the content of blobs"),
        .toggle("deep", \.isDeep, help: "Also compare the files of unpacked layers with their archives"),
        .toggle("repair", \.repairs, help: "Take out what is damaged, so that it is fetched or made again"),
    ]

    var arguments: [[UInt8]] = []
    var isQuick = false
    var isDeep = false
    var repairs = false

    func run(_ environment: SlipwayEnvironment) async throws -> CommandStatus {
        let rebuilt = repairs ? try await Store.rebuildIfDamaged(at: try environment.root(), tables: .all) : nil
        if let rebuilt { try await environment.output.write(Self.account(of: rebuilt)) }
        let engine = try await environment.engine(freesSpace: true)
        do {
            // A removal that was cut short is no damage: it is finished first.
            _ = try await environment.containers(engine).list()
        } catch is StorageError {
            // What is damaged is what the check finds.
        }
        var (found, losses) =
            repairs ? try await engine.store.repair() : (try await engine.store.check(full: !isQuick), [])
        if rebuilt?.hasRecords == false {
            let search = try await engine.images.searchBlobs(engine.snapshots)
            for id in search.found { try await environment.output.writeLine("found: image \(id), without its names") }
            found.counts["images", default: 0] += search.found.count
            losses += search.losses
        }
        var layers = ""
        if isDeep {
            let files = try await engine.snapshots.checkFiles()
            found.problems += files.damaged
            if repairs { losses += try await engine.store.discardFiles(of: files.layers) }
            layers =
                " (\(files.sound + files.damaged.count) with their files, \(files.unknown) without an archive to compare with)"
        }
        await engine.store.close()
        for problem in found.problems { try await environment.output.writeLine("\(problem)") }
        for loss in losses { try await environment.output.writeLine("lost: \(loss)") }
        let verdict = found.problems.isEmpty ? "no problems" : "\(found.problems.count) problems"
        func count(_ table: String) -> String { "\(found.counts[table, default: 0]) \(table)" }
        let counts = "\(count("blobs")), \(count("layers"))\(layers), \(count("images"))"
        try await environment.output.writeLine("Checked \(counts): \(verdict)" + (repairs ? ", repaired" : ""))
        return found.problems.isEmpty || repairs ? .success : .failure
    }

    private static func account(of rebuilt: RebuiltDatabase) -> String {
        let counts = ["images", "layers", "containers"].map { "\(rebuilt.counts[$0, default: 0]) \($0)" }.joined(
            separator: ", "
        )
        let places = rebuilt.setAside.map { "set aside: \(escapedForDisplay($0.bytes))\n" }.joined()
        let source =
            rebuilt.hasRecords
            ? "from its records" : "from what can still be read of it, for its records are damaged too"
        return "The database was damaged: \(rebuilt.damage).\nIt was made again \(source): \(counts)\n" + places
            + rebuilt.losses.map { "lost: \($0)\n" }.joined()
    }
}

/// `slipway info`.
struct SystemSummaryCommand: RunnableCommand {
    static let about = CommandSummary(
        usage: "",
        summary: "Display system-wide information",
        arguments: .none,
        mounts: true,
        place: .daemonToo
    )
    static let flags: [Flag<SystemSummaryCommand>] = [.format(short: "f", \.format, listsTables: false)]

    var arguments: [[UInt8]] = []
    var format: String?

    func run(_ environment: SlipwayEnvironment) async throws -> CommandStatus {
        if let address = try environment.daemonAddress() { return try await tell(of: address, environment) }
        let engine = try await environment.engine(freesSpace: true)
        let images = try await engine.images.list()
        let usage = try await engine.images.systemUsage()
        let means = try await engine.snapshots.means
        await engine.store.close()
        let containers = usage.containers
        let running = containers.count(where: \.isRunning)
        let platform = Platform.current
        let level = environment.privileges.level
        let networks = await onBlockingPool { SandboxNetworks.summary(at: level) }
        let facts: [(String, String, TemplateValue)] = [
            ("Containers", "Containers", .integer(Int64(containers.count))),
            ("ContainersRunning", " Running", .integer(Int64(running))),
            ("ContainersStopped", " Stopped", .integer(Int64(containers.count - running))),
            ("Images", "Images", .integer(Int64(images.count))),
            ("ServerVersion", "Version", .text(SlipwayVersion.number)),
            ("Driver", "Storage Driver", .text(means.rawValue)),
            ("Security", "Security", .text(environment.privileges.summary)),
            ("Networks", "Networks", .text(networks)),
            ("OSType", "OSType", .text(platform.os)),
            ("Architecture", "Architecture", .text(platform.architecture)),
            ("NCPU", "CPUs", .integer(Int64(availableProcessorCount()))),
            ("DockerRootDir", "Root Dir", .text(escapedForDisplay(try environment.root().bytes))),
        ]
        return try await write(facts, environment)
    }

    /// What a daemon says of itself and its workers.
    private func tell(of address: RPCAddress, _ environment: SlipwayEnvironment) async throws -> CommandStatus {
        let workers = try await RemoteBuilder.at(address) { try await $0.workers() }
        let worker = workers.first
        let labels = worker?.labels ?? [:]
        let prefix = "org.mobyproject.buildkit.worker."
        let version = labels[RemoteBuilder.versionLabel].map { "Slipway \($0)" } ?? "BuildKit \(worker?.version ?? "")"
        let facts: [(String, String, TemplateValue)] = [
            ("Host", "Host", .text("\(address)")),
            ("ServerVersion", "Version", .text(version)),
            ("Workers", "Workers", .integer(Int64(workers.count))),
            ("Driver", "Storage Driver", .text(labels[prefix + "snapshotter"] ?? "")),
            ("Executor", "Executor", .text(labels[prefix + "executor"] ?? "")),
            ("Name", "Name", .text(labels[prefix + "hostname"] ?? "")),
            ("Platforms", "Platforms", .text(worker?.platforms.joined(separator: ", ") ?? "")),
        ]
        return try await write(facts, environment)
    }

    private func write(
        _ facts: [(String, String, TemplateValue)],
        _ environment: SlipwayEnvironment
    ) async throws -> CommandStatus {
        let document = TemplateValue.record(TemplateRecord(name: "info", facts.map { ($0.0, $0.2) }))
        switch format {
        case nil: try await environment.output.write(facts.map { "\($0.1): \($0.2.printed)\n" }.joined())
        case "json"?: try await environment.output.writeFormatted(document.json() + "\n")
        case let template?:
            try await environment.output.writeFormatted(try Template(template).render(document) + "\n")
        }
        return .success
    }
}
