internal import CLinux
internal import Glibc
package import SystemPackage
internal import Text

/// What the process was given when it was started.
package enum ProcessContext {
    /// The arguments, program name first, as the bytes they are.
    package static var arguments: [[UInt8]] {
        UnsafeBufferPointer(start: slipway_arguments(), count: Int(slipway_argument_count())).compactMap { pointer in
            pointer.map { bytes(of: $0) }
        }
    }

    /// Checks that `/proc` is there: processes, their files and namespaces are found through it.
    ///
    /// See proc(5).
    ///
    /// - Throws: `ProcMissing`.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package static func requireProc() throws(ProcMissing) {
        guard access("/proc/self/fd", F_OK) == 0 else { throw ProcMissing() }
    }

    /// The environment variables, as the bytes they are.
    ///
    /// See environ(7).
    package static var environment: [[UInt8]: [UInt8]] {
        var variables: [[UInt8]: [UInt8]] = [:]
        guard var next = slipway_environment() else { return variables }
        while let entry = next.pointee {
            let parts = bytes(of: entry).split(
                separator: "=",
                maxSplits: 1,
                omittingEmptySubsequences: false
            )
            // The first of two entries with one name is the one that getenv(3) finds.
            if parts.count == 2, variables[Array(parts[0])] == nil { variables[Array(parts[0])] = Array(parts[1]) }
            next += 1
        }
        return variables
    }

    /// See getpid(2).
    package static var processID: Int32 { getpid() }

    /// Ends the process after what its exit handlers do.
    ///
    /// See exit(3).
    package static func exit(_ status: Int32) -> Never { Glibc.exit(status) }

    /// Ends the process at once.
    ///
    /// See _exit(2).
    package static func exitAtOnce(_ status: Int32) -> Never { _exit(status) }

    /// The user that the kernel checks permissions for.
    ///
    /// See geteuid(2).
    package static var effectiveUserID: UInt32 { geteuid() }

    /// Whose the files are that this process makes, as `FileStatus` says it.
    ///
    /// See getegid(2) and `KeptStatus`.
    package static var fileOwner: (user: UInt32, group: UInt32) { KeptStatus.owner(ofKernel: geteuid(), getegid()) }

    /// How many processors the machine has switched on.
    ///
    /// See sysconf(3).
    package static var processors: Int { max(1, sysconf(Int32(_SC_NPROCESSORS_ONLN))) }

    /// The file of the program that runs; nil where it cannot be named any more.
    ///
    /// See proc_pid_exe(5).
    package static var executable: FilePath? {
        var buffer = [UInt8](repeating: 0, count: Int(PATH_MAX))
        let count = readlink("/proc/self/exe", &buffer, buffer.count)
        guard count > 0, count < buffer.count else { return nil }
        let path = FilePath(bytes: Array(buffer[..<count]))
        // An upgrade may have taken the file away: the kernel then names it with this suffix.
        return path.string.hasSuffix(" (deleted)") ? nil : path
    }

    /// The home directory in the user database; nil where the user is not in it.
    ///
    /// See getpwuid_r(3).
    package static var homeDirectory: FilePath? {
        var entry = passwd()
        var found: UnsafeMutablePointer<passwd>?
        var buffer = [CChar](repeating: 0, count: 16_384)
        guard getpwuid_r(geteuid(), &entry, &buffer, buffer.count, &found) == 0, found != nil, let home = entry.pw_dir
        else { return nil }
        return FilePath(bytes: bytes(of: home))
    }

    /// The directory that relative paths start from.
    ///
    /// See getcwd(3).
    package static func workingDirectory() throws(SystemCallError) -> FilePath {
        var buffer = [CChar](repeating: 0, count: Int(PATH_MAX))
        guard getcwd(&buffer, buffer.count) != nil else {
            throw SystemCallError("getcwd", errno: Errno(rawValue: Glibc.errno))
        }
        return FilePath(platformString: buffer)
    }

    private static func bytes(of pointer: UnsafeMutablePointer<CChar>) -> [UInt8] {
        Array(UnsafeRawBufferPointer(start: pointer, count: strlen(pointer)))
    }
}

/// There is no `/proc`, so that nothing could be known of any process.
package struct ProcMissing: Error, Hashable, CustomStringConvertible {
    package init() {}

    package var description: String {
        "/proc is not mounted: processes and their files are found through it (mount it with: mount -t proc proc /proc)"
    }
}
