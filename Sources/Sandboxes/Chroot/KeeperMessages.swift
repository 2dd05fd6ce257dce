internal import FoundationEssentials
internal import LinuxSystem
internal import SystemPackage

/// What a keeper is told of the process that it starts.
struct KeeperRequest: Codable, Sendable, Hashable {
    /// The file to execute, and where, as the process sees them.
    var program: Data
    var workingDirectory: Data
    var arguments: [Data]
    /// `NAME=value`.
    var environment: [Data]
    var userID: UInt32
    var groupID: UInt32
    var groups: [UInt32]
    /// Bit masks.
    var capabilities: UInt64
    var boundingCapabilities: UInt64
    var limits: [ProcessConfinement.Limit]
    /// The compiled filter of system calls; empty for none.
    var filter: Data
    /// Whether its standard input is a terminal of its own.
    var hasTerminal: Bool
}

/// What a keeper says in the end.
enum KeeperReport: Codable, Sendable, Hashable {
    case exited(code: CInt)
    case signaled(CInt)
    /// The call that failed, on what, and with which error number.
    case notStarted(call: String, path: Data?, errno: CInt)

    init(_ status: ExitStatus) {
        switch status {
        case .exited(let code): self = .exited(code: code)
        case .signaled(let signal): self = .signaled(signal.rawValue)
        }
    }

    init(_ error: SystemCallError) {
        self = .notStarted(call: error.call, path: (error.path?.bytes).map { Data($0) }, errno: error.errno.rawValue)
    }

    /// How the process ended; as one that was not started where it was not.
    var status: ExitStatus {
        switch self {
        case .exited(let code): .exited(code: code)
        case .signaled(let number): .signaled(Signal(rawValue: number))
        case .notStarted: .exited(code: 127)
        }
    }

    /// Why a program could not be started; nil where it was.
    func failure(program: [UInt8]) -> SandboxError? {
        guard case .notStarted(let call, let path, let code) = self else { return nil }
        let error = SystemCallError(call, path: path.map { FilePath(bytes: $0) }, errno: Errno(rawValue: code))
        let reason = SystemCallError.text(of: error.errno)
        switch (call, error.errno) {
        case ("chdir", _): return .workingDirectoryUnusable(error.path ?? "/", reason: reason)
        case ("exec", .noSuchFileOrDirectory):
            // The file is there, it was looked for: what is missing is what it needs to run.
            return .programNotExecutable(program, reason: reason + " (its interpreter or loader is missing)")
        case ("exec", _): return .programNotExecutable(program, reason: reason)
        default: return .notConfined(error)
        }
    }
}
