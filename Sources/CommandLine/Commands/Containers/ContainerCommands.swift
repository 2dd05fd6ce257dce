internal import Containers
internal import LinuxSystem
internal import SystemPackage
internal import Terminal

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
            privileges: privileges,
            exitCommand: program.map { [$0.string, "--root", root.string, ContainerEndedCommand.name] } ?? [],
            terminalKeeper: program.map { [$0.string, KeepTerminalCommand.name] } ?? []
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
        let containers = try await environment.containers()
        return try await forEachName(try textArguments(), environment) { name in
            do {
                let container = try await containers.container(name)
                try await containers.remove(container, force: force, removesVolumes: volumes)
                try await environment.output.writeLine(name)
            } catch let error as ContainerError {
                // What is gone already is as it was wanted.
                guard force, case .notFound = error else { throw error }
            }
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
