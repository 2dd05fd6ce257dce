internal import LinuxSystem
internal import SystemPackage
internal import Text

/// Finds programs as execvp(3) does, in a root file system.
struct ProgramLookup {
    let root: RootedDirectory
    /// As the process sees it.
    let workingDirectory: FilePath
    /// `NAME=value`.
    let environment: [[UInt8]]

    /// Where a program is, as the process sees it; one with a slash is where it says.
    ///
    /// Whether the process's user may execute it, the kernel says.
    /// - Throws: `SandboxError.programNotFound`, `.programNotExecutable`.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    func find(_ program: [UInt8]) throws -> FilePath {
        let slash: UInt8 = "/"
        if program.contains(slash) {
            guard let status = try status(of: workingDirectory.pushing(FilePath(bytes: program))) else {
                throw SandboxError.programNotFound(program)
            }
            guard status.type == .regular, status.mode & 0o111 != 0 else {
                throw SandboxError.programNotExecutable(program, reason: "permission denied")
            }
            return FilePath(bytes: program)
        }
        let path = environment.last { $0.starts(with: "PATH=") }?.dropFirst(5) ?? []
        for directory in path.split(separator: ":", omittingEmptySubsequences: false) {
            if program.isEmpty { break }
            let place = workingDirectory.pushing(FilePath(bytes: directory + [slash] + program))
            if let status = try status(of: place), status.type == .regular, status.mode & 0o111 != 0 {
                return place
            }
        }
        throw SandboxError.programNotFound(program)
    }

    private func status(of path: FilePath) throws(SystemCallError) -> FileStatus? {
        do throws(SystemCallError) {
            return try root.open(path, .pathOnly).status()
        } catch {
            switch error.errno {
            case .noSuchFileOrDirectory, .notDirectory: return nil
            case .tooManySymbolicLinkLevels: return nil
            default: throw error
            }
        }
    }
}
