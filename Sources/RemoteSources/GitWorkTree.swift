internal import LLB
internal import LinuxSystem
internal import OCI
package import SystemPackage
internal import Text

/// What git says of a directory of the user's: which commit is checked out, and where it comes from.
///
/// Unlike the repositories that a build fetches, it is read with the user's own settings, which say whose repositories git may
/// trust; hooks and monitors are left out, because a question must not run anything.
package struct GitWorkTree: Sendable {
    /// The top of the work tree, without links.
    package let root: FilePath
    /// The commit, and `-dirty` after it where that was asked for and something is not committed, or nil yet.
    package let revision: String?
    /// The address of the remote without credentials, or nil.
    package let remote: [UInt8]?

    /// Reads the work tree that a directory is in.
    /// - Parameters:
    ///   - directory: of the user's.
    ///   - variables: the environment of the process.
    ///   - marksChanges: whether the revision says that something is not committed.
    /// - Returns: the work tree; nil where the directory is in none.
    /// - Throws: `GitError` where there is a repository that git does not read, `ProgramNotFound` where there is no git for it.
    package static func read(
        at directory: FilePath,
        variables: [[UInt8]: [UInt8]],
        marksChanges: Bool
    ) async throws -> GitWorkTree? {
        let git = HostGit(directory: directory, variables: variables)
        do {
            guard let root = try await git.line("rev-parse", "--show-toplevel") else { return nil }
            var revision = try? await git.line("rev-parse", "--verify", "--quiet", "HEAD")
            if let commit = revision, marksChanges, try await git.hasChanges() {
                revision = commit + "-dirty"
            }
            return GitWorkTree(
                root: FilePath(bytes: root),
                revision: revision.map { String(decoding: $0, as: UTF8.self) },
                remote: await git.remote().map { withoutCredentials($0) }
            )
        } catch let error as CancellationError {
            throw error
        } catch {
            // Without a repository there is no work tree, which is not an error.
            let isRepository = try await onBlockingPool { try HostFiles.status(of: directory.appending(".git")) != nil }
            if isRepository { throw error }
            return nil
        }
    }
}

/// Git as its user would run it in a directory.
private struct HostGit: Sendable {
    let directory: FilePath
    let variables: [[UInt8]: [UInt8]]

    private static let own = ["LC_ALL=C", "GIT_TERMINAL_PROMPT=0", "GIT_OPTIONAL_LOCKS=0"]
    private static let kept = [
        "PATH", "HOME", "XDG_CONFIG_HOME", "GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM",
        // Git lets who became root with sudo use the repositories of who did it.
        "SUDO_UID",
    ]

    private func run(_ arguments: [String]) async throws -> [UInt8] {
        let git = try await onBlockingPool { try Program.named("git").resolve() }
        let settings = ["core.hooksPath=/dev/null", "core.fsmonitor=false"].flatMap { ["-c", $0] }
        var configuration = ChildProcessConfiguration(.path(git), (settings + arguments).map { Array($0.utf8) })
        configuration.workingDirectory = directory
        let kept = Self.kept.compactMap { name in variables[Array(name.utf8)].map { "\(name)=" + $0 } }
        configuration.environment = Self.own.map { Array($0.utf8) } + kept
        let result = try await ChildProcess.run(configuration, outputLimit: 1 << 20)
        guard result.status.isSuccess else {
            let reason = result.errors.prefix { $0 != "\n" }
            throw GitError.failed(command: arguments[0], reason: escapedForDisplay(Array(reason)))
        }
        return result.output
    }

    /// The first line that a command prints; nil for nothing.
    func line(_ arguments: String...) async throws -> [UInt8]? {
        let line = try await run(arguments).prefix { $0 != "\n" }
        return line.isEmpty ? nil : Array(line)
    }

    /// As buildx asks: files that git is told to ignore count.
    func hasChanges() async throws -> Bool { try await !run(["status", "--porcelain", "--ignored"]).isEmpty }

    /// The address of the remote that the branch follows, else of `origin`, else of `upstream`.
    func remote() async -> [UInt8]? {
        var names = ["origin", "upstream"]
        if let branch = try? await line("symbolic-ref", "-q", "HEAD"),
            let followed = try? await line(
                "for-each-ref",
                "--format=%(upstream:remotename)",
                String(decoding: branch, as: UTF8.self)
            )
        {
            names.insert(String(decoding: followed, as: UTF8.self), at: 0)
        }
        for name in names {
            if let address = try? await line("remote", "get-url", name) { return address }
        }
        return nil
    }
}
