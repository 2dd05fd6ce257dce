internal import Containers
internal import DockerObjects
internal import GoTemplate
internal import LinuxSystem
internal import Terminal
internal import Text

/// `slipway volume create`.
struct CreateVolumeCommand: RunnableCommand {
    static let about = CommandSummary(usage: "[VOLUME]", summary: "Create a volume", arguments: .atMost(1))
    static let flags: [Flag<CreateVolumeCommand>] = [
        .value(
            "driver",
            short: "d",
            \.driver,
            placeholder: "string",
            defaultText: "\"local\"",
            help: "Specify volume driver name"
        ) { bytes throws(FlagValueError) in
            let name = try FlagValues.text(bytes)
            guard name == "local" else { throw FlagValueError("\(name) is not supported: the only driver is local") }
            return name
        },
        .values("label", \.labels, placeholder: "list", help: "Set metadata for a volume") {
            bytes throws(FlagValueError) in
            _ = try LabelText.pairs([bytes])
            return [bytes]
        },
        .values("opt", short: "o", \.options, placeholder: "map", help: "Set driver specific options") {
            _ throws(FlagValueError) in
            throw FlagValueError(
                "options of volumes are not supported: mount the file system yourself and give it to containers with -v"
            )
        },
    ]

    var arguments: [[UInt8]] = []
    var driver: String?
    var labels: [[UInt8]] = []
    var options: [String] = []

    func run(_ environment: SlipwayEnvironment) async throws -> CommandStatus {
        let name = try textArguments().first.flatMap { $0.isEmpty ? nil : $0 }
        var labels = try LabelText.pairs(labels)
        if name == nil { labels[VolumeRecord.anonymousLabel] = "" }
        let volume = try await environment.containers().createVolume(name ?? ContainerNames.makeID(), labels: labels)
        try await environment.output.writeLine(volume.name)
        return .success
    }
}

/// `slipway volume inspect`.
struct InspectVolumesCommand: RunnableCommand {
    static let about = CommandSummary(
        usage: "VOLUME [VOLUME...]",
        summary: "Display detailed information on one or more volumes",
        arguments: .atLeast(1)
    )
    static let flags: [Flag<InspectVolumesCommand>] = [.format(short: "f", \.format, listsTables: false)]

    var arguments: [[UInt8]] = []
    var format: String?

    func run(_ environment: SlipwayEnvironment) async throws -> CommandStatus {
        let containers = try await environment.containers()
        return try await inspectEach(try textArguments(), format, environment) { name in
            InspectionDocument.volume(try await containers.findVolume(name))
        }
    }
}

/// `slipway volume ls`.
struct ListVolumesCommand: RunnableCommand {
    static let about = CommandSummary(usage: "", summary: "List volumes", arguments: .none)
    static let flags: [Flag<ListVolumesCommand>] = [
        .filter(short: "f", \.filters, help: "Provide filter values (e.g. \"dangling=true\")"),
        .format(\.format),
        .toggle("quiet", short: "q", \.isQuiet, help: "Only display volume names"),
    ]

    private static let columns = [Listing.Column("Driver", "DRIVER"), Listing.Column("Name", "VOLUME NAME")]
    private static let headers = [
        "Driver": "DRIVER", "Name": "VOLUME NAME", "Scope": "SCOPE", "Mountpoint": "MOUNTPOINT", "Labels": "LABELS",
        "Links": "LINKS", "Size": "SIZE", "Availability": "AVAILABILITY", "Group": "GROUP", "Status": "STATUS",
    ]

    var arguments: [[UInt8]] = []
    var filters: [String] = []
    var format: String?
    var isQuiet = false

    func run(_ environment: SlipwayEnvironment) async throws -> CommandStatus {
        let format = try ListingFormat(format, columns: Self.columns)
        let filter = try VolumeFilter(filters, accepted: ["dangling", "driver", "label", "name"])
        let containers = try await environment.containers()
        let users = try await containers.volumeUsers()
        let volumes = try await containers.listVolumes().filter { filter.accepts($0, isUsed: users[$0.name] != nil) }
        if isQuiet, self.format == nil {
            try await environment.output.write(volumes.map { $0.name + "\n" }.joined())
            return .success
        }
        let listing = Listing(format, type: "*formatter.volumeContext", headers: Self.headers)
        try await listing.write(volumes.map(row), to: environment.output)
        return .success
    }

    private func row(
        _ volume: VolumeRecord
    ) -> (fields: [String: TemplateValue], methods: [String: TemplateRecord.Method]) {
        let labels = volume.labels
        let fields: [String: TemplateValue] = [
            "Driver": .text("local"), "Name": .text(volume.name), "Scope": .text("local"),
            "Mountpoint": .text(escapedForDisplay(volume.content.bytes)), "Labels": .text(LabelText.joined(labels)),
            "Links": .text("N/A"), "Size": .text("N/A"), "Availability": .text("N/A"), "Group": .text("N/A"),
            "Status": .text("N/A"),
        ]
        return (fields, ["Label": { labels[$0[0]] ?? "" }])
    }
}

/// `slipway volume rm`.
struct RemoveVolumesCommand: RunnableCommand {
    static let about = CommandSummary(
        usage: "VOLUME [VOLUME...]",
        summary: "Remove one or more volumes",
        detail: "You cannot remove a volume that is in use by a container.",
        arguments: .atLeast(1)
    )
    static let flags: [Flag<RemoveVolumesCommand>] = [
        .toggle("force", short: "f", \.force, help: "Do not fail for volumes that are not there")
    ]

    var arguments: [[UInt8]] = []
    var force = false

    func run(_ environment: SlipwayEnvironment) async throws -> CommandStatus {
        let containers = try await environment.containers()
        return try await forEachName(try textArguments(), environment) { name in
            do {
                try await containers.removeVolume(name)
            } catch ContainerError.volumeNotFound where force {
                // As docker: what is not there is as good as removed.
            }
            try await environment.output.writeLine(name)
        }
    }
}

/// `slipway volume prune`.
struct PruneVolumesCommand: RunnableCommand {
    static let about = CommandSummary(usage: "", summary: "Remove unused local volumes", arguments: .none)
    static let flags: [Flag<PruneVolumesCommand>] = [
        .toggle("all", short: "a", \.all, help: "Remove all unused volumes, not just anonymous ones"),
        .filter(\.filters, help: "Provide filter values (e.g. \"label=<label>\")"),
        .toggle("force", short: "f", \.force, help: "Do not prompt for confirmation"),
    ]

    var arguments: [[UInt8]] = []
    var all = false
    var filters: [String] = []
    var force = false

    func run(_ environment: SlipwayEnvironment) async throws -> CommandStatus {
        let filter = try VolumeFilter(filters, accepted: ["label", "label!", "all"])
        let includesNamed = all || filter.includesNamed ?? false
        let kind = includesNamed ? "all" : "anonymous"
        let warning = "WARNING! This will remove \(kind) local volumes not used by at least one container."
        if !force, try await !environment.confirms(warning) { return .success }
        let pruned = try await environment.containers().pruneVolumes { volume in
            (includesNamed || volume.isAnonymous) && filter.accepts(volume)
        }
        try await environment.output.write(PruneReport.volumes(pruned.names))
        try await environment.output.writeLine(PruneReport.total(pruned.bytes))
        return .success
    }
}

extension PruneReport {
    static func volumes(_ names: [String]) -> String {
        names.isEmpty ? "" : "Deleted Volumes:\n" + names.map { "\($0)\n" }.joined() + "\n"
    }
}
