internal import DockerfileFrontend
internal import Images
internal import LinuxSystem
internal import OCI
internal import Storage
internal import SystemPackage
internal import Terminal
internal import Text

/// `slipway save`.
struct SaveCommand: RunnableCommand {
    static let about = CommandSummary(
        usage: "IMAGE [IMAGE...]",
        summary: "Save one or more images to a tar archive (streamed to STDOUT by default)",
        arguments: .atLeast(1),
        mounts: true,
        completion: .images
    )
    static let flags: [Flag<SaveCommand>] = [
        .bytes("output", short: "o", \.output, completion: .files, help: "Write to a file, instead of STDOUT"),
        .platforms("platform", \.platforms, help: "Save only the given platform(s), as a comma-separated list"),
    ]

    var arguments: [[UInt8]] = []
    var output: [UInt8]?
    var platforms: [Platform] = []

    func run(_ environment: SlipwayEnvironment) async throws -> CommandStatus {
        if output == nil, environment.output.isTerminal { throw CommandError.outputIsTerminal }
        let names = try textArguments()
        let engine = try await environment.engine()
        if let output {
            try await engine.archiver.save(names, to: environment.path(output), platforms: platforms)
        } else {
            let file = try await onBlockingPool { try OpenFile.open("/dev/stdout", .writeOnly) }
            try await engine.archiver.save(names, to: file, platforms: platforms)
        }
        await engine.store.close()
        return .success
    }
}

/// `slipway load`.
struct LoadCommand: RunnableCommand {
    static let about = CommandSummary(
        usage: "",
        summary: "Load an image from a tar archive or STDIN",
        arguments: .none,
        mounts: true
    )
    static let flags: [Flag<LoadCommand>] = [
        .bytes("input", short: "i", \.input, completion: .files, help: "Read from tar archive file, instead of STDIN"),
        .platforms("platform", \.platforms, help: "Load only the given platform(s), as a comma-separated list"),
        .toggle("quiet", short: "q", \.isQuiet, help: "Accepted for compatibility: no progress is shown"),
    ]

    var arguments: [[UInt8]] = []
    var input: [UInt8]?
    var platforms: [Platform] = []
    var isQuiet = false

    func run(_ environment: SlipwayEnvironment) async throws -> CommandStatus {
        if input == nil, environment.input.isTerminal {
            throw CommandFailure("requested load from stdin, but stdin is empty")
        }
        let path = input.map { environment.path($0) } ?? "/dev/stdin"
        let file = try await onBlockingPool { try OpenFile.open(path, .readOnly) }
        let engine = try await environment.engine()
        let loaded = try await engine.archiver.load(file, platforms: platforms)
        await engine.store.close()
        try await environment.output.write(loaded.flatMap(\.lines).map { $0 + "\n" }.joined())
        return .success
    }
}

/// `slipway import`.
struct ImportCommand: RunnableCommand {
    static let about = CommandSummary(
        usage: "file|- [REPOSITORY[:TAG]]",
        summary: "Make an image of the archive of a file system",
        arguments: .between(1, 2),
        mounts: true,
        completion: .files
    )
    static let flags: [Flag<ImportCommand>] = [
        .list("change", short: "c", \.changes, help: "Apply Dockerfile instruction to the created image"),
        .text("message", short: "m", \.message, help: "Set commit message for imported image"),
        .value("platform", \.platform, placeholder: "string", help: "The platform that the files are for") {
            bytes throws(FlagValueError) in
            try platformValue(bytes)
        },
    ]

    var arguments: [[UInt8]] = []
    var changes: [[UInt8]] = []
    var message: String?
    var platform: Platform?

    func run(_ environment: SlipwayEnvironment) async throws -> CommandStatus {
        let source = arguments[0]
        if source.starts(with: "http://") || source.starts(with: "https://") {
            throw CommandFailure("Error: importing from a URL is not supported: download the archive and give its file")
        }
        var name: ImageReference?
        if arguments.count > 1 { name = try ImageReference(parsing: try textArguments()[1]).withDefaultTag }
        let changes = try changes.map { try FlagValues.text($0) }
        let defaults = try await ImageChanges.apply(changes)
        let path: FilePath = source == "-" ? "/dev/stdin" : environment.path(source)
        let file = try await onBlockingPool { try OpenFile.open(path, .readOnly) }
        let engine = try await environment.engine()
        let id = try await engine.archiver.importFileSystem(
            file,
            name: name,
            defaults: defaults,
            message: message ?? "Imported from \(escapedForDisplay(source))",
            platform: platform ?? .current,
            created: environment.clock()
        )
        await engine.store.close()
        try await environment.output.writeLine(id.description)
        return .success
    }
}
