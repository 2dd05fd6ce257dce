internal import CLinux
internal import SystemPackage

/// What a child process gives up before it executes its program.
///
/// It never gains privileges again, as by programs that are set-uid: the kernel asks for that promise before it restricts a process
/// whose caller may not do everything.
package struct ProcessConfinement: Sendable {
    /// A limit of setrlimit(2).
    package struct Limit: Sendable, Hashable, Codable {
        /// As `RLIMIT_NOFILE`.
        package var name: String
        package var soft: UInt64
        package var hard: UInt64

        package init(name: String, soft: UInt64, hard: UInt64) {
            self.name = name
            self.soft = soft
            self.hard = hard
        }
    }

    /// The directory that becomes `/`; nil keeps the caller's root.
    ///
    /// See chroot(2).
    package var root: OpenFile?
    /// What files and processes it reaches.
    package var rules: AccessRules?
    package var userID: UInt32
    package var groupID: UInt32
    package var groups: [UInt32] = []
    /// Bit masks by the numbers of linux/capability.h: what it holds.
    package var capabilities: UInt64 = 0
    /// What it and the programs that it executes may ever hold.
    package var boundingCapabilities: UInt64 = 0
    package var fileModeMask: UInt32 = 0o022
    package var limits: [Limit] = []
    /// `struct sock_filter`, one after the other; empty for no filter.
    ///
    /// See seccomp(2).
    package var filter: [UInt8] = []

    package init(userID: UInt32, groupID: UInt32) {
        self.userID = userID
        self.groupID = groupID
    }
}

extension ProcessConfinement.Limit {
    /// The kernel's numbers, in their order; see getrlimit(2).
    private static let names = [
        "RLIMIT_CPU", "RLIMIT_FSIZE", "RLIMIT_DATA", "RLIMIT_STACK", "RLIMIT_CORE", "RLIMIT_RSS", "RLIMIT_NPROC",
        "RLIMIT_NOFILE", "RLIMIT_MEMLOCK", "RLIMIT_AS", "RLIMIT_LOCKS", "RLIMIT_SIGPENDING", "RLIMIT_MSGQUEUE",
        "RLIMIT_NICE", "RLIMIT_RTPRIO", "RLIMIT_RTTIME",
    ]

    /// A number that the kernel does not know for a name that it does not know.
    fileprivate var resource: CInt { CInt(Self.names.firstIndex(of: name) ?? -1) }
}

extension ProcessConfinement {
    /// The call that failed at a stage of the shim; nil for another stage.
    func call(at stage: CInt, _ index: Int) -> String? {
        switch slipway_confinement_stage(rawValue: UInt32(stage)) {
        case slipway_confinement_root: "chroot"
        case slipway_confinement_rules: "landlock_restrict_self"
        case slipway_confinement_limits: "prlimit" + (limits.indices.contains(index) ? " " + limits[index].name : "")
        case slipway_confinement_groups: "setgroups"
        case slipway_confinement_user: "setresuid"
        case slipway_confinement_bounding: "prctl PR_CAPBSET_DROP"
        case slipway_confinement_capabilities: "capset"
        case slipway_confinement_filter: "seccomp"
        default: nil
        }
    }

    /// Lends the shim's form of a confinement.
    static func withShim<Value>(
        _ confinement: ProcessConfinement?,
        _ body: (UnsafePointer<slipway_confinement>?) -> Value
    ) -> Value {
        guard let confinement else { return body(nil) }
        let limits = confinement.limits.map { slipway_limit(resource: $0.resource, soft: $0.soft, hard: $0.hard) }
        return confinement.groups.withUnsafeBufferPointer { groups in
            limits.withUnsafeBufferPointer { limits in
                confinement.filter.withUnsafeBytes { filter in
                    var shim = slipway_confinement()
                    shim.root = confinement.root?.descriptor ?? -1
                    shim.rules = confinement.rules?.file.descriptor ?? -1
                    shim.user = confinement.userID
                    shim.group = confinement.groupID
                    shim.groups = groups.baseAddress
                    shim.group_count = CInt(groups.count)
                    shim.capabilities = confinement.capabilities
                    shim.bounding_capabilities = confinement.boundingCapabilities
                    shim.file_mode_mask = confinement.fileModeMask
                    shim.limits = limits.baseAddress
                    shim.limit_count = CInt(limits.count)
                    shim.filter = filter.baseAddress
                    // The size of an instruction.
                    shim.filter_length = UInt16(clamping: filter.count / 8)
                    return body(&shim)
                }
            }
        }
    }
}
