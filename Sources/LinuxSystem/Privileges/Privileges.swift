internal import SystemPackage
internal import Text

/// The privileges that this process has taken, and why it has no more.
package struct Privileges: Sendable {
    /// What a command is going to do.
    package enum Need: Sendable, Hashable {
        /// Nothing with files of a store.
        case nothing
        /// Read and change a store.
        case store
        /// Mount file systems besides.
        case mounts
    }

    package let level: PrivilegeLevel
    /// Why no better level was taken, and what is not as it should be at this one.
    package private(set) var obstacles: [PrivilegeObstacle] = []
    /// The user who started the program, as everything outside of its namespace knows the user.
    package let userID: UInt32
    package let runtime: RuntimeDirectory
    /// The processes of the namespace that was entered; nil where none was.
    package private(set) var members: NamespaceMembers?

    package init(level: PrivilegeLevel, userID: UInt32, runtime: RuntimeDirectory) {
        self.level = level
        self.userID = userID
        self.runtime = runtime
    }

    /// Of root of the machine.
    package static let machine = Privileges(level: .root, userID: 0, runtime: RuntimeDirectory(path: "/run/slipway"))

    /// Of a process that has not taken any.
    package static var none: Privileges {
        let userID = ProcessContext.effectiveUserID
        return Privileges(
            level: .confined(isSuperuser: userID == 0),
            userID: userID,
            runtime: RuntimeDirectory(path: "/run/slipway")
        )
    }

    /// Takes what there is to take: called once, by a process that has one thread.
    ///
    /// What is mounted afterwards is gone with the process, however it ends.
    /// - Parameters:
    ///   - need: what the command is going to do.
    ///   - variable: the value of `XDG_RUNTIME_DIR`.
    /// - Returns: what it has from now on.
    /// - Throws: `SystemCallError` where nothing can be known of this process.
    @available(*, noasync, message: "call it at the start of main")
    package static func take(_ need: Need, runtimeDirectory variable: [UInt8]?) throws(SystemCallError) -> Privileges {
        let facts = try ProcessFacts.current()
        let runtime = RuntimeDirectory(variable: variable, facts)
        let isSuperuser = facts.userID == 0
        if need == .nothing {
            return Privileges(level: .confined(isSuperuser: isSuperuser), userID: facts.userID, runtime: runtime)
        }
        try MountNamespace.requireSingleThread()
        let privileges = try joinOrChoose(need, facts, runtime)
        switch privileges.level {
        case .root, .confined(isSuperuser: true): break
        case .userNamespace: KeptStatus.begin(.devices)
        case .singleID: KeptStatus.begin(.owners)
        case .confined(isSuperuser: false): KeptStatus.begin(.modes)
        }
        return privileges
    }

    @available(*, noasync, message: "call it at the start of main")
    private static func joinOrChoose(
        _ need: Need,
        _ facts: ProcessFacts,
        _ runtime: RuntimeDirectory
    ) throws(SystemCallError) -> Privileges {
        let administers = facts.userID == 0 && facts.canAdminister
        if !administers, let joined = try join(facts, runtime) { return joined }
        var privileges = try choose(need, facts, runtime)
        if administers, privileges.level.maps != nil { privileges.members = try members(at: runtime) }
        return privileges
    }

    /// The processes of the namespace that this one was started in, as by `unshare`; nil if it is another kind of namespace.
    ///
    /// The user's later commands are to reach what is started here.
    @available(*, noasync, message: "call it at the start of main")
    private static func members(at runtime: RuntimeDirectory) throws(SystemCallError) -> NamespaceMembers? {
        guard try HostFiles.status(of: runtime.path) != nil, (try? runtime.make()) != nil else { return nil }
        let members = NamespaceMembers(directory: runtime.path)
        let lock = try members.hold()
        defer { withExtendedLifetime(lock) {} }
        for process in try members.living() where try UserNamespace.isShared(with: process) {
            try members.addCaller()
            return members
        }
        return nil
    }

    /// Enters this user's namespace; nil if the user has none now.
    @available(*, noasync, message: "call it at the start of main")
    private static func join(_ facts: ProcessFacts, _ runtime: RuntimeDirectory) throws(SystemCallError) -> Privileges?
    {
        // Without the directory each process has a namespace of its own.
        guard (try? runtime.make()) != nil else { return nil }
        let members = NamespaceMembers(directory: runtime.path)
        let lock = try members.hold()
        defer { withExtendedLifetime(lock) {} }
        for process in try members.living() {
            guard try UserNamespace(facts).join(process) else { continue }
            try members.addCaller()
            let level = PrivilegeLevel(root: try IdentityMaps.current())
            var privileges = Privileges(level: level, userID: facts.userID, runtime: runtime)
            privileges.members = members
            return privileges
        }
        var made = try choose(.mounts, facts, runtime)
        if made.level.maps != nil {
            try members.addCaller()
            made.members = members
        }
        return made
    }

    @available(*, noasync, message: "call it at the start of main")
    private static func choose(
        _ need: Need,
        _ facts: ProcessFacts,
        _ runtime: RuntimeDirectory
    ) throws(SystemCallError) -> Privileges {
        let choice = PrivilegeChoice(facts, maskedProc: try CoveredProc.first()) { SubordinateOffer.current(facts) }
        var obstacles = choice.obstacles
        var namespace = UserNamespace(facts)
        var level = PrivilegeLevel.confined(isSuperuser: facts.userID == 0)
        for attempt in choice.attempts {
            do throws(PrivilegeObstacle) {
                switch attempt {
                case .present(let present):
                    if need == .mounts {
                        do throws(SystemCallError) { try MountNamespace.enterPrivate() } catch {
                            throw .mountRefused(error)
                        }
                    }
                    level = present
                case .namespace(let plan):
                    try namespace.enter(plan)
                    level = PrivilegeLevel(root: plan.maps)
                case .confined(let isSuperuser): level = .confined(isSuperuser: isSuperuser)
                }
                break
            } catch {
                obstacles.append(error)
                // There is a namespace now, and no attempt gets another one.
                if case .powerlessUserNamespace = error { break }
            }
        }
        var privileges = Privileges(level: level, userID: facts.userID, runtime: runtime)
        privileges.obstacles = obstacles
        return privileges
    }
}

extension NamespaceMembers {
    /// Adds this process; the lock is held.
    @available(*, noasync, message: "call it at the start of main")
    fileprivate func addCaller() throws(SystemCallError) {
        if let caller = ProcessReference.current { try addHeld(caller) }
    }
}

/// What covers parts of `/proc`: the kernel then mounts no other one for processes in user namespaces.
private enum CoveredProc {
    /// Directories that are there to have something mounted on them.
    private static let permitted: Set<[UInt8]> = ["/proc/sys/fs/binfmt_misc", "/proc/fs/nfsd"]

    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    static func first() throws(SystemCallError) -> FilePath? {
        try MountNamespace.mountPoints().first {
            $0.bytes.starts(with: "/proc/".utf8) && !permitted.contains($0.bytes)
        }
    }
}

extension Privileges {
    /// The level, and why it is no better one, as `info` shows it.
    package var summary: String {
        let reasons =
            obstacles.map { "\($0)" } + (runtime.problem.map { ["\($0); its place is \(runtime.path)"] } ?? [])
        return reasons.isEmpty ? "\(level)" : "\(level) (\(reasons.joined(separator: ". ")))"
    }
}
