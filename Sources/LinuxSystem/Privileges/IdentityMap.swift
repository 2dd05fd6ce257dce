internal import Glibc
internal import SystemPackage
internal import Text

/// The ids of a user namespace, and what each is in the namespace around it.
///
/// See user_namespaces(7), "User and group ID mappings".
package struct IdentityMap: Sendable, Hashable {
    /// Ids that follow each other on both sides.
    package struct Range: Sendable, Hashable {
        package let inside: UInt32
        package let outside: UInt32
        package let count: UInt32

        package init(inside: UInt32, outside: UInt32, count: UInt32) {
            self.inside = inside
            self.outside = outside
            self.count = count
        }
    }

    /// Sorted by their numbers inside.
    package let ranges: [Range]

    package init(_ ranges: [Range]) { self.ranges = ranges.sorted { $0.inside < $1.inside } }

    /// Of the first user namespace: each id is itself.
    package static let machine = IdentityMap([Range(inside: 0, outside: 0, count: .max)])

    /// One id as root, and `others` from 1 on.
    package init(root: UInt32, others: [ClosedRange<UInt32>] = []) {
        var ranges = [Range(inside: 0, outside: root, count: 1)]
        var next: UInt32 = 1
        for range in others {
            let (end, overflows) = next.addingReportingOverflow(UInt32(range.count))
            if overflows { break }
            ranges.append(Range(inside: next, outside: range.lowerBound, count: UInt32(range.count)))
            next = end
        }
        self.init(ranges)
    }

    /// Reads what the kernel or `text` writes; nil for anything else.
    package init?(parsing content: [UInt8]) {
        var ranges: [Range] = []
        for line in content.split(separator: "\n") {
            let fields = line.split(whereSeparator: { $0 == " " || $0 == "\t" }).compactMap {
                UInt32(String(decoding: $0, as: UTF8.self))
            }
            guard fields.count == 3, fields[2] > 0 else { return nil }
            ranges.append(Range(inside: fields[0], outside: fields[1], count: fields[2]))
        }
        if ranges.isEmpty { return nil }
        self.init(ranges)
    }

    /// As the kernel takes it: a line for each range.
    package var text: String { ranges.map { "\($0.inside) \($0.outside) \($0.count)\n" }.joined() }

    package var isMachine: Bool { self == .machine }

    /// How many ids there are from 0 on, without a gap.
    package var count: UInt32 {
        var next: UInt32 = 0
        for range in ranges {
            guard range.inside == next else { break }
            next &+= range.count
        }
        return next
    }

    /// What an id inside is outside; nil for one that the map does not have.
    package func outside(of id: UInt32) -> UInt32? {
        ranges.first { $0.inside <= id && UInt64(id) < $0.end }.map { $0.outside + (id - $0.inside) }
    }

    /// What an id outside is inside; nil for one that the map does not have.
    package func inside(of id: UInt32) -> UInt32? {
        ranges.first { $0.outside <= id && id - $0.outside < $0.count }.map { $0.inside + (id - $0.outside) }
    }

    /// A namespace below the one of this map, in which its root has the number that it has outside, and others move up.
    ///
    /// Nil where root is the only id.
    package var keepingRoot: IdentityMap? {
        guard count > 1, let own = outside(of: 0) else { return nil }
        var ranges = [Range(inside: own, outside: 0, count: 1)]
        if own > 0 { ranges.append(Range(inside: 0, outside: 1, count: min(own, count - 1))) }
        if own < count - 1 { ranges.append(Range(inside: own + 1, outside: own + 1, count: count - 1 - own)) }
        return IdentityMap(ranges)
    }

    /// Whether every id of another map is here, with the same meaning outside.
    package func includes(_ other: IdentityMap) -> Bool {
        other.ranges.allSatisfy { wanted in
            var id = UInt64(wanted.inside)
            let end = id + UInt64(wanted.count)
            while id < end {
                guard let range = ranges.first(where: { UInt64($0.inside) <= id && id < $0.end }),
                    UInt64(range.outside) + id - UInt64(range.inside)
                        == UInt64(wanted.outside) + id - UInt64(wanted.inside)
                else { return false }
                id = range.end
            }
            return true
        }
    }
}

extension IdentityMap.Range {
    fileprivate var end: UInt64 { UInt64(inside) + UInt64(count) }
}

/// The users and the groups of a user namespace.
package struct IdentityMaps: Sendable, Hashable {
    package let users: IdentityMap
    package let groups: IdentityMap

    package init(users: IdentityMap, groups: IdentityMap) {
        self.users = users
        self.groups = groups
    }

    package static let machine = IdentityMaps(users: .machine, groups: .machine)

    package var isMachine: Bool { users.isMachine && groups.isMachine }

    /// The same of both kinds: see `IdentityMap`.
    package var keepingRoot: IdentityMaps? {
        guard let users = users.keepingRoot, let groups = groups.keepingRoot else { return nil }
        return IdentityMaps(users: users, groups: groups)
    }

    package func outside(of owner: (user: UInt32, group: UInt32)) -> (user: UInt32, group: UInt32)? {
        guard let user = users.outside(of: owner.user), let group = groups.outside(of: owner.group) else { return nil }
        return (user, group)
    }

    package func inside(of owner: (user: UInt32, group: UInt32)) -> (user: UInt32, group: UInt32)? {
        guard let user = users.inside(of: owner.user), let group = groups.inside(of: owner.group) else { return nil }
        return (user, group)
    }

    /// Whether root is the only id there is.
    package var isSingle: Bool { users.count <= 1 || groups.count <= 1 }

    /// How many ids both kinds have.
    package var count: UInt32 { min(users.count, groups.count) }

    package func includes(_ other: IdentityMaps) -> Bool {
        users.includes(other.users) && groups.includes(other.groups)
    }

    /// Those of this process.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    static func current() throws(SystemCallError) -> IdentityMaps {
        func read(_ path: FilePath) throws(SystemCallError) -> IdentityMap {
            let content = try OpenFile.open(path, .readOnly).readToEnd(limit: 1 << 16)
            guard let map = IdentityMap(parsing: content) else {
                throw SystemCallError("read", path: path, errno: .invalidArgument)
            }
            return map
        }
        return IdentityMaps(users: try read("/proc/self/uid_map"), groups: try read("/proc/self/gid_map"))
    }
}

/// What the owners and modes of a store's files mean.
package struct FileIdentities: Sendable, Hashable {
    package let maps: IdentityMaps
    /// Whether modes that keep the owner of a file from it are kept beside it: see `KeptStatus`.
    package let keepsModes: Bool

    package init(maps: IdentityMaps, keepsModes: Bool = false) {
        self.maps = maps
        self.keepsModes = keepsModes
    }

    /// Those of a process at a level.
    package init(_ level: PrivilegeLevel) {
        guard case .confined(isSuperuser: false) = level else {
            self.init(maps: level.maps ?? .machine)
            return
        }
        let (user, group) = (IdentityMap(root: geteuid()), IdentityMap(root: getegid()))
        self.init(maps: IdentityMaps(users: user, groups: group), keepsModes: true)
    }

    /// Whether what the kernel refuses is kept beside files in the same way.
    package func keepsLike(_ other: FileIdentities) -> Bool {
        maps.isSingle == other.maps.isSingle && keepsModes == other.keepsModes
    }
}
