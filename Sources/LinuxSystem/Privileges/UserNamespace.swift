internal import CLinux
internal import Glibc
internal import SystemPackage
internal import Text

/// Takes this process, which has one thread, into a user namespace.
///
/// See user_namespaces(7).
struct UserNamespace {
    private let facts: ProcessFacts
    private let settings = KernelSettings()
    /// Whether it is in a new one already, whose ids could not be mapped.
    private var isInside = false

    init(_ facts: ProcessFacts) { self.facts = facts }

    /// Enters a new namespace, as its root, with a mount table and a view of cgroups of its own.
    /// - Throws: `PrivilegeObstacle`; where there is a namespace by then, the next attempt maps its ids.
    @available(*, noasync, message: "call it at the start of main")
    mutating func enter(_ plan: UserNamespacePlan) throws(PrivilegeObstacle) {
        switch plan.mapper {
        case .programs(let users, let groups):
            try enter(
                users: Mapping(program: users, arguments: Self.arguments(plan.maps.users)),
                groups: Mapping(program: groups, arguments: Self.arguments(plan.maps.groups))
            )
        case .itself:
            let process = getpid()
            try enter(
                users: Mapping(file: "/proc/\(process)/uid_map", map: plan.maps.users.text),
                groups: Mapping(file: "/proc/\(process)/gid_map", map: plan.maps.groups.text)
            )
        case .inside:
            do throws(SystemCallError) {
                if !isInside { _ = try retryingSystemCall("unshare") { slipway_unshare(slipway_CLONE_NEWUSER) } }
                isInside = true
            } catch {
                throw .noUserNamespaces(settings.refusal(error, isFiltered: facts.isFiltered))
            }
            try mapInside(plan.maps)
        }
        do throws(SystemCallError) { try MountNamespace.enterOwn() } catch {
            throw settings.powerlessness(error)
        }
    }

    /// Joins the namespace of another process.
    /// - Returns: false where that process has ended meanwhile, or its namespace is not one that this user made here: a program in
    ///   it may have made one of its own.
    @available(*, noasync, message: "call it at the start of main")
    func join(_ process: ProcessReference) throws(SystemCallError) -> Bool {
        guard let file = try? OpenFile.open(FilePath("/proc/\(process.processID)/ns/user"), .readOnly),
            process.isRunning
        else {
            return false
        }
        var owner: UInt32 = 0
        guard slipway_namespace_owner(file.descriptor, &owner) == 0, owner == facts.userID,
            try Self.isAround(file)
        else { return false }
        _ = try retryingSystemCall("setns") { slipway_setns(file.descriptor, slipway_CLONE_NEWUSER) }
        try MountNamespace.enterOwn()
        return true
    }

    /// Whether this process's namespace is the one that another was made in.
    private static func isAround(_ namespace: OpenFile) throws(SystemCallError) -> Bool {
        let descriptor = slipway_namespace_parent(namespace.descriptor)
        if descriptor < 0 { return false }
        let parent = OpenFile(owning: descriptor, path: namespace.path)
        return try parent.status().inode == ownInode()
    }

    /// Which namespace this process is in.
    private static func ownInode() throws(SystemCallError) -> UInt64 {
        try OpenFile.open("/proc/self/ns/user", .readOnly).status().inode
    }

    /// Whether another process is in this process's namespace.
    @available(*, noasync, message: "call it at the start of main")
    static func isShared(with process: ProcessReference) throws(SystemCallError) -> Bool {
        let path = FilePath("/proc/\(process.processID)/ns/user")
        guard let other = try? OpenFile.open(path, .readOnly).status().inode, process.isRunning else { return false }
        return try other == ownInode()
    }

    // MARK: Mapping

    fileprivate struct Mapping {
        var program: FilePath?
        var arguments: [[UInt8]] = []
        var file = ""
        var map = ""
    }

    private static func arguments(_ map: IdentityMap) -> [[UInt8]] {
        let numbers = map.ranges.flatMap { [$0.inside, $0.outside, $0.count] }
        return [Array("\(getpid())".utf8)] + numbers.map { Array("\($0)".utf8) }
    }

    private mutating func enter(users: Mapping, groups: Mapping) throws(PrivilegeObstacle) {
        let messages: (reading: OpenFile, writing: OpenFile)
        do throws(SystemCallError) { messages = try makePipe() } catch { throw .mountRefused(error) }
        var failures: CInt = 0
        let result = users.withMapping { users in
            groups.withMapping { groups in
                var request = slipway_user_namespace()
                request.users = users
                request.groups = groups
                request.messages = messages.writing.descriptor
                return slipway_enter_user_namespace(&request, &failures)
            }
        }
        guard result == 0 else {
            let error = SystemCallError("unshare", errno: Errno(rawValue: Glibc.errno))
            throw .noUserNamespaces(settings.refusal(error, isFiltered: facts.isFiltered))
        }
        isInside = true
        guard failures != 0 else { return }
        let program = (failures & 1 == 0 ? groups : users).program?.lastComponent?.string ?? "the mapping of ids"
        throw .mappingFailed(program: program, says: Self.message(messages.reading))
    }

    /// What the programs have printed: they have ended, so nothing more will come.
    private static func message(_ pipe: OpenFile) -> [UInt8] {
        _ = slipway_set_nonblocking(pipe.descriptor, 1)
        var bytes = [UInt8](repeating: 0, count: 4096)
        let count = Glibc.read(pipe.descriptor, &bytes, bytes.count)
        return Array(bytes[..<max(count, 0)].prefix { $0 != 0x0a })
    }

    /// Maps one's own ids, which needs no rights outside.
    private func mapInside(_ maps: IdentityMaps) throws(PrivilegeObstacle) {
        do throws(SystemCallError) {
            // A group may take rights away: a process that maps only its own id may not drop groups.
            try write("deny", to: "/proc/self/setgroups")
            try write(maps.users.text, to: "/proc/self/uid_map")
            try write(maps.groups.text, to: "/proc/self/gid_map")
        } catch {
            throw .mappingFailed(program: "the mapping of ids", says: Array("\(error)".utf8))
        }
    }

    private func write(_ text: String, to path: FilePath) throws(SystemCallError) {
        try OpenFile.open(path, .writeOnly).write(Array(text.utf8))
    }
}

extension UserNamespace.Mapping {
    fileprivate func withMapping(_ body: (slipway_id_mapping) -> CInt) -> CInt {
        let arguments = CStringArray([program?.bytes ?? []] + arguments)
        return (program ?? "").withPlatformString { path in
            file.withCString { file in
                map.withCString { map in
                    var mapping = slipway_id_mapping()
                    mapping.program = program == nil ? nil : path
                    mapping.arguments = UnsafePointer(arguments.pointer)
                    mapping.file = file
                    mapping.map = map
                    return body(mapping)
                }
            }
        }
    }
}
