internal import CLinux
internal import Glibc
package import SystemPackage

/// What mount(2) does, and what its mount allows.
package struct MountFlags: OptionSet, Sendable, Hashable {
    package let rawValue: UInt
    package init(rawValue: UInt) { self.rawValue = rawValue }

    /// What the mount allows that a path is on.
    ///
    /// See statvfs(3).
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package init(at path: FilePath) throws(SystemCallError) {
        var flags: UInt = 0
        _ = try retryingSystemCall("statvfs", path: path) {
            path.withPlatformString { slipway_mount_flags($0, &flags) }
        }
        rawValue = flags
    }

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
