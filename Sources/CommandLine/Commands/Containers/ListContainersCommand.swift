internal import Containers
internal import DockerObjects
internal import DockerfileSyntax
internal import GoTemplate
internal import Images
internal import LinuxSystem
internal import OCI
internal import Storage
internal import Terminal
internal import Text

/// `slipway ps`.
struct ListContainersCommand: RunnableCommand {
    static let about = CommandSummary(usage: "", summary: "List containers", arguments: .none)
    static let flags: [Flag<ListContainersCommand>] = [
        .toggle("all", short: "a", \.all, help: "Show all containers (default shows just running)"),
        .filter(short: "f", \.filters),
        .format(\.format),
        .value(
            "last",
            short: "n",
            \.last,
            placeholder: "int",
            defaultText: "-1",
            help: "Show n last created containers (includes all states)",
            FlagValues.integer
        ),
        .toggle("latest", short: "l", \.latest, help: "Show the latest created container (includes all states)"),
        .toggle("no-trunc", \.isWhole, help: "Don't truncate output"),
        .toggle("quiet", short: "q", \.isQuiet, help: "Only display container IDs"),
        .toggle("size", short: "s", \.showsSize, help: "Display total file sizes"),
    ]

    private static let columns = [
        Listing.Column("ID", "CONTAINER ID"), Listing.Column("Image", "IMAGE"), Listing.Column("Command", "COMMAND"),
        Listing.Column("RunningFor", "CREATED"), Listing.Column("Status", "STATUS"), Listing.Column("Ports", "PORTS"),
        Listing.Column("Names", "NAMES"),
    ]
    private static let headers = Dictionary(
        columns.map { ($0.field, $0.header) } + [
            ("CreatedAt", "CREATED AT"), ("State", "STATE"), ("Labels", "LABELS"), ("Networks", "NETWORKS"),
            ("Mounts", "MOUNTS"), ("LocalVolumes", "LOCAL VOLUMES"), ("Size", "SIZE"),
        ]
    ) { first, _ in first }

    var arguments: [[UInt8]] = []
    var all = false
    var filters: [String] = []
    var format: String?
    var last: Int?
    var latest = false
    var isWhole = false
    var isQuiet = false
    var showsSize = false

    /// What docker's format `raw` stands for: a block of lines each.
    private var rawFormat: String {
        let fields = [
            ("container_id", ".ID"), ("image", ".Image"), ("command", ".Command"), ("created_at", ".CreatedAt"),
            ("state", ".State"), ("status", ".Status"), ("names", ".Names"), ("labels", ".Labels"), ("ports", ".Ports"),
        ]
        let all = showsSize ? fields + [("size", ".Size")] : fields
        // `pad` puts no blank before what is empty. The last end of a line is part of the block.
        return all.map { "\($0.0):{{pad \($0.1) 1 0}}\\n" }.joined()
    }

    func run(_ environment: SlipwayEnvironment) async throws -> CommandStatus {
        let columns = Self.columns + (showsSize ? [Listing.Column("Size", "SIZE")] : [])
        let listing = Listing(
            try ListingFormat(format == "raw" ? rawFormat : format, columns: columns),
            type: "*formatter.ContainerContext",
            headers: Self.headers
        )
        let filter = try ContainerFilter(filters)
        let engine = try await environment.engine()
        let containers = try environment.containers(engine)
        var records = try await filter.select(try await containers.list(), containers, engine.images)
        let count = latest ? 1 : last.flatMap { $0 > 0 ? $0 : nil }
        if !all, count == nil, !filter.showsStopped { records.removeAll { $0.state.status != .running } }
        if let count { records = Array(records.prefix(count)) }
        if isQuiet {
            try await environment.output.write(records.map { (isWhole ? $0.id : $0.shortID) + "\n" }.joined())
            return .success
        }
        let now = environment.clock()
        var rows: [(fields: [String: TemplateValue], methods: [String: TemplateRecord.Method])] = []
        for record in records {
            let labels = record.configuration.labels
            var fields = row(record, now: now)
            if listing.fields?.contains("Image") ?? true {
                fields["Image"] = .text(try await engine.images.shownName(of: record, isWhole: isWhole))
            }
            if listing.fields?.contains("Size") ?? true {
                fields["Size"] = .text(try await size(of: record, containers, engine.images))
            }
            rows.append((fields, ["Label": { labels[$0[0]] ?? "" }]))
        }
        try await listing.write(rows, to: environment.output)
        return .success
    }

    /// As `12B (virtual 1.98MB)`.
    private func size(
        of record: ContainerRecord,
        _ containers: ContainerStore,
        _ images: ImageStore
    ) async throws -> String {
        let own = try await containers.size(of: record)
        let image = try await images.size(of: record.configuration.imageID)
        return "\(ByteCount.decimal(own, digits: 3)) (virtual \(ByteCount.decimal(own + image, digits: 3)))"
    }

    private func row(_ record: ContainerRecord, now: FileTime) -> [String: TemplateValue] {
        let created = FileTime(seconds: record.created)
        let command = record.commandText
        let characters = Array(command)
        let shown = isWhole || characters.count <= 20 ? command : String(characters.prefix(19)) + "…"
        let hasPorts = record.state.status == .running && record.configuration.network == .bridge
        let exposed = record.configuration.options.exposedPorts
        let ports = hasPorts ? PublishedPort.summary(record.state.ports, exposed: exposed) : ""
        let mounts = record.mountNames.map { isWhole || $0.count <= 15 ? $0 : String($0.prefix(14)) + "…" }
        return [
            "ID": .text(isWhole ? record.id : record.shortID), "Size": .text(""), "Image": .text(""),
            "Command": .text(quoted(shown)),
            "CreatedAt": .text(TimeText.listing(created)),
            "RunningFor": .text(DurationText.ago(created, now: now)), "Status": .text(record.statusText(now: now)),
            "State": .text(record.state.status.rawValue), "Ports": .text(ports),
            "Names": .text(record.name), "Labels": .text(LabelText.joined(record.configuration.labels)),
            "Mounts": .text(mounts.joined(separator: ",")), "LocalVolumes": .text("\(record.volumeNames.count)"),
            "Networks": .text(record.configuration.network.rawValue),
        ]
    }
}
