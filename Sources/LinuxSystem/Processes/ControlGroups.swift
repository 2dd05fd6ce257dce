internal import CLinux

/// How the host keeps its cgroups.
///
/// See cgroups(7).
package enum ControlGroupVersion: Sendable {
    /// Only version 2, at `/sys/fs/cgroup`.
    case plain
    /// Version 1, or both.
    case hybrid
    case none
}

/// How this host keeps its cgroups.
///
/// See statfs(2).
package func controlGroupVersion() -> ControlGroupVersion {
    switch slipway_file_system_type("/sys/fs/cgroup") {
    case 0x6367_7270: .plain
    case 0x0102_1994: .hybrid
    default: .none
    }
}
