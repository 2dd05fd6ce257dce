/// The runtime's configuration file, with the fields that Slipway uses.
///
/// See the OCI runtime specification, config.md and config-linux.md.
struct RuntimeSpecification: Codable, Sendable {
    struct Process: Codable, Sendable {
        struct User: Codable, Sendable {
            var uid: UInt32
            var gid: UInt32
            var additionalGids: [UInt32]
            /// Whatever the mask of the runtime's caller.
            var umask: UInt32
        }
        struct Capabilities: Codable, Sendable {
            var bounding: [String]
            var effective: [String]
            var permitted: [String]
        }
        struct ConsoleSize: Codable, Sendable {
            var height: UInt16
            var width: UInt16
        }
        struct Limit: Codable, Sendable {
            var type: String
            var soft: UInt64
            var hard: UInt64
        }

        var terminal: Bool
        var consoleSize: ConsoleSize?
        var user: User
        var args: [String]
        var env: [String]
        var cwd: String
        var capabilities: Capabilities?
        var rlimits: [Limit]?
        var noNewPrivileges: Bool
    }

    struct Root: Codable, Sendable {
        var path: String
        var readonly: Bool
    }

    struct Mount: Codable, Sendable {
        var destination: String
        var type: String?
        var source: String
        var options: [String]
    }

    struct Namespace: Codable, Sendable {
        var type: String
        var path: String?
    }

    /// Ids of the sandbox's own user namespace that follow each other.
    struct IdentityRange: Codable, Sendable {
        var containerID: UInt32
        var hostID: UInt32
        var size: UInt32
    }

    struct Device: Codable, Sendable {
        var path: String
        var type: String
        var major: UInt32?
        var minor: UInt32?
        var fileMode: UInt32
        var uid: UInt32
        var gid: UInt32
    }

    struct Hook: Codable, Sendable {
        var path: String
        var args: [String]?
        var env: [String]?
        var timeout: Int?
    }

    struct Linux: Codable, Sendable {
        var devices: [Device]?
        var namespaces: [Namespace]
        var uidMappings: [IdentityRange]?
        var gidMappings: [IdentityRange]?
        var maskedPaths: [String]
        var readonlyPaths: [String]
        var sysctl: [String: String]?
        var rootfsPropagation: String?
    }

    var ociVersion = "1.0.0"
    var process: Process
    var root: Root
    var hostname: String?
    var mounts: [Mount]
    var annotations: [String: String]?
    /// By the moment at which they run.
    var hooks: [String: [Hook]]?
    var linux: Linux
}

extension RuntimeSpecification {
    /// The file systems of the kernel that every process expects, with Docker's options.
    ///
    /// - Parameters:
    ///   - sharedMemorySize: of `/dev/shm`, in bytes.
    ///   - allowsWriting: whether root may change the kernel's settings through `/sys`.
    ///   - hasOtherUsers: whether there is a group that terminals can be given.
    ///   - sharesSystem: whether `/sys` is the host's own, read-only.
    /// - Returns: the mounts in the order in which they are made: `/dev` before what lies below it.
    static func kernelMounts(sharedMemorySize: Int64, allowsWriting: Bool, hasOtherUsers: Bool, sharesSystem: Bool)
        -> [Mount]
    {
        let system = sharesSystem ? hostSystem : [systemMount(allowsWriting: allowsWriting)]
        return [
            Mount(destination: "/proc", type: "proc", source: "proc", options: ["nosuid", "noexec", "nodev"]),
            Mount(
                destination: "/dev",
                type: "tmpfs",
                source: "tmpfs",
                options: ["nosuid", "strictatime", "mode=755", "size=65536k"]
            ),
            Mount(
                destination: "/dev/pts",
                type: "devpts",
                source: "devpts",
                options: ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"]
                    + (hasOtherUsers ? ["gid=5"] : [])
            ),
            Mount(
                destination: "/dev/mqueue",
                type: "mqueue",
                source: "mqueue",
                options: ["nosuid", "noexec", "nodev"]
            ),
            Mount(
                destination: "/dev/shm",
                type: "tmpfs",
                source: "shm",
                options: ["nosuid", "noexec", "nodev", "mode=1777", "size=\(sharedMemorySize)"]
            ),
        ] + system
    }

    private static func systemMount(allowsWriting: Bool) -> Mount {
        let options = ["nosuid", "noexec", "nodev", allowsWriting ? "rw" : "ro"]
        return Mount(destination: "/sys", type: "sysfs", source: "sysfs", options: options)
    }

    /// Where the host has its cgroups, in which an ordinary user may have some of its own.
    static let controlGroups = "/sys/fs/cgroup"

    /// The host's `/sys`, as the host's users see it, without cgroups.
    private static let hostSystem = [
        Mount(destination: "/sys", type: nil, source: "/sys", options: ["rbind", "nosuid", "noexec", "nodev", "ro"]),
        Mount(
            destination: controlGroups,
            type: "tmpfs",
            source: "tmpfs",
            options: ["nosuid", "noexec", "nodev", "mode=755", "size=0", "ro"]
        ),
    ]
}
