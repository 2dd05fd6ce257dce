internal import Glibc
internal import SystemPackage
internal import Text

/// Whether this host passes packets on from one of its networks to another: `net.ipv4.ip_forward`.
///
/// Networks of Slipway need it. Where it was off it is switched on for the first of them and off after the last, and meanwhile the
/// interfaces that were there before stay as apart as they were. The kernel keeps the books: a table of rules, which nothing
/// that ends takes away, says that it was off, and names those interfaces.
package enum PacketForwarding {
    private static let table = "forwarding"
    private static let lock: FilePath = "/run/slipway-forwarding.lock"
    private static let setting: FilePath = "/proc/sys/net/ipv4/ip_forward"

    /// Switches it on, where it is off.
    ///
    /// The table of the network that needs it must be there already: who takes one away looks for others.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package static func turnOn() throws(SystemCallError) {
        let held = try FileLock.acquire(lock, .exclusive)
        defer { withExtendedLifetime(held) {} }
        let isOff = try OpenFile.open(setting, .readOnly).readToEnd(limit: 16).first == "0"
        guard isOff else { return }
        // First of all: however this process ends, what it changed is known.
        let interfaces = try others()
        var ways = PacketFilter.Chain("ways-between", notes: [])
        ways.rules = interfaces.map { .init([.goes(toJust: $0)], .drop, note: $0) }
        let passing = interfaces.map { PacketFilter.Rule([.comes(fromJust: $0)], .jump(ways.name)) }
        try PacketFilter.keep(
            table,
            [ways, .init("passing", type: "filter", at: .forwarding, priority: 0, passing)]
        )
        try write("1")
    }

    /// Switches it on in a network namespace that this process made, and that nothing else needs.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package static func turnOnAlone() throws(SystemCallError) { try write("1") }

    /// Switches it off again if it was Slipway that switched it on, and no network needs it any more.
    ///
    /// Where interfaces have come meanwhile it stays on: those who made them may have found it on, and need it.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package static func turnOffAfterLast() throws(SystemCallError) {
        guard try isLastTable() else { return }
        let held = try FileLock.acquire(lock, .exclusive)
        defer { withExtendedLifetime(held) {} }
        guard try isLastTable() else { return }
        let before = Set(try PacketFilter.notes(ofKept: table)[table] ?? [])
        if try others().allSatisfy({ before.contains($0) }) { try write("0") }
        try PacketFilter.removeKept(table)
    }

    /// Whether the table that says that it was off is there, and no other of Slipway's.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    private static func isLastTable() throws(SystemCallError) -> Bool {
        try PacketFilter.tables().filter { $0.hasPrefix(PacketFilter.namePrefix) } == [PacketFilter.namePrefix + table]
    }

    /// The interfaces that are neither Slipway's nor the end of a container's cable.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    private static func others() throws(SystemCallError) -> [String] {
        try NetworkInterfaces().names().filter { name in
            name != "lo" && !["slr", "slw-", "veth"].contains { name.hasPrefix($0) }
        }
    }

    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    private static func write(_ value: String) throws(SystemCallError) {
        try OpenFile.open(setting, .writeOnly).write(Array(value.utf8))
    }
}
