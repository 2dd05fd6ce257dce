internal import BuildEngine
internal import BuildGraph
internal import BuildKitClient
internal import LinuxSystem
internal import RPC
internal import Storage
internal import SystemPackage
internal import Terminal
internal import Text

/// What `--debug` tells of an error: every error that led to it, from the step down to the system call, in the terms of the program.
///
///     What failed, each followed by its cause:
///       step [2/2] RUN exit 7
///         vertex sha256:…
///         Dockerfile:2
///         operation #3 … exec
///             arg /bin/sh
///       OperationError: process "/bin/sh -c exit 7" did not complete successfully: exit code: 7
package struct FailureAccount: Sendable {
    /// Whole lines.
    package let text: String

    package init(_ error: any Error) {
        let lines = error.chain.flatMap(Self.lines)
        text = "\nWhat failed, each followed by its cause:\n" + lines.map { "  \($0)\n" }.joined()
    }

    private static func lines(_ error: any Error) -> [String] {
        switch error {
        case let failure as StepFailure:
            return step(failure.error) + failure.operation.enumerated().map { ($0 == 0 ? "  operation " : "  ") + $1 }
        case is SolveError:
            // Told with the failure of its step.
            return []
        case let call as SystemCallError:
            let path = call.path.map { " of \(escapedForDisplay($0.bytes))" } ?? ""
            return [
                "system call \(call.call)\(path): errno \(call.errno.rawValue), \(SystemCallError.text(of: call.errno))"
            ]
        default:
            return safeLines("\(type(of: error)): \(error)").split(separator: "\n").map(String.init)
        }
    }

    private static func step(_ error: SolveError) -> [String] {
        var lines = ["step \(safeText(error.name))", "  vertex \(error.vertex)"]
        if let origin = error.origin { lines.append("  \(safeText(origin.dockerfile)):\(origin.line)") }
        return lines
    }
}

extension CommandStatus {
    /// What buildx makes of the gRPC status `Internal`: not the request is at fault, but Slipway or the machine.
    static let internalError = CommandStatus(rawValue: 100)
    /// What buildx makes of the gRPC status `ResourceExhausted`: the memory or the disk is full.
    static let resourceExhausted = CommandStatus(rawValue: 102)

    /// The exit status for an error that ended a build, told apart as BuildKit does: by the system call that failed.
    ///
    /// What a command of RUN met is no failure of the build's own: its exit code is all that is known of it.
    package init(ofFailedBuild error: any Error) {
        for cause in error.chain {
            switch cause {
            case StorageError.noSpace: self = .resourceExhausted
            case let call as SystemCallError:
                switch call.errno {
                case .noMemory, .noSpace: self = .resourceExhausted
                case .ioError, .badAddress, .notRecoverable, Self.damagedMemory: self = .internalError
                default: continue
                }
            case is BuildGraphError: self = .internalError
            case let failure as RemoteFailure:
                switch failure.code {
                case .internalError: self = .internalError
                case .resourceExhausted: self = .resourceExhausted
                case .cancelled: self = .interrupted
                default: continue
                }
            default: continue
            }
            return
        }
        self = .failure
    }

    /// EHWPOISON; see errno(3).
    private static let damagedMemory = Errno(rawValue: 133)
}
