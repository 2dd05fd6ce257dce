internal import Glibc
package import SystemPackage
internal import Text

/// How the ids of a new user namespace come to be mapped.
package enum IdentityMapper: Sendable, Hashable {
    /// newuidmap and newgidmap, which have the rights that this process lacks.
    case programs(users: FilePath, groups: FilePath)
    /// This process itself, from outside of the namespace.
    case itself
    /// The namespace's first process: it can map its own ids alone.
    case inside
}

/// How to get a user namespace: which ids it has, and who maps them.
package struct UserNamespacePlan: Sendable, Hashable {
    package let maps: IdentityMaps
    package let mapper: IdentityMapper

    /// The caller's own id alone.
    static func single(_ facts: ProcessFacts) -> UserNamespacePlan {
        UserNamespacePlan(
            maps: IdentityMaps(users: IdentityMap(root: facts.userID), groups: IdentityMap(root: facts.groupID)),
            mapper: .inside
        )
    }
}

/// What the system offers an ordinary user who needs more than one id.
package struct SubordinateOffer: Sendable, Hashable {
    package var user: UserName
    package var users: SubordinateIDs
    package var groups: SubordinateIDs
    package var userMapper: Result<FilePath, PrivilegeObstacle>
    package var groupMapper: Result<FilePath, PrivilegeObstacle>

    package static let userFile: FilePath = "/etc/subuid"
    package static let groupFile: FilePath = "/etc/subgid"

    package init(
        user: UserName,
        users: SubordinateIDs,
        groups: SubordinateIDs,
        userMapper: Result<FilePath, PrivilegeObstacle>,
        groupMapper: Result<FilePath, PrivilegeObstacle>
    ) {
        self.user = user
        self.users = users
        self.groups = groups
        self.userMapper = userMapper
        self.groupMapper = groupMapper
    }

    /// Looks at the machine.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    static func current(_ facts: ProcessFacts) -> SubordinateOffer {
        func ids(_ file: FilePath) -> SubordinateIDs {
            // A file that cannot be read gives nothing, as for newuidmap itself.
            SubordinateIDs(parsing: (try? contentsIfPresent(of: file, limit: 16 << 20)) ?? [])
        }
        return SubordinateOffer(
            user: UserName.current(facts.userID),
            users: ids(userFile),
            groups: ids(groupFile),
            userMapper: mapper("newuidmap"),
            groupMapper: mapper("newgidmap")
        )
    }

    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    private static func mapper(_ name: String) -> Result<FilePath, PrivilegeObstacle> {
        let path: FilePath
        do throws(ProgramNotFound) {
            path = try Program.named(name).resolve()
        } catch {
            return .failure(.noMapper(error))
        }
        guard let file = try? OpenFile.open(path, .pathOnly), let status = try? file.status() else {
            return .success(path)
        }
        let isSetUID = UInt32(status.mode) & UInt32(S_ISUID) != 0 && status.userID == 0
        let hasCapability = ((try? file.extendedAttribute("security.capability")) ?? nil) != nil
        return isSetUID || hasCapability ? .success(path) : .failure(.powerlessMapper(path))
    }

    /// The plan that this makes possible.
    /// - Returns: it, and what is wrong with it without making it impossible.
    /// - Throws: `PrivilegeObstacle`.
    package func plan(_ facts: ProcessFacts) throws(PrivilegeObstacle) -> (UserNamespacePlan, [PrivilegeObstacle]) {
        if facts.gainsNoPrivileges { throw .noNewPrivileges }
        let userRanges = try ranges(in: users, Self.userFile, besides: facts.userID)
        let groupRanges = try ranges(in: groups, Self.groupFile, besides: facts.groupID)
        let plan = UserNamespacePlan(
            maps: IdentityMaps(
                users: IdentityMap(root: facts.userID, others: userRanges),
                groups: IdentityMap(root: facts.groupID, others: groupRanges)
            ),
            mapper: .programs(users: try userMapper.get(), groups: try groupMapper.get())
        )
        let notes = [(users, userRanges, Self.userFile), (groups, groupRanges, Self.groupFile)].compactMap {
            ids,
            ranges,
            file -> PrivilegeObstacle? in
            let others = ids.others(sharing: ranges, besides: user)
            return others.isEmpty ? nil : .sharedSubordinateIDs(file: file, user: user, others: others)
        }
        return (plan, notes)
    }

    private func ranges(
        in ids: SubordinateIDs,
        _ file: FilePath,
        besides ownID: UInt32
    ) throws(PrivilegeObstacle) -> [ClosedRange<UInt32>] {
        let ranges = ids.ranges(of: user, besides: ownID)
        let count = ranges.reduce(UInt64(0)) { $0 + UInt64($1.count) }
        if count == 0 { throw .noSubordinateIDs(file: file, user: user, free: ids.free) }
        guard count >= UInt64(PrivilegeObstacle.neededIDs) else {
            throw .tooFewSubordinateIDs(file: file, user: user, count: UInt32(count), free: ids.free)
        }
        return ranges
    }
}
