internal import Containers
internal import DockerfileSyntax
internal import LinuxSystem
internal import OCI

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
    ]

    private static let columns = [
        Listing.Column("ID", "CONTAINER ID"), Listing.Column("Image", "IMAGE"), Listing.Column("Command", "COMMAND"),
        Listing.Column("RunningFor", "CREATED"), Listing.Column("Status", "STATUS"), Listing.Column("Ports", "PORTS"),
        Listing.Column("Names", "NAMES"),
    ]
    private static let headers = Dictionary(
        columns.map { ($0.field, $0.header) } + [
            ("CreatedAt", "CREATED AT"), ("State", "STATE"), ("Labels", "LABELS"), ("Networks", "NETWORKS"),
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

    func run(_ environment: SlipwayEnvironment) async throws -> CommandStatus {
        let format = try ListingFormat(format, columns: Self.columns)
        let filters = try parsedFilters()
        let containers = try await environment.containers()
        var records = try await containers.list()
        let count = latest ? 1 : last.flatMap { $0 < 0 ? nil : $0 }
        let showsAll = all || count != nil || filters["status"] != nil || filters["exited"] != nil
        if !showsAll { records.removeAll { $0.state.status != .running } }
        records.removeAll { !isWanted($0, filters) }
        if let count { records = Array(records.prefix(count)) }
        if isQuiet {
            try await environment.output.write(records.map { (isWhole ? $0.id : $0.shortID) + "\n" }.joined())
            return .success
        }
        let now = environment.clock()
        typealias Row = (fields: [String: TemplateValue], methods: [String: TemplateRecord.Method])
        let rows = records.map { record -> Row in
            let labels = record.configuration.labels
            let label: TemplateRecord.Method = { labels[$0[0]] ?? "" }
            return (row(record, now: now), ["Label": label])
        }
        let listing = Listing(format, type: "*formatter.ContainerContext", headers: Self.headers)
        try await listing.write(rows, to: environment.output)
        return .success
    }

    private func parsedFilters() throws -> [String: [String]] {
        var parsed: [String: [String]] = [:]
        for text in filters {
            let filter = try ListFilter(parsing: Array(text.utf8))
            guard ["id", "name", "label", "status", "exited", "ancestor"].contains(filter.name) else {
                throw CommandError.invalidFilter(filter.name)
            }
            parsed[filter.name, default: []].append(filter.value)
        }
        return parsed
    }

    /// Filters of one name are alternatives, except labels; those of several names must all hold.
    private func isWanted(_ record: ContainerRecord, _ filters: [String: [String]]) -> Bool {
        filters.allSatisfy { name, values in
            switch name {
            case "id": values.contains { record.id.hasPrefix($0) }
            case "name": values.contains { record.name.contains($0.hasPrefix("/") ? String($0.dropFirst()) : $0) }
            case "status": values.contains(record.state.status.rawValue)
            case "exited": values.contains { $0 == record.state.exitCode.map { "\($0)" } }
            case "ancestor":
                values.contains { value in
                    record.configuration.imageName == value || record.configuration.imageName == "\(value):latest"
                        || (record.configuration.imageID?.hex.hasPrefix(value) ?? false)
                }
            default:
                values.allSatisfy { value in
                    let parts = value.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
                    guard let found = record.configuration.labels[String(parts[0])] else { return false }
                    return parts.count == 1 || found == parts[1]
                }
            }
        }
    }

    private func row(_ record: ContainerRecord, now: FileTime) -> [String: TemplateValue] {
        let created = FileTime(seconds: record.created)
        let command = record.configuration.arguments.joined(separator: " ")
        let characters = Array(command)
        let shown = isWhole || characters.count <= 20 ? command : String(characters.prefix(19)) + "…"
        let hasPorts = record.state.status == .running && record.configuration.network == .bridge
        let exposed = record.configuration.options.exposedPorts
        let ports = hasPorts ? PublishedPort.summary(record.state.ports, exposed: exposed) : ""
        let labels = record.configuration.labels.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }
        return [
            "ID": .text(isWhole ? record.id : record.shortID), "Image": .text(record.configuration.imageName),
            "Command": .text(quoted(shown)),
            "CreatedAt": .text(TimeText.listing(created)),
            "RunningFor": .text(DurationText.ago(created, now: now)), "Status": .text(status(record, now: now)),
            "State": .text(record.state.status.rawValue), "Ports": .text(ports),
            "Names": .text(record.name), "Labels": .text(labels.joined(separator: ",")),
            "Networks": .text(record.configuration.network.rawValue),
        ]
    }

    private func status(_ record: ContainerRecord, now: FileTime) -> String {
        switch record.state.status {
        case .created: return "Created"
        case .running:
            let seconds = record.state.started.map { now.seconds - $0 } ?? 0
            return "Up \(DurationText.rough(seconds: seconds))"
        case .exited:
            let end = record.state.finished.map { " " + DurationText.ago(FileTime(seconds: $0), now: now) } ?? ""
            return "Exited (\(record.state.exitCode ?? 0))\(end)"
        }
    }
}
