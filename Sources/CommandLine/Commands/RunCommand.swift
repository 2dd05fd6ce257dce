internal import Containers
internal import LinuxSystem
internal import Sandboxes
internal import Storage

/// `slipway run`.
struct RunCommand: RunnableCommand {
    static let about = CommandSummary(
        usage: "IMAGE [COMMAND] [ARG...]",
        summary: "Create and run a new container from an image",
        arguments: .atLeast(1),
        allowsFlagsAfterArguments: false,
        mounts: true,
        completion: .images,
        listsHelpFlag: true
    )
    static let flags: [Flag<RunCommand>] =
        ContainerFlags.flags.map { $0.lifted(to: \.container) } + [
            .toggle("detach", short: "d", \.isDetached, help: "Run container in background and print container ID")
        ]

    var arguments: [[UInt8]] = []
    var container = ContainerFlags()
    var isDetached = false

    func run(_ environment: SlipwayEnvironment) async throws -> CommandStatus {
        if container.hasTerminal, container.keepsInput, !isDetached, !environment.input.isTerminal {
            throw CommandFailure("the input device is not a TTY")
        }
        return try await reportingContainerErrors(of: "run") {
            let engine = try await environment.engine()
            let containers = try environment.containers(engine)
            let made = try await container.create(try textArguments(), containers, engine, environment)
            if isDetached {
                try await containers.start(made)
                try await environment.output.writeLine(made.id)
                return .success
            }
            let attachment = Attachment(
                environment,
                keepsInput: container.keepsInput,
                hasTerminal: container.hasTerminal
            )
            return CommandStatus(rawValue: try await attachment.run { try await containers.runAttached(made, $0) })
        }
    }
}

/// `slipway create`.
struct CreateCommand: RunnableCommand {
    static let about = CommandSummary(
        usage: "IMAGE [COMMAND] [ARG...]",
        summary: "Create a new container",
        arguments: .atLeast(1),
        allowsFlagsAfterArguments: false,
        mounts: true,
        completion: .images,
        listsHelpFlag: true
    )
    static let flags: [Flag<CreateCommand>] = ContainerFlags.flags.map { $0.lifted(to: \.container) }

    var arguments: [[UInt8]] = []
    var container = ContainerFlags()

    func run(_ environment: SlipwayEnvironment) async throws -> CommandStatus {
        try await reportingContainerErrors(of: "create") {
            let engine = try await environment.engine()
            let containers = try environment.containers(engine)
            let made = try await container.create(try textArguments(), containers, engine, environment)
            try await environment.output.writeLine(made.id)
            return .success
        }
    }
}

/// Runs `body`, and gives what stops a container from running the form and the exit status that docker gives it.
private func reportingContainerErrors(
    of command: String,
    _ body: () async throws -> CommandStatus
) async throws -> CommandStatus {
    do {
        return try await body()
    } catch let error as CancellationError {
        throw error
    } catch let failure as CommandFailure {
        throw failure
    } catch {
        let status = (error as? SandboxError)?.exitCode ?? CommandStatus.notRun.rawValue
        throw CommandFailure(
            "slipway: \(error)\n\nRun 'slipway \(command) --help' for more information",
            status: command == "run" ? CommandStatus(rawValue: status) : .failure
        )
    }
}
