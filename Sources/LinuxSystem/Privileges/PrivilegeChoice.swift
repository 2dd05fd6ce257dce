package import SystemPackage

/// What a process can try in order to have the most privileges, as far as that can be told without trying.
package struct PrivilegeChoice: Sendable, Hashable {
    package enum Attempt: Sendable, Hashable {
        /// Use what the process has.
        case present(PrivilegeLevel)
        case namespace(UserNamespacePlan)
        /// What always works.
        case confined(isSuperuser: Bool)
    }

    /// The best first.
    package private(set) var attempts: [Attempt] = []
    /// Why there are no better ones.
    package private(set) var obstacles: [PrivilegeObstacle] = []

    /// - Parameters:
    ///   - facts: of the process.
    ///   - maskedProc: something that covers a part of `/proc`.
    ///   - offer: what an ordinary user is offered; asked only where that matters.
    package init(_ facts: ProcessFacts, maskedProc: FilePath?, offer: () -> SubordinateOffer) {
        let isSuperuser = facts.userID == 0
        if isSuperuser, facts.canAdminister {
            let level = facts.isInFirstNamespace ? PrivilegeLevel.root : PrivilegeLevel(root: facts.maps)
            // The kernel looks only at what others than its own root want to see.
            if let maskedProc, level != .root {
                obstacles.append(.maskedProc(maskedProc))
            } else {
                attempts.append(.present(level))
            }
        } else if let maskedProc {
            obstacles += (isSuperuser ? [.rootWithoutRights] : []) + [.maskedProc(maskedProc)]
        } else if isSuperuser {
            obstacles.append(.rootWithoutRights)
            if facts.canMapIDs { attempts.append(.namespace(.everything(facts))) }
        } else {
            addNamespaces(facts, offer())
        }
        attempts.append(.confined(isSuperuser: isSuperuser))
    }

    private mutating func addNamespaces(_ facts: ProcessFacts, _ offer: SubordinateOffer) {
        do throws(PrivilegeObstacle) {
            let (plan, notes) = try offer.plan(facts)
            attempts.append(.namespace(plan))
            obstacles += notes
        } catch {
            obstacles.append(error)
        }
        attempts.append(.namespace(.single(facts)))
    }
}

extension UserNamespacePlan {
    /// All ids that the process's own namespace has.
    fileprivate static func everything(_ facts: ProcessFacts) -> UserNamespacePlan {
        func same(_ map: IdentityMap) -> IdentityMap {
            IdentityMap(map.ranges.map { .init(inside: $0.inside, outside: $0.inside, count: $0.count) })
        }
        let maps = IdentityMaps(users: same(facts.maps.users), groups: same(facts.maps.groups))
        return UserNamespacePlan(maps: maps, mapper: .itself)
    }
}
