package import LinuxSystem
internal import SystemPackage

/// A privilege of a process.
///
/// See capabilities(7).
package enum Capability: String, Sendable, Hashable, CaseIterable {
    case auditControl = "CAP_AUDIT_CONTROL"
    case auditRead = "CAP_AUDIT_READ"
    case auditWrite = "CAP_AUDIT_WRITE"
    case blockSuspend = "CAP_BLOCK_SUSPEND"
    case bpf = "CAP_BPF"
    case checkpointRestore = "CAP_CHECKPOINT_RESTORE"
    case chown = "CAP_CHOWN"
    case dacOverride = "CAP_DAC_OVERRIDE"
    case dacReadSearch = "CAP_DAC_READ_SEARCH"
    case fileOwner = "CAP_FOWNER"
    case fileSetID = "CAP_FSETID"
    case ipcLock = "CAP_IPC_LOCK"
    case ipcOwner = "CAP_IPC_OWNER"
    case kill = "CAP_KILL"
    case lease = "CAP_LEASE"
    case linuxImmutable = "CAP_LINUX_IMMUTABLE"
    case macAdmin = "CAP_MAC_ADMIN"
    case macOverride = "CAP_MAC_OVERRIDE"
    case makeNode = "CAP_MKNOD"
    case netAdmin = "CAP_NET_ADMIN"
    case netBindService = "CAP_NET_BIND_SERVICE"
    case netBroadcast = "CAP_NET_BROADCAST"
    case netRaw = "CAP_NET_RAW"
    case perfmon = "CAP_PERFMON"
    case setFileCapabilities = "CAP_SETFCAP"
    case setGroupID = "CAP_SETGID"
    case setCapabilities = "CAP_SETPCAP"
    case setUserID = "CAP_SETUID"
    case sysAdmin = "CAP_SYS_ADMIN"
    case sysBoot = "CAP_SYS_BOOT"
    case sysChroot = "CAP_SYS_CHROOT"
    case sysModule = "CAP_SYS_MODULE"
    case sysNice = "CAP_SYS_NICE"
    case sysPacct = "CAP_SYS_PACCT"
    case sysPtrace = "CAP_SYS_PTRACE"
    case sysRawIO = "CAP_SYS_RAWIO"
    case sysResource = "CAP_SYS_RESOURCE"
    case sysTime = "CAP_SYS_TIME"
    case sysTTYConfig = "CAP_SYS_TTY_CONFIG"
    case syslog = "CAP_SYSLOG"
    case wakeAlarm = "CAP_WAKE_ALARM"

    /// All that the caller may hand on: in a container of its own that may be less than the kernel has.
    ///
    /// See `CapBnd` in proc(5).
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package static func available() throws(SystemCallError) -> Set<Capability> { try own("CapBnd:") }

    /// All that the caller holds.
    ///
    /// See `CapPrm` in proc(5).
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package static func held() throws(SystemCallError) -> Set<Capability> { try own("CapPrm:") }

    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    private static func own(_ field: String) throws(SystemCallError) -> Set<Capability> {
        let text = String(decoding: try OpenFile.open("/proc/self/status", .readOnly).readToEnd(), as: UTF8.self)
        let line = text.split(separator: "\n").first { $0.hasPrefix(field) }
        let mask = line.flatMap { UInt64($0.dropFirst(field.count).drop { $0 == "\t" || $0 == " " }, radix: 16) } ?? 0
        return Set(byNumber.enumerated().filter { mask >> UInt64($0.offset) & 1 == 1 }.map(\.element))
    }

    /// The bits by which the kernel knows capabilities.
    static func mask(of capabilities: Set<Capability>) -> UInt64 {
        byNumber.enumerated().filter { capabilities.contains($0.element) }.reduce(0) { $0 | 1 << UInt64($1.offset) }
    }

    /// In the order of linux/capability.h.
    private static let byNumber: [Capability] = [
        .chown, .dacOverride, .dacReadSearch, .fileOwner, .fileSetID, .kill, .setGroupID, .setUserID, .setCapabilities,
        .linuxImmutable, .netBindService, .netBroadcast, .netAdmin, .netRaw, .ipcLock, .ipcOwner, .sysModule, .sysRawIO,
        .sysChroot, .sysPtrace, .sysPacct, .sysAdmin, .sysBoot, .sysNice, .sysResource, .sysTime, .sysTTYConfig,
        .makeNode, .lease, .auditWrite, .auditControl, .setFileCapabilities, .macOverride, .macAdmin, .syslog,
        .wakeAlarm, .blockSuspend, .auditRead, .perfmon, .bpf, .checkpointRestore,
    ]

    /// The fourteen that Docker leaves to root in a container.
    package static let dockerDefaults: Set<Capability> = [
        .auditWrite, .chown, .dacOverride, .fileOwner, .fileSetID, .kill, .makeNode, .netBindService, .netRaw,
        .setFileCapabilities, .setGroupID, .setCapabilities, .setUserID, .sysChroot,
    ]
}
