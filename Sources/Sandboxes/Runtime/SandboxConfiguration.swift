package import LinuxSystem
package import SystemPackage

/// One process and what it sees of the world.
package struct SandboxConfiguration: Sendable {
    /// Which network the process is in.
    package enum Network: Sendable {
        /// The host's own.
        case host
        /// Only a loopback device.
        case none
        /// A namespace that is set up already, by path, with what answers there as the host's name servers do.
        case namespace(FilePath, nameServer: String? = nil)
        /// One of its own, made for it.
        case own(SandboxNetwork)

        var isHost: Bool { if case .host = self { true } else { false } }
        /// Whether the runtime makes it, so that it belongs to a user namespace that the runtime makes.
        var isMadeByRuntime: Bool { if case .none = self { true } else { false } }

        /// The host's address in it; where it is the host's own, or leads nowhere, the loopback address.
        package var host: String {
            switch self {
            case .host, .none, .namespace: "127.0.0.1"
            case .own(let network): network.host
            }
        }
    }

    /// Something mounted in the sandbox, besides the kernel's file systems that are always there.
    package struct Mount: Sendable, Hashable {
        package enum Source: Sendable, Hashable {
            /// A file or directory of the host, with what is mounted below it.
            case bind(FilePath)
            /// Memory; `size` in bytes, nil for the kernel's default. Without a `mode`, that of the directory that it covers, or 1777.
            case tmpfs(size: Int64?, mode: UInt32?)
        }

        package var source: Source
        /// Where, as the process sees it.
        package var target: FilePath
        package var isReadOnly: Bool
        /// More mount options in mount(8)'s words: `noexec`, `rshared`.
        package var options: [String]

        package init(_ source: Source, at target: FilePath, isReadOnly: Bool = false, options: [String] = []) {
            self.source = source
            self.target = target
            self.isReadOnly = isReadOnly
            self.options = options
        }
    }

    /// What a process is for, which decides what docker and BuildKit do differently.
    package enum Purpose: Sendable {
        /// A container: it may write to `/etc/hosts`, `/etc/resolv.conf` and `/etc/hostname`, which are made for it.
        case container
        /// A step of a build: `/etc/hosts` and `/etc/resolv.conf` are made for it and cannot be written to, `/etc/hostname` is the
        /// image's own, and a missing working directory becomes its user's.
        case step
    }

    /// A limit of setrlimit(2), by the name the runtime knows, for example `RLIMIT_NOFILE`.
    package struct ResourceLimit: Sendable, Hashable {
        package var name: String
        package var soft: UInt64
        package var hard: UInt64

        package init(name: String, soft: UInt64, hard: UInt64) {
            self.name = name
            self.soft = soft
            self.hard = hard
        }
    }

    /// Lines of `/etc/resolv.conf`: `nameserver …`, `search …`, `options …`.
    package struct ResolverLines: Sendable, Hashable {
        package var lines: [String]
        package var replacesNameServers: Bool

        package init(_ lines: [String], replacesNameServers: Bool) {
            self.lines = lines
            self.replacesNameServers = replacesNameServers
        }
    }

    /// Where the root file system is mounted.
    package var root: FilePath
    package var isRootReadOnly = false
    /// The program and its arguments; a program without a slash is looked up in the PATH of `environment`.
    package var arguments: [[UInt8]]
    /// `NAME=value`.
    ///
    /// HOME is added from the user database when missing or empty.
    package var environment: [[UInt8]] = []
    /// As the process sees it; created when missing, and never one that leads into the kernel's file systems.
    package var workingDirectory: FilePath = "/"
    /// `user[:group]` by name or number, looked up in the root's own files.
    package var user: [UInt8] = []
    package var additionalGroups: [[UInt8]] = []
    package var hostname: [UInt8] = []
    package var mounts: [Mount] = []
    package var network = Network.host
    /// A user namespace of its own, below the one of this process; nil for that one itself.
    package var identities: IdentityMaps?
    package var purpose = Purpose.container
    /// More lines of `/etc/hosts`.
    package var hosts: [(name: String, address: String)] = []
    /// All of `/etc/hosts`, where it is not made of the host name and `hosts`.
    package var hostsFile: [UInt8]?
    /// Lines of `/etc/resolv.conf` that replace the host's of the same kind; nil takes all of the host's.
    package var resolverLines: ResolverLines?
    package var capabilities = Capability.dockerDefaults
    /// Applies Docker's profile of allowed system calls; off only for a process that is trusted like the host's own.
    package var confinesSystemCalls = true
    /// Hides what the kernel shows of the host in `/proc` and `/sys`.
    package var masksKernelFiles = true
    package var gainsNoPrivileges = false
    /// Answers what the process asks about owners and users, where the kernel has one user alone: see `Impersonator`.
    var impersonatesUsers = false
    package var resourceLimits: [ResourceLimit] = []
    /// The size of `/dev/shm` in bytes.
    package var sharedMemorySize: Int64 = 64 << 20
    package var kernelParameters: [String: String] = [:]
    /// The cgroup that the process and its runtime are in; nil is one of their own, without limits.
    package var controlGroup: ControlGroup?
    /// Nodes to be made in the root file system, besides `/dev/null` and the like.
    package var deviceNodes: [DeviceNode] = []
    /// Programs of the host that the runtime runs at points of the container's life.
    package var hooks: [ContainerEdits.Hook] = []
    /// Lets the process use every device of the host that it finds or makes a node of; only for one that is trusted like the host's own.
    package var usesAllDevices = false
    /// Is told what this host does not let be confined.
    package var noteObstacle: @Sendable (String) -> Void = { _ in }
    /// Is told, when the process has ended, of files of the root that are as they were although the kernel has noted a change of them.
    package var noteRestored: @Sendable ([FilePath]) -> Void = { _ in }
    /// Is told, when the process has ended, what it used; what its start took is part of that.
    package var noteUsage: @Sendable (ResourceUsage) -> Void = { _ in }

    /// A process confined as Docker's defaults confine it.
    package init(root: FilePath, arguments: [[UInt8]]) {
        self.root = root
        self.arguments = arguments
    }
}

extension SandboxConfiguration {
    /// What Docker hides of `/proc` and `/sys`: kernel memory, keys, hardware.
    package static let maskedPaths = [
        "/proc/acpi", "/proc/asound", "/proc/interrupts", "/proc/kcore", "/proc/keys", "/proc/latency_stats",
        "/proc/sched_debug", "/proc/scsi", "/proc/timer_list", "/proc/timer_stats", "/sys/devices/virtual/powercap",
        "/sys/firmware",
    ]

    /// What Docker lets be read and not written.
    package static let readOnlyPaths = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"]
}
