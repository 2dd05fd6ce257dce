internal import GoTemplate
internal import LinuxSystem
internal import OCI
internal import Snapshots
internal import SystemPackage
package import Terminal
internal import Text

/// What a command that failed says, and its exit status.
struct FailureReport {
    let text: String
    let status: CommandStatus

    init(_ error: any Error, interruptedBy interruption: CommandStatus?, isDebugging: Bool = false) {
        let shown: String
        switch error {
        case let failure as CommandFailure:
            shown = failure.message
            status = interruption ?? failure.status
        case let usage as LocatedUsageError:
            shown = usage.text
            status = usage.error.exitStatus
        case let template as TemplateError:
            shown = "\(template)\n"
            status = interruption ?? .failure
        case is CancellationError:
            shown = interruption == nil ? "Error: cancelled\n" : ""
            status = interruption ?? .failure
        case let call as SystemCallError where call.errno == .brokenPipe && call.call == "write":
            // As `head` ends a pipeline: there is nobody left to tell.
            shown = ""
            status = .brokenPipe
        default:
            let account = isDebugging ? FailureAccount(error).text : ""
            shown = interruption == nil ? "Error: \(error)\n\(account)" : ""
            status = interruption ?? .failure
        }
        text = withoutCredentials(shown)
    }

    func write(to output: TextOutput) async -> CommandStatus {
        if text.isEmpty { return status }
        do {
            try await output.write(text)
        } catch {
            // The standard error output is gone; the status still tells.
        }
        return status
    }
}

/// Ends a command with a status of its own, and a text for the standard error output that is complete as it is.
package struct CommandFailure: Error, Sendable {
    package let message: String
    package let status: CommandStatus

    package init(_ message: String = "", status: CommandStatus = .failure) {
        self.message = message.isEmpty || message.hasSuffix("\n") ? message : message + "\n"
        self.status = status
    }
}

/// What commands refuse.
package enum CommandError: Error, Hashable, CustomStringConvertible {
    case argumentIsNoText([UInt8])
    case noHomeDirectory
    case outputIsTerminal
    case template(String)
    case unknownSnapshotter([UInt8])
    case noSuchObject(String)
    case invalidHost([UInt8])
    case halfAnIdentity
    case notAtDaemon(command: String, others: [String])

    package var description: String {
        switch self {
        case .argumentIsNoText(let bytes): "the argument \"\(escapedForDisplay(bytes))\" is not valid UTF-8"
        case .noHomeDirectory:
            "there is no home directory: HOME is not set and the user is not in the user database; use --root and --config"
        case .outputIsTerminal: "cowardly refusing to save to a terminal. Use the -o flag or redirect"
        case .template(let reason): "template parsing error: \(reason)"
        case .unknownSnapshotter(let name):
            "SLIPWAY_SNAPSHOTTER is \"\(escapedForDisplay(name))\", not one of "
                + SnapshotMeans.allCases.map(\.rawValue).joined(separator: ", ")
        case .noSuchObject(let name): "No such object: \(name)"
        case .invalidHost(let name):
            "invalid address of a daemon \"\(escapedForDisplay(name))\"; give unix://PATH or tcp://HOST:PORT"
        case .halfAnIdentity: "--tlscert and --tlskey belong together: give both or neither"
        case .notAtDaemon(let command, let others):
            "slipway \(command) works on the store of this machine and cannot be sent to a daemon (--host, SLIPWAY_HOST); "
                + "\(others.dropLast().joined(separator: ", ")) and \(others.last ?? "") can"
        }
    }
}
