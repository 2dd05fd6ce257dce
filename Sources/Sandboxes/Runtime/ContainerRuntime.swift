package import LinuxSystem
internal import Synchronization
package import SystemPackage
internal import Text

/// The program that starts the processes of sandboxes: crun, and no other.
///
/// The filter of system calls goes to it compiled, in an annotation that crun alone reads. Another runtime, as runc under crun's
/// name, would pass over the annotation and start everything unconfined without a word.
package enum ContainerRuntime {
    /// Files that were asked what they are, and are crun: a process asks each once, and again when it is replaced.
    private static let known = Mutex<Set<FileStatus>>([])

    /// Finds the runtime and makes sure that it is crun, by what it says of itself.
    /// - Throws: `ProgramNotFound`, `SandboxError.unknownRuntime`, `SystemCallError`.
    package static func resolve(_ program: Program = .named("crun")) async throws -> FilePath {
        let (path, status) = try await onBlockingPool {
            let path = try program.resolve()
            return (path, try HostFiles.status(of: path))
        }
        if let status, known.withLock({ $0.contains(status) }) { return path }
        let answer = try await ChildProcess.run(
            ChildProcessConfiguration(.path(path), ["--version"]),
            outputLimit: 4096
        )
        guard confines(version: answer.output) else { throw SandboxError.unknownRuntime(path, says: answer.output) }
        if let status { known.withLock { _ = $0.insert(status) } }
        return path
    }

    /// Whether a runtime that says this of its version applies the filters that it is given.
    static func confines(version: [UInt8]) -> Bool {
        let lines = version.split(separator: "\n")
        guard let first = lines.first, first.starts(with: "crun version ") else { return false }
        // The features that it was built with stand in the last line, as `+SYSTEMD +SECCOMP`.
        let words = lines.dropFirst().flatMap { $0.split(separator: " ") }
        return words.contains { $0 == "+SECCOMP" }
    }
}
