package import LinuxSystem
internal import SystemPackage
internal import Text

/// What the runtime sees of the host.
package enum RuntimeSurroundings {
    /// Mounts in the runtime's own mount namespace.
    ///
    /// `/proc` must belong to its process namespace, for it looks its children up there. And the runtime refuses hosts whose
    /// `/sys/fs/cgroup` mixes both versions of cgroups; it is shown a plain one, which it is told not to manage anyway.
    package static var mounts: [ChildProcessConfiguration.Mount] {
        let base: [ChildProcessConfiguration.Mount] = [
            .init(source: "none", target: "/", flags: recursivelyPrivate),
            .init(source: "proc", target: "/proc", type: "proc", flags: filesOnly),
        ]
        return hasPlainControlGroups ? base : base + [controlGroups]
    }

    /// Mounts that keep a sandbox from writing to the runtime's program, which it reaches as `/proc/<number>/exe` (CVE-2019-5736).
    ///
    /// The runtime would mount its program read-only itself and start that: each step would start it twice.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    static func protecting(_ runtime: FilePath) -> [ChildProcessConfiguration.Mount] {
        // What a mount forbids already stays forbidden: in a user namespace the kernel refuses anything else.
        let present = (try? MountFlags(at: runtime)) ?? []
        return [
            .init(source: runtime, target: runtime, flags: .bind),
            .init(source: "none", target: runtime, flags: present.union([.remount, .bind, .readOnly])),
        ]
    }

    /// Lets the runtime ask whether its program is read-only; where it is not, or another runtime does not know the variable, it sees
    /// to that itself.
    static let protectionMark: [UInt8] = "_LIBCONTAINER_CLONED_BINARY=1"

    static let environment: [[UInt8]] = ["PATH=/usr/sbin:/usr/bin:/sbin:/bin", protectionMark]

    /// Keeps what is mounted in a mount namespace from reaching any other.
    package static let recursivelyPrivate: MountFlags = [.recursive, .isPrivate]

    /// Nothing in the mount is run, or opened as a device.
    private static let filesOnly: MountFlags = [.noSetuid, .noDevices, .noExecution]

    /// Shows the runtime a plain cgroup hierarchy.
    package static let controlGroups = ChildProcessConfiguration.Mount(
        source: "cgroup",
        target: "/sys/fs/cgroup",
        type: "cgroup2",
        flags: filesOnly
    )

    /// Whether the host has cgroups of version 2 only: its `/sys/fs/cgroup` is then of that type.
    package static let hasPlainControlGroups = controlGroupVersion() == .plain
}
