/// Who a thread says it is, where the kernel knows one user alone.
///
/// See credentials(7).
struct ClaimedIdentity: Sendable, Hashable {
    /// The three ids of users, or of groups.
    struct IDs: Sendable, Hashable {
        var real: UInt32 = 0
        var effective: UInt32 = 0
        var saved: UInt32 = 0

        /// In calls, what leaves an id as it is.
        private static let unchanged = UInt32.max

        private func has(_ id: UInt32) -> Bool { id == real || id == effective || id == saved }

        /// See setuid(2).
        /// - Returns: whether it may.
        mutating func set(_ id: UInt32, isPrivileged: Bool) -> Bool {
            if isPrivileged {
                self = IDs(real: id, effective: id, saved: id)
                return true
            }
            guard id == real || id == saved else { return false }
            effective = id
            return true
        }

        /// See setreuid(2).
        mutating func set(real newReal: UInt32, effective newEffective: UInt32, isPrivileged: Bool) -> Bool {
            let mayReal = newReal == Self.unchanged || newReal == real || newReal == effective
            let mayEffective = newEffective == Self.unchanged || has(newEffective)
            guard isPrivileged || mayReal && mayEffective else { return false }
            let old = self
            if newReal != Self.unchanged { real = newReal }
            if newEffective != Self.unchanged { effective = newEffective }
            if newReal != Self.unchanged || newEffective != Self.unchanged && newEffective != old.real {
                saved = effective
            }
            return true
        }

        /// See setresuid(2).
        mutating func set(_ wanted: IDs, isPrivileged: Bool) -> Bool {
            let ids = [wanted.real, wanted.effective, wanted.saved]
            guard isPrivileged || ids.allSatisfy({ $0 == Self.unchanged || has($0) }) else { return false }
            if wanted.real != Self.unchanged { real = wanted.real }
            if wanted.effective != Self.unchanged { effective = wanted.effective }
            if wanted.saved != Self.unchanged { saved = wanted.saved }
            return true
        }
    }

    var user = IDs()
    var group = IDs()
    var groups: [UInt32] = []
    /// The program that keeps root's capabilities as another user, as setpriv(1) does between two calls.
    var keeper: [UInt8]?

    var isPrivileged: Bool { user.effective == 0 }

    /// Whether it may give a file to a user and a group.
    ///
    /// See chown(2).
    func mayGive(of owner: UInt32, _ fileGroup: UInt32, to newUser: UInt32, _ newGroup: UInt32) -> Bool {
        if isPrivileged { return true }
        guard owner == user.effective, newUser == .max || newUser == owner else { return false }
        return newGroup == .max || newGroup == fileGroup || newGroup == group.effective || groups.contains(newGroup)
    }
}
