internal import LinuxSystem
internal import Manual
internal import SystemPackage
internal import Terminal
internal import Text

/// `slipway unshare`.
struct UnshareCommand: RunnableCommand {
    static let about = CommandSummary(
        usage: "[COMMAND [ARG...]]",
        summary: "Run a command, or a shell, in the user namespace of this user's images and containers",
        detail:
            "Files of the store then have the owners that they have in images. Without a command, $SHELL is run, else sh.",
        arguments: .atLeast(0),
        allowsFlagsAfterArguments: false
    )
    static let flags: [Flag<UnshareCommand>] = []

    var arguments: [[UInt8]] = []

    func run(_ environment: SlipwayEnvironment) async throws -> CommandStatus {
        let privileges = environment.privileges
        guard privileges.level.maps != nil else { throw UnshareError(privileges) }
        var variables = environment.variables
        // Of root, who runs the command, another store would be used.
        variables[Array(EnvironmentVariable.root.name.utf8)] = try environment.root().bytes
        let command = arguments.isEmpty ? [variables["SHELL"].flatMap { $0.isEmpty ? nil : $0 } ?? "sh"] : arguments
        let given = variables
        let error = await onBlockingPool { ProcessContext.replace(with: command, environment: given) }
        let isMissing = error.errno == .noSuchFileOrDirectory
        throw CommandFailure("Error: \(error)", status: CommandStatus(rawValue: isMissing ? 127 : 126))
    }
}

/// Why there is no user namespace to run a command in.
enum UnshareError: Error, CustomStringConvertible {
    case isRoot
    case noNamespace(reasons: [PrivilegeObstacle])

    init(_ privileges: Privileges) {
        self = privileges.level.ownsMachine ? .isRoot : .noNamespace(reasons: privileges.obstacles)
    }

    var description: String {
        switch self {
        case .isRoot:
            "slipway unshare is for ordinary users: root's images and containers are in no user namespace, so root sees their files as they are"
        case .noNamespace(let reasons):
            (["there is no user namespace to run a command in"] + reasons.map { "\($0)" }).joined(separator: ": ")
        }
    }
}
