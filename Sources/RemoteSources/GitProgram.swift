internal import LinuxSystem
internal import SystemPackage
internal import Text

/// Runs git as if it had never been configured: no system's or user's settings, no hooks, no prompts, and only
/// the transports that a call may use.
struct GitProgram: Sendable {
    /// What a call may speak to.
    enum Reach: Sendable {
        /// The repository's own files.
        case nothing
        /// Repositories of this machine that Slipway made itself.
        case ownRepositories
        case network(GitAccess)
    }

    /// Of the process: PATH, proxies and certificates are taken from it.
    let variables: [[UInt8]: [UInt8]]

    /// Settings that hold whatever a repository says.
    private static let settings = [
        ("core.hooksPath", "/dev/null"), ("core.fsmonitor", "false"), ("core.autocrlf", "false"),
        ("gc.auto", "0"), ("maintenance.auto", "false"), ("protocol.version", "2"), ("advice.detachedHead", "false"),
        ("fetch.recurseSubmodules", "false"), ("fetch.writeCommitGraph", "false"), ("credential.helper", ""),
    ]

    /// Runs a command.
    /// - Parameters:
    ///   - arguments: of git; those that come from outside follow a `--`.
    ///   - directory: where it runs.
    ///   - reach: which transports it may use.
    ///   - more: variables for this call.
    /// - Returns: what it printed.
    /// - Throws: `GitError.failed`, `ProgramNotFound`.
    func run(
        _ arguments: [[UInt8]],
        in directory: FilePath,
        _ reach: Reach = .nothing,
        more: [String: [UInt8]] = [:]
    ) async throws -> [UInt8] {
        let git = try await onBlockingPool { try Program.named("git").resolve() }
        // Files must have the modes 644 and 755 whatever the caller's umask.
        var configuration = ChildProcessConfiguration(
            .path("/bin/sh"),
            ["-c", "umask 022; exec \"$0\" \"$@\""].map { Array($0.utf8) } + [git.bytes] + arguments
        )
        configuration.workingDirectory = directory
        var more = more
        let secrets = try await onBlockingPool { try Self.secretSettings(reach) }
        if let secrets { more["GIT_CONFIG_GLOBAL"] = secrets.pathForChildren.bytes }
        // Its path is good for as long as it is open.
        defer { withExtendedLifetime(secrets) {} }
        configuration.environment = environment(reach, more)
        let result = try await ChildProcess.run(configuration, outputLimit: 16 << 20)
        guard result.status.isSuccess else {
            let name = arguments.first { $0.first != "-" } ?? []
            throw GitError.failed(command: String(decoding: name, as: UTF8.self), reason: Self.reason(result.errors))
        }
        return result.output
    }

    /// Runs a command whose arguments are all our own.
    func run(
        _ arguments: String...,
        in directory: FilePath,
        _ reach: Reach = .nothing,
        more: [String: [UInt8]] = [:]
    ) async throws -> [UInt8] {
        try await run(arguments.map { Array($0.utf8) }, in: directory, reach, more: more)
    }

    private func environment(
        _ reach: Reach,
        _ more: [String: [UInt8]]
    ) -> [[UInt8]] {
        var values: [String: [UInt8]] = [
            "HOME": "/dev/null", "LC_ALL": "C",
            "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": "/dev/null",
            "GIT_ATTR_NOSYSTEM": "1", "GIT_TERMINAL_PROMPT": "0",
            "GIT_ASKPASS": "/bin/false", "SSH_ASKPASS": "/bin/false",
            "GIT_LITERAL_PATHSPECS": "1", "GIT_NO_REPLACE_OBJECTS": "1",
        ]
        let allowed =
            switch reach {
            case .nothing: "none"
            case .ownRepositories: "file"
            case .network: "http:https:git:ssh"
            }
        values["GIT_ALLOW_PROTOCOL"] = Array(allowed.utf8)
        let passed = [
            "PATH", "SSL_CERT_FILE", "SSL_CERT_DIR", "http_proxy", "https_proxy", "HTTPS_PROXY",
            "no_proxy", "NO_PROXY", "all_proxy", "ALL_PROXY",
        ]
        for name in passed { values[name] = variables[Array(name.utf8)] }
        if let file = values["SSL_CERT_FILE"] { values["GIT_SSL_CAINFO"] = file }
        let settings = Self.settings.map { (Array($0.utf8), Array($1.utf8)) }
        if case .network(let access) = reach {
            values.merge(access.variables) { $1 }
        }
        values["GIT_CONFIG_COUNT"] = "\(settings.count)"
        for (index, setting) in settings.enumerated() {
            values["GIT_CONFIG_KEY_\(index)"] = setting.0
            values["GIT_CONFIG_VALUE_\(index)"] = setting.1
        }
        values.merge(more) { $1 }
        return values.map { "\($0.key)=" + $0.value }.sorted { $0.lexicographicallyPrecedes($1) }
    }

    /// A file of settings that hold secrets, in memory: the environment of a process can be read as long as it runs, by its children
    /// too, which git starts for each transport.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    private static func secretSettings(_ reach: Reach) throws(SystemCallError) -> OpenFile? {
        guard case .network(let access) = reach, let header = access.header else { return nil }
        let file = try OpenFile.inMemory(named: "git-settings")
        let text = [
            "[http \"", escaped(header.address), "\"]\n\textraHeader = \"",
            escaped(header.value), "\"\n",
        ]
        try file.write(Array(text.joined()))
        return file
    }

    /// Text between quotation marks in a file of git's.
    private static func escaped(_ text: [UInt8]) -> [UInt8] {
        text.flatMap { "\"\\".utf8.contains($0) ? ["\\", $0] : [$0] }
    }

    /// What git says of a failure, without its progress and advice.
    private static func reason(_ errors: [UInt8]) -> String {
        let lines = errors.split(whereSeparator: { $0 == "\n" || $0 == "\r" })
        let telling = lines.filter { line in
            line.starts(with: "fatal:") || line.starts(with: "error:") || line.starts(with: "remote:")
                || line.starts(with: "ssh:") || line.starts(with: "Host key")
                || String(decoding: line, as: UTF8.self).contains(": Permission denied (")
        }
        let shown = (telling.isEmpty ? lines.suffix(3) : telling.prefix(6)[...]).map {
            escapedForDisplay(Array($0.prefix(400)))
        }
        return shown.isEmpty ? "it gave no reason" : shown.joined(separator: "; ")
    }
}
