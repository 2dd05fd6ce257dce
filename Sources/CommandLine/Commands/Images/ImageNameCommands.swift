internal import Images
internal import LinuxSystem
internal import Storage
internal import Terminal
internal import Text

/// `slipway tag`.
struct TagCommand: RunnableCommand {
    static let about = CommandSummary(
        usage: "SOURCE_IMAGE[:TAG] TARGET_IMAGE[:TAG]",
        summary: "Create a tag TARGET_IMAGE that refers to SOURCE_IMAGE",
        arguments: .exactly(2),
        completion: .images
    )
    static let flags: [Flag<TagCommand>] = []

    var arguments: [[UInt8]] = []

    func run(_ environment: SlipwayEnvironment) async throws -> CommandStatus {
        let names = try textArguments()
        let engine = try await environment.engine()
        try await engine.images.tag(names[0], as: names[1])
        await engine.store.close()
        return .success
    }
}

/// `slipway rmi`.
struct RemoveImagesCommand: RunnableCommand {
    static let about = CommandSummary(
        usage: "IMAGE [IMAGE...]",
        summary: "Remove one or more images",
        arguments: .atLeast(1),
        completion: .images
    )
    static let flags: [Flag<RemoveImagesCommand>] = [
        .toggle("force", short: "f", \.force, help: "Force removal of the image"),
        .toggle("no-prune", \.keepsParents, help: "Do not delete untagged parents"),
    ]

    var arguments: [[UInt8]] = []
    var force = false
    var keepsParents = false

    func run(_ environment: SlipwayEnvironment) async throws -> CommandStatus {
        let engine = try await environment.engine(freesSpace: true)
        let status = try await forEachName(try textArguments(), environment) { name in
            do {
                let removals = try await engine.images.remove(name, force: force)
                try await environment.output.write(removals.map { "\($0)\n" }.joined())
            } catch ImageError.noSuchImage where force {
                try await environment.errorOutput.writeLine("Error: No such image: \(name)")
            }
        }
        await engine.store.close()
        return status
    }
}

/// `slipway image prune`.
struct PruneImagesCommand: RunnableCommand {
    static let about = CommandSummary(usage: "", summary: "Remove unused images", arguments: .none)
    static let flags: [Flag<PruneImagesCommand>] = [
        .toggle("all", short: "a", \.all, help: "Remove all unused images, not just dangling ones"),
        .filter(\.filters, help: "Provide filter values (e.g. \"until=<timestamp>\")"),
        .toggle("force", short: "f", \.force, help: "Do not prompt for confirmation"),
    ]

    var arguments: [[UInt8]] = []
    var all = false
    var filters: [String] = []
    var force = false

    func run(_ environment: SlipwayEnvironment) async throws -> CommandStatus {
        let filter = try ImageFilter(
            parsing: filters,
            accepted: ImageFilter.forPruning,
            now: environment.clock().seconds
        )
        let warning =
            all
            ? "WARNING! This will remove all images without at least one container associated to them."
            : "WARNING! This will remove all dangling images."
        if !force, try await !environment.confirms(warning) { return .success }
        let engine = try await environment.engine(freesSpace: true)
        let pruned = try await engine.images.prune(all: all, filter: filter)
        await engine.store.close()
        try await environment.output.write(PruneReport.images(pruned.removals))
        try await environment.output.writeLine(PruneReport.total(pruned.reclaimed))
        return .success
    }
}

/// The lines that prune commands end with.
enum PruneReport {
    static func images(_ removals: [ImageRemoval]) -> String {
        removals.isEmpty
            ? ""
            : "Deleted Images:\n"
                + removals.map { removal in
                    switch removal {
                    case .untagged(let name): "untagged: \(name)\n"
                    case .deleted(let digest): "deleted: \(digest)\n"
                    }
                }.joined() + "\n"
    }

    static func total(_ bytes: Int64) -> String { "Total reclaimed space: \(ByteCount.decimal(bytes, digits: 4))" }
}
