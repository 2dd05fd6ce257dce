internal import Terminal

extension ContainerFlags {
    /// A flag of docker's `run` that Slipway lacks.
    struct MissingFlag: Sendable {
        let name: String
        var short: Character?
        /// Whether it is on or off, and off is what it always is here.
        var isSwitch = false
        /// The values that ask for what is so anyway.
        var accepted: Set<String> = [""]
        /// What is missing, as a sentence that follows the flag's name and value.
        let reason: String
    }

    /// Everything that docker's `run` and `create` have and Slipway does not: each use is refused with the reason, unless it asks for
    /// nothing that differs from what is done.
    static let missing: [MissingFlag] = processors + memory + disks + devices + namespaces + networks + others

    static let missingFlags: [Flag<ContainerFlags>] = missing.map { missing in
        .lacking(
            missing.name,
            short: missing.short,
            isSwitch: missing.isSwitch,
            accepting: missing.accepted,
            because: missing.reason
        )
    }

    private static let processors: [MissingFlag] = [
        .init(name: "cpu-period", accepted: ["0"], reason: "periods of the scheduler cannot be set; use --cpus"),
        .init(name: "cpu-quota", accepted: ["0"], reason: "quotas of the scheduler cannot be set; use --cpus"),
        .init(name: "cpu-rt-period", accepted: ["0"], reason: "real-time scheduling cannot be limited"),
        .init(name: "cpu-rt-runtime", accepted: ["0"], reason: "real-time scheduling cannot be limited"),
        .init(name: "cpu-shares", short: "c", accepted: ["0"], reason: "shares of CPU time cannot be set; use --cpus"),
        .init(name: "cpuset-cpus", reason: "containers cannot be bound to CPUs; use --cpus"),
        .init(name: "cpuset-mems", reason: "containers cannot be bound to memory nodes"),
        .init(name: "cpu-count", accepted: ["0"], reason: "it is for Windows containers"),
        .init(name: "cpu-percent", accepted: ["0"], reason: "it is for Windows containers"),
    ]

    private static let memory: [MissingFlag] = [
        .init(name: "kernel-memory", accepted: ["0"], reason: "kernels no longer limit their own memory; use --memory"),
        .init(name: "memory-reservation", accepted: ["0"], reason: "soft limits of memory cannot be set; use --memory"),
        .init(name: "memory-swap", accepted: ["0"], reason: "swap cannot be limited; use --memory"),
        .init(name: "memory-swappiness", accepted: ["-1"], reason: "the kernel's use of swap cannot be tuned"),
        .init(name: "oom-kill-disable", isSwitch: true, reason: "the kernel's out-of-memory killer stays on"),
        .init(name: "oom-score-adj", accepted: ["0"], reason: "the out-of-memory killer's preferences cannot be tuned"),
    ]

    private static let disks: [MissingFlag] = [
        .init(name: "blkio-weight", accepted: ["0"], reason: "the use of disks cannot be weighted"),
        .init(name: "blkio-weight-device", reason: "the use of disks cannot be weighted"),
        .init(name: "device-read-bps", reason: "the use of disks cannot be limited"),
        .init(name: "device-read-iops", reason: "the use of disks cannot be limited"),
        .init(name: "device-write-bps", reason: "the use of disks cannot be limited"),
        .init(name: "device-write-iops", reason: "the use of disks cannot be limited"),
        .init(name: "io-maxbandwidth", accepted: ["0"], reason: "it is for Windows containers"),
        .init(name: "io-maxiops", accepted: ["0"], reason: "it is for Windows containers"),
        .init(name: "storage-opt", reason: "the size of a container's files cannot be limited"),
        .init(name: "volume-driver", accepted: ["", "local"], reason: "there are no volume drivers but local"),
    ]

    private static let devices: [MissingFlag] = [
        .init(name: "device", reason: "devices of the host cannot be given to containers; use --privileged"),
        .init(name: "device-cgroup-rule", reason: "the devices that a container may make cannot be chosen"),
        .init(name: "gpus", reason: "GPUs cannot be given to containers yet"),
    ]

    private static let namespaces: [MissingFlag] = [
        .init(name: "cgroup-parent", reason: "the cgroup of a container cannot be chosen"),
        .init(name: "cgroupns", accepted: ["", "private"], reason: "each container has a cgroup namespace of its own"),
        .init(name: "ipc", accepted: ["", "private"], reason: "each container has an IPC namespace of its own"),
        .init(name: "pid", reason: "each container has a process namespace of its own"),
        .init(name: "uts", reason: "each container has a host name of its own"),
        .init(name: "domainname", reason: "the NIS domain name of a container cannot be set"),
        .init(name: "sysctl", reason: "parameters of the kernel cannot be set"),
    ]

    private static let networks: [MissingFlag] = [
        .init(name: "ip", reason: "the address of a container cannot be chosen"),
        .init(name: "ip6", reason: "containers have no IPv6 addresses"),
        .init(name: "link", reason: "containers cannot be linked; the address of one is in its inspect"),
        .init(name: "link-local-ip", reason: "the address of a container cannot be chosen"),
        .init(name: "mac-address", reason: "the hardware address of a container cannot be chosen"),
        .init(name: "network-alias", reason: "networks do not resolve container names yet"),
        .init(name: "net-alias", reason: "networks do not resolve container names yet"),
    ]

    private static let others: [MissingFlag] = [
        .init(name: "annotation", reason: "the runtime's annotations cannot be set; use --label"),
        .init(name: "isolation", accepted: ["", "default"], reason: "there is no isolation but the default one"),
        .init(
            name: "log-driver",
            accepted: ["", "json-file", "local"],
            reason: "logs are kept in a file that logs reads; there are no other drivers"
        ),
        .init(name: "log-opt", reason: "log drivers have no options: a log grows until its container is removed"),
        .init(
            name: "restart",
            accepted: ["", "no"],
            reason: "restart policies are not supported yet: nothing watches over a container"
        ),
        .init(name: "runtime", accepted: ["", "crun"], reason: "crun is the only runtime"),
        .init(
            name: "use-api-socket",
            isSwitch: true,
            reason: "the API socket cannot be mounted yet"
        ),
    ]
}
