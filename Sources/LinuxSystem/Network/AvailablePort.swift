internal import CLinux
internal import Glibc
internal import SystemPackage

/// The address of this host that packets to other networks come from; nil where no route leads there.
///
/// See connect(2): of a datagram socket it only chooses the address.
@available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
package func outwardAddress() -> String? {
    let address = slipway_outward_address()
    return address == 0 ? nil : AddressBlock.text(UInt32(bigEndian: address))
}

/// The lowest port that every user may listen on.
///
/// See ip(7), ip_unprivileged_port_start.
@available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
package func lowestUnprivilegedPort() -> UInt16 {
    let content = try? contentsIfPresent(of: "/proc/sys/net/ipv4/ip_unprivileged_port_start", limit: 64)
    return UInt16(String(decoding: (content ?? nil ?? []).filter { $0 != 0x0a }, as: UTF8.self)) ?? 1024
}

/// A port of this host on which nobody listens: the one asked for, or, for 0, any; nil where it is taken.
///
/// See bind(2).
/// - Parameters:
///   - port: which one, or 0.
///   - address: of IPv4; empty is all of them.
///   - isDatagram: whether it is a port of UDP, not of TCP.
/// - Returns: the port.
/// - Throws: `SystemCallError` where this host does not have the address.
@available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
package func availablePort(_ port: UInt16, address: String, isDatagram: Bool) throws(SystemCallError) -> UInt16? {
    let found = address.withCString { slipway_available_port($0, port, isDatagram ? 1 : 0) }
    if found > 0 { return UInt16(found) }
    if Glibc.errno == EADDRINUSE { return nil }
    throw SystemCallError("bind", path: FilePath("\(address):\(port)"), errno: Errno(rawValue: Glibc.errno))
}
