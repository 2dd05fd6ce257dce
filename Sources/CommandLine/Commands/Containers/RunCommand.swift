internal import Containers
internal import LinuxSystem
internal import Sandboxes
internal import Storage
internal import Terminal

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
            .toggle("detach", short: "d", \.isDetached, help: "Run container in background and print container ID"),
            // Nothing can be detached from here, whatever the keys.
            .text("detach-keys", \.detachKeys, help: "Override the key sequence for detaching a container").hidden,
            .toggle(
                "sig-proxy",
                \.forwardsSignals,
                defaultText: "true",
                help: "Proxy received signals to the process"
            ),
        ]

    var arguments: [[UInt8]] = []
    var container = ContainerFlags()
    var isDetached = false
    var forwardsSignals = true
    var detachKeys: String?

    func run(_ environment: SlipwayEnvironment) async throws -> CommandStatus {
        if container.hasTerminal, container.keepsInput, !isDetached, !environment.input.isTerminal {
            throw CommandFailure("the input device is not a TTY")
        }
        if isDetached, !container.attached.isEmpty {
            throw CommandFailure(
                "slipway: conflicting options: cannot specify both --attach and --detach",
                status: .notRun
            )
        }
        var flags = container
        flags.options.attachedStreams = container.attachedStreams(isDetached: isDetached)
        let wanted = flags
        return try await reportingContainerErrors(of: "run") {
            let engine = try await environment.engine()
            let containers = try environment.containers(engine)
            let made = try await wanted.create(try textArguments(), containers, engine, environment)
            if isDetached {
                try await environment.warnOfHealthChecks(of: made)
                do { try await containers.start(made) } catch {
                    // The container is there, though it could not be started.
                    try await environment.output.writeLine(made.id)
                    throw error
                }
                try await environment.output.writeLine(made.id)
                return .success
            }
            let attachment = Attachment(
                environment,
                keepsInput: container.keepsInput,
                hasTerminal: container.hasTerminal
            )
            let code = try await attachment.run { streams in
                var streams = wanted.attaching(streams)
                if !forwardsSignals { streams.signals = nil }
                return try await containers.runAttached(made, streams)
            }
            return CommandStatus(rawValue: code)
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
        var flags = container
        flags.options.attachedStreams = container.attachedStreams(isDetached: false)
        let wanted = flags
        return try await reportingContainerErrors(of: "create") {
            let engine = try await environment.engine()
            let containers = try environment.containers(engine)
            let made = try await wanted.create(try textArguments(), containers, engine, environment)
            try await environment.output.writeLine(made.id)
            return .success
        }
    }
}

extension SlipwayEnvironment {
    /// Says of a container that is about to start that its health is not checked, if it asks for that.
    func warnOfHealthChecks(of container: ContainerRecord) async throws {
        guard container.healthPlan != nil else { return }
        try await errorOutput.writeLine(
            "WARNING: health checks run only while a command is attached; the health of \(container.name) is not checked"
        )
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
