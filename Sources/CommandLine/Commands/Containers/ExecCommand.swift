internal import Containers
internal import LinuxSystem
internal import Sandboxes
internal import SystemPackage
internal import Terminal

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
        .value(
            "detach-keys",
            \.detachKeys,
            placeholder: "string",
            help: "Override the key sequence for detaching a container"
        ) { bytes throws(FlagValueError) in
            let text = try FlagValues.text(bytes)
            if text.isEmpty { return .standard }
            return try ContainerFlags.inWords { () throws(ContainerError) in try DetachKeys(parsing: text) }
        },
        .variables(\.environment),
        .variableFiles(\.environmentFiles),
        .toggle("interactive", short: "i", \.keepsInput, help: "Keep STDIN open even if not attached"),
        .toggle("privileged", \.isPrivileged, help: "Give extended privileges to the command"),
        .toggle("tty", short: "t", \.hasTerminal, help: "Allocate a pseudo-TTY"),
        .text("user", short: "u", \.user, help: "Username or UID (format: <name|uid>[:<group|gid>])"),
        .text("workdir", short: "w", \.workingDirectory, help: "Working directory inside the container"),
    ]

    var arguments: [[UInt8]] = []
    var isDetached = false
    var detachKeys: DetachKeys?
    var environment: [[UInt8]] = []
    var environmentFiles: [[UInt8]] = []
    var keepsInput = false
    var isPrivileged = false
    var hasTerminal = false
    var user: String?
    var workingDirectory: String?

    func run(_ environment: SlipwayEnvironment) async throws -> CommandStatus {
        if hasTerminal, keepsInput, !isDetached, !environment.input.isTerminal {
            throw CommandFailure("the input device is not a TTY")
        }
        let words = try textArguments()
        let containers = try await environment.containers()
        let container = try await containers.container(words[0])
        var request = ExecRequest(arguments: Array(words.dropFirst()))
        request.environment = try await environment.containerVariables(files: environmentFiles, given: self.environment)
        request.user = user.flatMap { $0.isEmpty ? nil : $0 }
        request.workingDirectory = workingDirectory.flatMap { $0.isEmpty ? nil : $0 }
        request.isDetached = isDetached
        request.hasTerminal = hasTerminal
        request.isPrivileged = isPrivileged
        let wanted = request
        do {
            guard !isDetached else {
                _ = try await containers.exec(wanted, in: container, AttachedStreams { _, _ in })
                return .success
            }
            return try await attach(to: environment) { try await containers.exec(wanted, in: container, $0) }
        } catch let error as SandboxError {
            throw CommandFailure("Error: exec failed: \(error)", status: status(of: error))
        }
    }

    private func attach(
        to environment: SlipwayEnvironment,
        _ body: (AttachedStreams) async throws -> ExecEnd
    ) async throws -> CommandStatus {
        let attachment = Attachment(environment, keepsInput: keepsInput, hasTerminal: hasTerminal)
        let end = try await attachment.run { streams in
            var streams = streams
            streams.detachKeys = detachKeys ?? .standard
            return try await body(streams)
        }
        switch end {
        case .exited(let code): return CommandStatus(rawValue: code)
        case .detached: throw CommandFailure("read escape sequence")
        }
    }

    /// What docker gives for it.
    private func status(of error: SandboxError) -> CommandStatus {
        if isDetached { return .failure }
        return CommandStatus(rawValue: error.exitCode == 127 ? 127 : 126)
    }
}

/// Reads and drops what processes write to a terminal that is no longer watched, until the last of them has ended.
struct KeepTerminalCommand: RunnableCommand {
    static let name = "__keep-terminal"
    static let about = CommandSummary(
        usage: "",
        summary: "Keep the terminal on standard input",
        arguments: .none,
        place: .anywhere
    )
    static let flags: [Flag<KeepTerminalCommand>] = []

    var arguments: [[UInt8]] = []

    func run(_ environment: SlipwayEnvironment) async throws -> CommandStatus {
        do {
            while try await !environment.input.read().isEmpty {}
        } catch let error as SystemCallError where error.errno == .ioError {
            // Nothing has the terminal's other side.
        }
        return .success
    }
}
