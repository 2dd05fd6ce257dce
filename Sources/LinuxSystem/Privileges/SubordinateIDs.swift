internal import Text

/// The ids that an administrator gives users besides their own: the lines of `/etc/subuid`, or of `/etc/subgid`.
///
/// See subuid(5).
package struct SubordinateIDs: Sendable, Hashable {
    private struct Grant: Sendable, Hashable {
        let owner: [UInt8]
        let ids: ClosedRange<UInt32>
    }

    private let grants: [Grant]

    /// Reads lines `owner:first:count`; others mean nothing, as for newuidmap(1).
    package init(parsing content: [UInt8]) {
        grants = content.split(separator: "\n").compactMap { line in
            let fields = line.split(separator: ":", omittingEmptySubsequences: false)
            guard fields.count == 3, !fields[0].isEmpty,
                let first = UInt32(String(decoding: fields[1], as: UTF8.self)),
                let count = UInt32(String(decoding: fields[2], as: UTF8.self)), count > 0
            else { return nil }
            let (last, overflows) = first.addingReportingOverflow(count - 1)
            return overflows ? nil : Grant(owner: Array(fields[0]), ids: first...last)
        }
    }

    /// What a user has, by name or by number, in the order of the lines.
    ///
    /// Each range is part of one line, as newuidmap(1) wants it, and no id stands in two of them: the kernel refuses that. The
    /// user's own id, which is mapped anyway, is in none.
    package func ranges(of user: UserName, besides ownID: UInt32) -> [ClosedRange<UInt32>] {
        var taken = [ownID...ownID]
        var ranges: [ClosedRange<UInt32>] = []
        for grant in grants where user.isNamed(grant.owner) {
            for range in Self.parts(of: grant.ids, outside: taken) {
                ranges.append(range)
                taken.append(range)
            }
        }
        return ranges
    }

    /// Other users who were given some of the same ids.
    package func others(sharing ranges: [ClosedRange<UInt32>], besides user: UserName) -> [[UInt8]] {
        grants.filter { grant in
            !user.isNamed(grant.owner) && ranges.contains { $0.overlaps(grant.ids) }
        }.map(\.owner)
    }

    /// The first ids, of those that distributions give out, that no user has: as many as a user is usually given.
    var free: ClosedRange<UInt32> {
        let count: UInt32 = 65_536
        var first: UInt32 = 100_000
        for ids in grants.map(\.ids).sorted(by: { $0.lowerBound < $1.lowerBound })
        where ids.overlaps(first...first + (count - 1)) && ids.upperBound < UInt32.max - count {
            first = ids.upperBound + 1
        }
        return first...first + (count - 1)
    }

    /// What is left of a range without others, lowest first.
    private static func parts(
        of range: ClosedRange<UInt32>,
        outside taken: [ClosedRange<UInt32>]
    ) -> [ClosedRange<UInt32>] {
        taken.reduce([range]) { parts, hole in
            parts.flatMap { part -> [ClosedRange<UInt32>] in
                guard part.overlaps(hole) else { return [part] }
                var left: [ClosedRange<UInt32>] = []
                if part.lowerBound < hole.lowerBound { left.append(part.lowerBound...(hole.lowerBound - 1)) }
                if hole.upperBound < part.upperBound { left.append((hole.upperBound + 1)...part.upperBound) }
                return left
            }
        }
    }
}

/// A user as files of the system name one: by name or by number.
package struct UserName: Sendable, Hashable {
    /// Nil where the user database does not have the user.
    package let name: [UInt8]?
    package let number: UInt32

    package init(name: [UInt8]?, number: UInt32) {
        self.name = name
        self.number = number
    }

    func isNamed(_ text: [UInt8]) -> Bool { text == name || text == Array("\(number)".utf8) }

    /// For messages.
    package var display: String { name.map { escapedForDisplay($0) } ?? "\(number)" }
}
