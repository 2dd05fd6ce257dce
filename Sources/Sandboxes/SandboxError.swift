package import LinuxSystem
package import SystemPackage
internal import Text

/// Why a process could not be started in a sandbox.
package enum SandboxError: Error, Sendable, Hashable, CustomStringConvertible {
    /// Names, arguments and variables reach the runtime in a JSON document, which holds text only.
    case notText(what: String, [UInt8])
    /// `/dev`, `/proc` or `/sys` of the root is something that a mount would be led astray by.
    case unsafeRoot(path: FilePath, is: LinuxSystem.FileType)
    /// The file system of the root lets no program be executed.
    case executionRefused(FilePath)
    case workingDirectoryRefused(FilePath)
    case workingDirectoryNotAbsolute(FilePath)
    case workingDirectoryUnusable(FilePath, reason: String)
    case mountPointIsNotDirectory(FilePath)
    case mountPointIsDirectory(FilePath)
    /// Processes start with `/dev/null` in their hands.
    case mountHidesNull(FilePath)
    case tooManyLinks(FilePath)
    case userNotFound([UInt8])
    case groupNotFound([UInt8])
    case userOutOfRange([UInt8])
    case userDatabaseUnreadable(path: FilePath, reason: String)
    case programNotFound([UInt8])
    case programNotExecutable([UInt8], reason: String)
    /// A program for another processor that nothing here emulates; platforms as `os/architecture`.
    case foreignPlatform(String, machine: String, reason: String)
    case runtimeFailed(String)
    /// More processes were to be started in it.
    case sandboxHasEnded
    /// It would start everything without the filter of system calls.
    case unknownRuntime(FilePath, says: [UInt8])
    /// Something that cannot be had where processes have no namespaces of their own.
    case needsNamespaces(String)
    /// A process that cannot be restricted as it must be.
    case notConfined(SystemCallError)
    /// Not even `/dev/null`.
    case noDevices(SystemCallError)
    /// What keeps a process has ended without a word.
    case keeperFailed
    /// No process can be started: this one is neither root nor may it make a user namespace.
    case noProcesses

    /// The exit code that `docker run` gives for it.
    package var exitCode: CInt {
        switch self {
        case .programNotFound: 127
        case .workingDirectoryUnusable(_, let reason): reason == "no such file or directory" ? 127 : 126
        case .programNotExecutable, .foreignPlatform, .workingDirectoryNotAbsolute: 126
        default: 125
        }
    }

    package var description: String {
        switch self {
        case .notText(let what, let bytes):
            return
                "\(what) \"\(escapedForDisplay(bytes))\" is not valid UTF-8, and the container runtime accepts nothing else"
        case .unsafeRoot(let path, let type):
            return
                "\(path) of the root file system is \(Self.noun(type)) where a directory must be; refusing to mount over it"
        case .executionRefused(let path):
            return
                "no program can be executed in \(escapedForDisplay(path.bytes)): its file system is mounted with noexec; "
                + "choose a directory on another one for the store with --root or SLIPWAY_ROOT"
        case .workingDirectoryRefused(let path):
            return
                "the working directory \(escapedForDisplay(path.bytes)) leads into the kernel's file systems: refused"
        case .workingDirectoryNotAbsolute(let path):
            return
                "the working directory '\(escapedForDisplay(path.bytes))' is invalid, it needs to be an absolute path"
        case .workingDirectoryUnusable(let path, let reason):
            return "chdir to the working directory \"\(escapedForDisplay(path.bytes))\" failed: \(reason)"
        case .mountPointIsNotDirectory(let path):
            return
                "cannot mount a directory on \(escapedForDisplay(path.bytes)): it is not a directory in the root file system"
        case .mountPointIsDirectory(let path):
            return "cannot mount a file on \(escapedForDisplay(path.bytes)): it is a directory in the root file system"
        case .mountHidesNull(let path):
            return
                "cannot mount this on \(escapedForDisplay(path.bytes)): no process starts without the device /dev/null; "
                + "mount it elsewhere, for example below \(path == "/dev" ? "/dev" : "/mnt")"
        case .tooManyLinks(let path):
            return "\(escapedForDisplay(path.bytes)): too many levels of symbolic links"
        case .userNotFound(let name):
            return "unable to find user \(escapedForDisplay(name)): no matching entries in passwd file"
        case .groupNotFound(let name):
            return "unable to find group \(escapedForDisplay(name)): no matching entries in group file"
        case .userOutOfRange(let text):
            return "uids and gids must be in range 0-2147483647: \(escapedForDisplay(text))"
        case .userDatabaseUnreadable(let path, let reason):
            return "cannot read \(path) of the root file system: \(reason)"
        case .programNotFound(let name):
            return "exec: \"\(escapedForDisplay(name))\": "
                + (name.contains("/")
                    ? "no such file or directory" : "executable file not found in $PATH")
        case .programNotExecutable(let name, let reason):
            return "exec: \"\(escapedForDisplay(name))\": \(reason)"
        case .foreignPlatform(let platform, let machine, let reason):
            return "cannot run programs for \(platform) on this machine (\(machine)): \(reason)"
        case .runtimeFailed(let message):
            return "the container runtime failed: \(message)"
        case .sandboxHasEnded:
            return "no more processes can be started: the container's first process has ended"
        case .unknownRuntime(let path, let says):
            let line = says.prefix { $0 != "\n" }
            return "\(escapedForDisplay(path.bytes)) is not crun with seccomp support "
                + "(its --version says \"\(escapedForDisplay(line))\"), and would run this without a filter of system calls; "
                + "install crun, and remove the program that comes before it in PATH"
        case .needsNamespaces(let what):
            return "\(what) cannot be had here: this container allows no namespaces and no mounts"
        case .notConfined(let error): return Self.text(ofConfinement: error)
        case .noDevices(let error):
            return "no process can be started: the device /dev/null cannot be made in the store (\(error)); "
                + "the container needs the capability MKNOD, and the store a file system that is not mounted with nodev"
        case .keeperFailed: return "the keeper of the process has ended without saying how the process did"
        case .noProcesses:
            return
                "no process can be started here: this program runs as an ordinary user and may make no user namespace. "
                + "Allow either: user namespaces (docker: --security-opt seccomp=unconfined --security-opt systempaths=unconfined, "
                + "Kubernetes: seccompProfile: Unconfined, procMount: Unmasked), or uid 0 with the default capabilities "
                + "(docker: --user 0, Kubernetes: runAsUser: 0); `slipway info` says what is in the way"
        }
    }

    private static func text(ofConfinement error: SystemCallError) -> String {
        let reason = SystemCallError.text(of: error.errno)
        if error.call.hasPrefix("prlimit ") {
            return "the limit \(error.call.dropFirst(8)) cannot be set to what was asked for: \(reason)"
        }
        return "the process cannot be confined as it must be: \(error)"
    }

    private static func noun(_ type: LinuxSystem.FileType) -> String {
        switch type {
        case .regular: "a file"
        case .directory: "a directory"
        case .symbolicLink: "a symbolic link"
        case .characterDevice, .blockDevice: "a device"
        case .fifo: "a FIFO"
        case .socket: "a socket"
        }
    }
}
