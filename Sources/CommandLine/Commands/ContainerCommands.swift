internal import Containers
internal import LinuxSystem
internal import SystemPackage

extension SlipwayEnvironment {
    /// The containers of the store.
    func containers() async throws -> ContainerStore {
        try containers(try await engine())
    }

    /// The containers of an engine's store; what ends while no command looks is put away by this program, run by a monitor.
    func containers(_ engine: Engine) throws -> ContainerStore {
        let program = ProcessContext.executable
        let root = try root()
        return ContainerStore(
            store: engine.store,
            snapshots: engine.snapshots,
            exitCommand: program.map { [$0.string, "--root", root.string, ContainerEndedCommand.name] } ?? []
        )
    }
}

/// `slipway exec`.
struct ExecCommand: RunnableCommand {
    static let about = CommandSummary(
        usage: "CONTAINER COMMAND [ARG...]",
        summary: "Execute a command in a running container",
        arguments: .atLeast(2),
        allowsFlagsAfterArguments: false,
        completion: .containers
    )
    static let flags: [Flag<ExecCommand>] = [
        .toggle("detach", short: "d", \.isDetached, help: "Run command in the background"),
        .list("env", short: "e", \.environment, help: "Set environment variables"),
        .toggle("interactive", short: "i", \.keepsInput, help: "Keep STDIN open even if not attached"),
        .toggle("tty", short: "t", \.hasTerminal, help: "Allocate a pseudo-TTY"),
        .text("user", short: "u", \.user, help: "Username or UID (format: <name|uid>[:<group|gid>])"),
        .text("workdir", short: "w", \.workingDirectory, help: "Working directory inside the container"),
    ]

    var arguments: [[UInt8]] = []
    var isDetached = false
    var environment: [[UInt8]] = []
    var keepsInput = false
    var hasTerminal = false
    var user: String?
    var workingDirectory: String?

    func run(_ environment: SlipwayEnvironment) async throws -> CommandStatus {
        if hasTerminal, keepsInput, !environment.input.isTerminal {
            throw CommandFailure("the input device is not a TTY")
        }
        let words = try textArguments()
        let containers = try await environment.containers()
        let container = try await containers.container(words[0])
        var request = ExecRequest(arguments: Array(words.dropFirst()))
        request.environment = try self.environment.compactMap { line in
            if line.contains(UInt8(ascii: "=")) { return try FlagValues.text(line) }
            return try environment.variables[line].map { try FlagValues.text(line + [UInt8(ascii: "=")] + $0) }
        }
        request.user = user
        request.workingDirectory = workingDirectory
        request.isDetached = isDetached
        request.hasTerminal = hasTerminal
        let attachment = Attachment(environment, keepsInput: keepsInput, hasTerminal: hasTerminal)
        let wanted = request
        return CommandStatus(
            rawValue: try await attachment.run { try await containers.exec(wanted, in: container, $0) }
        )
    }
}

/// `slipway logs`.
struct LogsCommand: RunnableCommand {
    static let about = CommandSummary(
        usage: "CONTAINER",
        summary: "Fetch the logs of a container",
        arguments: .exactly(1),
        completion: .containers
    )
    static let flags: [Flag<LogsCommand>] = [
        .toggle("follow", short: "f", \.follows, help: "Follow log output"),
        .text("since", \.since, help: "Show logs since a time (\"2013-01-02T13:23:37Z\") or for so long (\"42m\")"),
        .text(
            "tail",
            short: "n",
            \.tail,
            defaultText: "\"all\"",
            help: "Number of lines to show from the end of the logs"
        ),
        .toggle("timestamps", short: "t", \.showsTimes, help: "Show timestamps"),
    ]

    var arguments: [[UInt8]] = []
    var follows = false
    var since: String?
    var tail: String?
    var showsTimes = false

    func run(_ environment: SlipwayEnvironment) async throws -> CommandStatus {
        var start: String?
        if let since {
            guard let time = FileTime(docker: since, now: environment.clock()) else {
                throw CommandFailure(
                    "Error: invalid value for \"since\": \"\(since)\" is neither a time nor a duration"
                )
            }
            start = time.rfc3339
        }
        let containers = try await environment.containers()
        let container = try await containers.container(try textArguments()[0])
        // Docker takes everything that is no number for all lines.
        let lines = tail.flatMap { Int($0) }.flatMap { $0 < 0 ? nil : $0 }
        try await containers.logs(of: container, tail: lines, since: start, follows: follows) { line in
            let bytes = (showsTimes ? Array("\(line.time) ".utf8) : []) + line.bytes
            try await (line.stream == 2 ? environment.errorOutput : environment.output).write(bytes)
        }
        return .success
    }
}

/// `slipway stop`.
struct StopCommand: RunnableCommand {
    static let about = CommandSummary(
        usage: "CONTAINER [CONTAINER...]",
        summary: "Stop one or more running containers",
        arguments: .atLeast(1),
        completion: .containers
    )
    static let flags: [Flag<StopCommand>] = Flag.timeToStop(\.timeout)

    var arguments: [[UInt8]] = []
    var timeout: Int?

    func run(_ environment: SlipwayEnvironment) async throws -> CommandStatus {
        try await forEachContainer(environment) { container, containers in
            try await containers.stop(container, timeout: timeout)
        }
    }
}

/// `slipway kill`.
struct KillCommand: RunnableCommand {
    static let about = CommandSummary(
        usage: "CONTAINER [CONTAINER...]",
        summary: "Kill one or more running containers",
        arguments: .atLeast(1),
        completion: .containers
    )
    static let flags: [Flag<KillCommand>] = [
        .text("signal", short: "s", \.signal, help: "Signal to send to the container")
    ]

    var arguments: [[UInt8]] = []
    var signal: String?

    func run(_ environment: SlipwayEnvironment) async throws -> CommandStatus {
        try await forEachContainer(environment) { container, containers in
            try await containers.kill(container, signal: signal ?? "SIGKILL")
        }
    }
}

/// `slipway rm`.
struct RemoveContainersCommand: RunnableCommand {
    static let about = CommandSummary(
        usage: "CONTAINER [CONTAINER...]",
        summary: "Remove one or more containers",
        arguments: .atLeast(1),
        completion: .containers
    )
    static let flags: [Flag<RemoveContainersCommand>] = [
        .toggle("force", short: "f", \.force, help: "Force the removal of a running container (uses SIGKILL)"),
        .toggle("volumes", short: "v", \.volumes, help: "Remove anonymous volumes associated with the container"),
    ]

    var arguments: [[UInt8]] = []
    var force = false
    var volumes = false

    func run(_ environment: SlipwayEnvironment) async throws -> CommandStatus {
        try await forEachContainer(environment) { container, containers in
            try await containers.remove(container, force: force, removesVolumes: volumes)
        }
    }
}

/// `slipway wait`.
struct WaitCommand: RunnableCommand {
    static let about = CommandSummary(
        usage: "CONTAINER [CONTAINER...]",
        summary: "Block until one or more containers stop, then print their exit codes",
        arguments: .atLeast(1),
        completion: .containers
    )
    static let flags: [Flag<WaitCommand>] = []

    var arguments: [[UInt8]] = []

    func run(_ environment: SlipwayEnvironment) async throws -> CommandStatus {
        let containers = try await environment.containers()
        return try await forEachName(try textArguments(), environment) { name in
            let code = try await containers.wait(try await containers.container(name))
            try await environment.output.writeLine("\(code)")
        }
    }
}
