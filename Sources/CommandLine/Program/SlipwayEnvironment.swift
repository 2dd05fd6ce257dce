package import LinuxSystem
package import Manual
package import SystemPackage
package import Terminal
import Text

/// What a command works in: the process's streams, variables and directories, and the engine that it opens when it needs it.
package final class SlipwayEnvironment: Sendable {
    package let global: GlobalOptions
    package let variables: [[UInt8]: [UInt8]]
    package let workingDirectory: FilePath
    package let input: StandardStream
    package let output: TextOutput
    package let errorOutput: TextOutput
    package let router: SignalRouter
    /// What the system lets this process do.
    package let privileges: Privileges
    /// Now.
    package let clock: @Sendable () -> FileTime
    private let homeDirectory: FilePath?

    /// Of this process.
    package init(global: GlobalOptions, router: SignalRouter) throws {
        self.global = global
        self.router = router
        privileges = .none
        variables = ProcessContext.environment
        workingDirectory = try ProcessContext.workingDirectory()
        input = .input
        output = TextOutput(.output)
        errorOutput = TextOutput(.error)
        clock = { FileTime.now() }
        homeDirectory =
            variables["HOME"].map { FilePath(bytes: $0) }.flatMap { $0.isAbsolute ? $0 : nil }
            ?? ProcessContext.homeDirectory
    }

    /// With everything given, for tests.
    package init(
        global: GlobalOptions = GlobalOptions(),
        variables: [[UInt8]: [UInt8]],
        workingDirectory: FilePath,
        output: TextOutput,
        errorOutput: TextOutput,
        clock: @escaping @Sendable () -> FileTime
    ) {
        self.global = global
        router = SignalRouter()
        privileges = .none
        self.variables = variables
        self.workingDirectory = workingDirectory
        input = .input
        self.output = output
        self.errorOutput = errorOutput
        self.clock = clock
        homeDirectory = variables["HOME"].map { FilePath(bytes: $0) }
    }

    /// The same with another store and another configuration file; nil leaves one as it is.
    func replacing(root: [UInt8]?, configurationFile: [UInt8]?) -> SlipwayEnvironment {
        var global = global
        var variables = variables
        if let root { global.root = root }
        if let configurationFile {
            variables[Array(EnvironmentVariable.configurationFile.name.utf8)] = configurationFile
        }
        return SlipwayEnvironment(like: self, global: global, variables: variables, privileges)
    }

    /// The same with other privileges.
    func with(_ privileges: Privileges) -> SlipwayEnvironment {
        SlipwayEnvironment(like: self, global: global, variables: variables, privileges)
    }

    private init(
        like other: SlipwayEnvironment,
        global: GlobalOptions,
        variables: [[UInt8]: [UInt8]],
        _ privileges: Privileges
    ) {
        self.global = global
        self.variables = variables
        self.privileges = privileges
        router = other.router
        workingDirectory = other.workingDirectory
        input = other.input
        output = other.output
        errorOutput = other.errorOutput
        clock = other.clock
        homeDirectory = other.homeDirectory
    }

    /// An environment variable; nil where it is not set or empty.
    package func variable(_ variable: EnvironmentVariable) -> [UInt8]? {
        variables[Array(variable.name.utf8)].flatMap { $0.isEmpty ? nil : $0 }
    }

    /// Whether a variable is set to one of Go's words for true.
    package func isTrue(_ variable: EnvironmentVariable) -> Bool {
        self.variable(variable).flatMap { try? FlagValues.boolean($0) } ?? false
    }

    /// A path of the command line, relative to the working directory.
    package func path(_ bytes: [UInt8]) -> FilePath {
        workingDirectory.pushing(FilePath(bytes: bytes))
    }

    /// Where images, containers and the build cache are.
    ///
    /// `--root`, then `SLIPWAY_ROOT`, then `/var/lib/slipway` for root and `$XDG_DATA_HOME/slipway` for everybody else.
    package func root() throws -> FilePath {
        if let root = global.root ?? variable(.root) { return path(root).lexicallyNormalized() }
        if privileges.userID == 0 { return "/var/lib/slipway" }
        if let data = variable(.dataHome) { return FilePath(bytes: data).appending("slipway") }
        guard let homeDirectory else { throw CommandError.noHomeDirectory }
        return homeDirectory.appending(".local/share/slipway")
    }

    /// Takes the privileges that a command needs, before the process has a second thread.
    @available(*, noasync, message: "call it at the start of main")
    func takePrivileges(for command: any RunnableCommand<SlipwayEnvironment>) throws(SystemCallError) -> Privileges {
        let about = type(of: command).about
        let need: Privileges.Need =
            isAtDaemon(command) ? .nothing : about.mounts ? .mounts : about.usesStore ? .store : .nothing
        return try Privileges.take(need, runtimeDirectory: variable(.runtimeDirectory))
    }

    /// The directory of client configuration: `--config`, then `DOCKER_CONFIG`, then `~/.docker`.
    package func configurationDirectory() throws -> FilePath {
        if let directory = global.configuration ?? variable(.dockerConfiguration) {
            return path(directory).lexicallyNormalized()
        }
        guard let homeDirectory else { throw CommandError.noHomeDirectory }
        return homeDirectory.appending(".docker")
    }
}
