internal import CLinux
package import SystemPackage

/// Rules by which the kernel keeps a process, and all that it starts, from files and from other processes; nothing undoes them.
///
/// See landlock(7).
package struct AccessRules: Sendable {
    /// What the kernel at hand can keep processes from.
    package enum Extent: Sendable, Hashable {
        /// Files, and signals and abstract sockets of processes that are not kept with it.
        case filesAndProcesses
        case files
        /// Nothing; why.
        case nothing(Errno)
    }

    /// What the kernel offers this process.
    ///
    /// A container's filter of system calls may refuse what the kernel has.
    package static var extent: Extent {
        do throws(SystemCallError) {
            let version = try retryingSystemCall("landlock_create_ruleset") { slipway_rules_version() }
            // The first version keeps files in their directories: no package could be installed.
            if version < 2 { return .nothing(.notSupported) }
            return version < Self.processVersion ? .files : .filesAndProcesses
        } catch {
            return .nothing(error.errno)
        }
    }

    let file: OpenFile

    /// The version from which on signals and sockets are kept in.
    private static let processVersion: CInt = 6
    /// LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET and …_SIGNAL.
    private static let allScopes: UInt64 = 3
    private static let signalScope: UInt64 = 2
    /// LANDLOCK_ACCESS_FS_REFER.
    private static let moves: UInt64 = 1 << 13

    /// Allows everything below a directory and nothing elsewhere; nil if the kernel has no such rules.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package static func beneath(_ directory: OpenFile) throws(SystemCallError) -> AccessRules? {
        let extent = extent
        if case .nothing = extent { return nil }
        let version = try retryingSystemCall("landlock_create_ruleset") { slipway_rules_version() }
        let access = fileAccess(version)
        let rules = try AccessRules(access, scopes: extent == .filesAndProcesses ? allScopes : 0)
        try rules.allow(access, beneath: directory)
        return rules
    }

    /// Keeps signals among the processes that have these rules; nil if the kernel cannot.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package static func ofSignals() throws(SystemCallError) -> AccessRules? {
        guard extent == .filesAndProcesses else { return nil }
        // Rules that say nothing of moves between directories refuse them to all rules that come later.
        let rules = try AccessRules(moves, scopes: signalScope)
        try rules.allow(moves, beneath: try OpenFile.open("/", [.pathOnly, .directory]))
        return rules
    }

    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    private func allow(_ access: UInt64, beneath directory: OpenFile) throws(SystemCallError) {
        _ = try retryingSystemCall("landlock_add_rule", path: directory.path) {
            slipway_rules_allow(file.descriptor, access, directory.descriptor)
        }
    }

    private init(_ fileAccess: UInt64, scopes: UInt64) throws(SystemCallError) {
        let descriptor = try retryingSystemCall("landlock_create_ruleset") { slipway_rules_create(fileAccess, scopes) }
        file = OpenFile(owning: descriptor, path: "access rules")
    }

    /// All accesses to files that a version can refuse: one more bit for each that the later versions brought.
    private static func fileAccess(_ version: CInt) -> UInt64 {
        // Up to LANDLOCK_ACCESS_FS_MAKE_SYM; …_TRUNCATE and …_IOCTL_DEV.
        var access: UInt64 = 0x1fff | moves
        if version >= 3 { access |= 1 << 14 }
        if version >= 5 { access |= 1 << 15 }
        return access
    }

    /// Puts this thread, and all that it starts from now on, under the rules.
    ///
    /// The process must have no other thread, and gains no privileges any more.
    package func restrictCaller() throws(SystemCallError) {
        _ = try retryingSystemCall("prctl PR_SET_NO_NEW_PRIVS") { slipway_refuse_privileges() }
        _ = try retryingSystemCall("landlock_restrict_self") { slipway_rules_apply(file.descriptor) }
    }
}
