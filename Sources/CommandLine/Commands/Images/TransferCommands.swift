internal import Images
internal import OCI
internal import Registry
internal import Storage
internal import Terminal

/// `slipway pull`.
struct PullCommand: RunnableCommand {
    static let about = CommandSummary(
        usage: "NAME[:TAG|@DIGEST]",
        summary: "Download an image from a registry",
        arguments: .exactly(1),
        mounts: true
    )
    static let flags: [Flag<PullCommand>] = [
        .toggle("all-tags", short: "a", \.all, help: "Download all tagged images in the repository"),
        .value("platform", \.platform, placeholder: "string", help: "Set platform if server is multi-platform capable")
        {
            bytes throws(FlagValueError) in
            try platformValue(bytes)
        },
        .toggle("quiet", short: "q", \.isQuiet, help: "Suppress verbose output"),
    ]

    var arguments: [[UInt8]] = []
    var all = false
    var platform: Platform?
    var isQuiet = false

    func run(_ environment: SlipwayEnvironment) async throws -> CommandStatus {
        let reference = try ImageReference(parsing: try textArguments()[0])
        if all, reference.tag != nil || reference.digest != nil {
            throw CommandFailure("Error: tag can't be used with --all-tags/-a")
        }
        if !all, reference.tag == nil, reference.digest == nil, !isQuiet {
            try await environment.output.writeLine("Using default tag: latest")
        }
        let platform = try platform ?? environment.defaultPlatforms().first ?? .current
        let engine = try await environment.engine()
        let remote = engine.remote
        let tags = all ? try await remote.client.tags(of: Repository(reference)) : []
        let names = all ? tags.map { reference.replacing(tag: $0) } : [reference]
        var last = reference
        for name in names {
            last = try await TransferDisplay(environment.output, isQuiet: isQuiet).showing { events in
                try await remote.pull(name, platform: platform, events: events)
            }.reference
        }
        await engine.store.close()
        try await environment.output.writeLine(all ? reference.repository : last.description)
        return .success
    }
}

/// `slipway push`.
struct PushCommand: RunnableCommand {
    static let about = CommandSummary(
        usage: "NAME[:TAG]",
        summary: "Upload an image to a registry",
        arguments: .exactly(1),
        mounts: true,
        completion: .images
    )
    static let flags: [Flag<PushCommand>] = [
        .toggle("all-tags", short: "a", \.all, help: "Push all tags of an image to the repository"),
        .value("platform", \.platform, placeholder: "string", help: "Push only the image for this platform") {
            bytes throws(FlagValueError) in
            try platformValue(bytes)
        },
        .toggle("quiet", short: "q", \.isQuiet, help: "Suppress verbose output"),
    ]

    var arguments: [[UInt8]] = []
    var all = false
    var platform: Platform?
    var isQuiet = false

    func run(_ environment: SlipwayEnvironment) async throws -> CommandStatus {
        let reference = try ImageReference(parsing: try textArguments()[0])
        if all, reference.tag != nil || reference.digest != nil {
            throw CommandFailure("Error: tag can't be used with --all-tags/-a")
        }
        let engine = try await environment.engine()
        let remote = engine.remote
        let names = all ? try await engine.images.names(inRepository: reference.repository) : [reference]
        if names.isEmpty {
            throw CommandFailure(
                "Error: An image does not exist locally with the tag: \(reference.familiarRepository)"
            )
        }
        if !all, reference.tag == nil, !isQuiet { try await environment.output.writeLine("Using default tag: latest") }
        for name in names {
            let pushed = try await TransferDisplay(environment.output, isQuiet: isQuiet).showing { events in
                try await remote.push(name, platform: platform, events: events)
            }
            if isQuiet { try await environment.output.writeLine(pushed.reference.description) }
        }
        await engine.store.close()
        return .success
    }
}
