internal import Glibc

/// What mount(2) does, and what its mount allows.
package struct MountFlags: OptionSet, Sendable, Hashable {
    package let rawValue: UInt
    package init(rawValue: UInt) { self.rawValue = rawValue }

    package static let bind = MountFlags(rawValue: UInt(MS_BIND))
    package static let recursive = MountFlags(rawValue: UInt(MS_REC))
    /// Changes a mount that is there already.
    package static let remount = MountFlags(rawValue: UInt(MS_REMOUNT))
    /// What is mounted below stays in this mount namespace.
    package static let isPrivate = MountFlags(rawValue: UInt(MS_PRIVATE))
    package static let readOnly = MountFlags(rawValue: UInt(MS_RDONLY))
    package static let noSetuid = MountFlags(rawValue: UInt(MS_NOSUID))
    package static let noDevices = MountFlags(rawValue: UInt(MS_NODEV))
    package static let noExecution = MountFlags(rawValue: UInt(MS_NOEXEC))
}
