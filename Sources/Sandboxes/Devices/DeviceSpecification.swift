package import LinuxSystem
package import SystemPackage

/// What a vendor's file says of devices and of what a container must have to use them.
///
/// See the Container Device Interface, https://github.com/cncf-tags/container-device-interface/blob/main/SPEC.md.
package struct DeviceSpecification: Sendable, Hashable {
    /// The file, for messages.
    package let file: FilePath
    /// `vendor.com/class`.
    package var kind = ""
    package var annotations: [String: String] = [:]
    package var devices: [Device] = []
    /// For a container that has any of the devices.
    package var edits = ContainerEdits()

    package struct Device: Sendable, Hashable {
        package var name = ""
        package var annotations: [String: String] = [:]
        package var edits = ContainerEdits()
    }

    init(file: FilePath) { self.file = file }
}

/// What is changed in a container so that it can use a device.
package struct ContainerEdits: Sendable, Hashable {
    /// `NAME=value`.
    package var environment: [String] = []
    package var nodes: [Node] = []
    package var mounts: [Mount] = []
    /// Programs of the host that the runtime runs at points of the container's life.
    package var hooks: [Hook] = []
    package var additionalGroups: [UInt32] = []

    package struct Node: Sendable, Hashable {
        package enum Kind: String, Sendable, Hashable {
            case block = "b"
            case character = "c"
            case unbuffered = "u"
            case fifo = "p"
        }

        /// In the container.
        package var path: FilePath
        /// On the host, where it has another name there.
        package var hostPath: FilePath
        /// Nil is what the host's node is, as for all that follows.
        package var kind: Kind?
        package var major: UInt32?
        package var minor: UInt32?
        package var mode: UInt32?
        package var userID: UInt32?
        package var groupID: UInt32?
        package var access: DeviceRule.Access
    }

    package struct Mount: Sendable, Hashable {
        package var hostPath: FilePath
        package var containerPath: FilePath
        package var type: String
        package var options: [String]
    }

    /// See the OCI runtime specification, config.md, POSIX-platform hooks.
    package struct Hook: Sendable, Hashable {
        package enum Moment: String, Sendable, Hashable, CaseIterable {
            case prestart, createRuntime, createContainer, startContainer, poststart, poststop
        }

        package var moment: Moment
        package var path: FilePath
        /// The program's own name first.
        package var arguments: [String]
        package var environment: [String]
        /// In seconds.
        package var timeout: Int?
    }

    var isEmpty: Bool { self == ContainerEdits() }
}

/// Why a device cannot be given.
package enum DeviceError: Error, Sendable, Hashable, CustomStringConvertible {
    /// A file that is not as the specification says.
    case invalid(file: String, line: Int?, reason: String)
    /// No file describes the device; `broken` is what kept files from being read.
    case notRegistered(String, directories: [String], broken: [String])
    case notAllowed([String])
    case unusable(String, file: String, reason: String)

    package var description: String {
        switch self {
        case .invalid(let file, let line, let reason):
            return "\(file)\(line.map { ":\($0)" } ?? ""): \(reason)"
        case .notRegistered(let name, let directories, let broken):
            let places = directories.joined(separator: ", ")
            return "required device \"\(name)\" is not registered: no CDI specification in \(places) has it"
                + (broken.isEmpty ? "" : "; could not read: \(broken.joined(separator: "; "))")
        case .notAllowed(let names):
            let flags = names.map { "--allow device=\($0)" }.joined(separator: " ")
            return names.count == 1
                ? "device \(names[0]) is requested by the build but not allowed: allow it with \(flags)"
                : "devices \(names.joined(separator: ", ")) are requested by the build but not allowed: allow them with \(flags)"
        case .unusable(let what, let file, let reason):
            return "the \(what) that \(file) gives a container: \(reason)"
        }
    }
}
