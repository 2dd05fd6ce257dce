internal import Containers
internal import LinuxSystem
internal import SystemPackage

extension SlipwayEnvironment {
    /// The containers of the store.
    func containers() async throws -> ContainerStore {
        try containers(try await engine(freesSpace: true))
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
        let signal = signal.flatMap { $0.isEmpty ? nil : $0 } ?? "SIGKILL"
        let containers = try await environment.containers()
        return try await forEachName(try textArguments(), environment) { name in
            do {
                _ = try ContainerStore.signal(named: signal)
                try await containers.kill(try await containers.container(name), signal: signal)
            } catch let error as ContainerError {
                throw ContainerError.notKilled(name, reason: "\(error)")
            }
            try await environment.output.writeLine(name)
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
