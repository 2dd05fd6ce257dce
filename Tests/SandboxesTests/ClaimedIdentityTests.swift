import Testing

@testable import Sandboxes

@Suite struct `An identity that a process claims` {
    private static let unchanged = UInt32.max

    @Test func `changes to any user for root, and not back`() {
        var user = ClaimedIdentity.IDs()
        let isAllowed = user.set(1000, isPrivileged: true)
        #expect(isAllowed)
        #expect(user == ClaimedIdentity.IDs(real: 1000, effective: 1000, saved: 1000))
        let isRefused = !user.set(0, isPrivileged: false)
        #expect(isRefused)
        #expect(user.effective == 1000)
    }

    @Test func `returns to the user that it has saved`() {
        var user = ClaimedIdentity.IDs()
        let wanted = ClaimedIdentity.IDs(real: Self.unchanged, effective: 42, saved: Self.unchanged)
        let isAllowed = user.set(wanted, isPrivileged: true)
        #expect(isAllowed)
        #expect(user == ClaimedIdentity.IDs(real: 0, effective: 42, saved: 0))
        let returns = user.set(0, isPrivileged: false)
        #expect(returns)
        #expect(user.effective == 0)
    }

    @Test func `exchanges its users, and saves the effective one`() {
        var user = ClaimedIdentity.IDs(real: 1, effective: 2, saved: 3)
        let isAllowed = user.set(real: 2, effective: 1, isPrivileged: false)
        #expect(isAllowed)
        #expect(user == ClaimedIdentity.IDs(real: 2, effective: 1, saved: 1))
        let isRefused = !user.set(real: 3, effective: Self.unchanged, isPrivileged: false)
        #expect(isRefused)
    }

    @Test func `gives files away as root alone, and to its own groups`() {
        var identity = ClaimedIdentity()
        #expect(identity.mayGive(of: 5, 5, to: 7, 8))
        identity.user = ClaimedIdentity.IDs(real: 5, effective: 5, saved: 5)
        identity.group = ClaimedIdentity.IDs(real: 6, effective: 6, saved: 6)
        identity.groups = [9]
        let mayGive = identity.mayGive(of: 5, 5, to: 7, Self.unchanged)
        #expect(!mayGive)
        #expect(identity.mayGive(of: 5, 5, to: Self.unchanged, 9))
        let mayJoin = identity.mayGive(of: 5, 5, to: 5, 10)
        #expect(!mayJoin)
        let mayTake = identity.mayGive(of: 0, 0, to: 5, 6)
        #expect(!mayTake)
    }
}
