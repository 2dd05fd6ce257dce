import Foundation
import Glibc
import LinuxSystem
import Testing

/// What a test needs of the machine.
///
/// On CI a missing capability fails the test; elsewhere the test is skipped with the reason.
enum Capability: Sendable, CustomStringConvertible {
    case root
    /// A program on PATH.
    case program(String)
    /// An archive that scripts/test makes, by its name.
    case baseImage(String)
    /// Landlock that keeps files, signals and sockets apart.
    case landlock

    var isPresent: Bool {
        switch self {
        case .root: geteuid() == 0
        case .program(let name): findProgram(name) != nil
        case .baseImage(let name): Slipway.baseArchive(name) != nil
        case .landlock: AccessRules.extent == .filesAndProcesses
        }
    }

    var description: String {
        switch self {
        case .root: "needs root"
        case .program(let name): "needs the program \(name)"
        case .baseImage(let name): "needs the base image \(name), which scripts/test makes"
        case .landlock: "needs a kernel with Landlock, of Linux 6.12 or later"
        }
    }
}

extension Trait where Self == ConditionTrait {
    /// Runs the test where the machine has all of this; in CI (`CI=true`) it always runs, so that nothing is skipped unseen.
    static func requires(_ capabilities: Capability...) -> Self {
        let missing = capabilities.filter { !$0.isPresent }
        let isCI = ProcessInfo.processInfo.environment["CI"] == "true"
        return .enabled(
            if: missing.isEmpty || isCI,
            Comment(rawValue: missing.map(\.description).joined(separator: ", "))
        )
    }
}

/// Where a program is, as a shell would find it.
func findProgram(_ name: String) -> String? {
    if name.contains("/") { return access(name, X_OK) == 0 ? name : nil }
    let path = ProcessInfo.processInfo.environment["PATH"] ?? "/usr/sbin:/usr/bin:/sbin:/bin"
    for directory in (path + ":/usr/sbin:/sbin:/usr/lib/podman").split(separator: ":") {
        let candidate = "\(directory)/\(name)"
        if access(candidate, X_OK) == 0 { return candidate }
    }
    return nil
}
