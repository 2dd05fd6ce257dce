internal import CLinux
internal import Glibc
internal import SystemPackage

/// The interfaces, addresses and routes of one network namespace.
///
/// See rtnetlink(7) and veth(4).
package struct NetworkInterfaces: Sendable {
    private let socket: NetlinkSocket

    /// Those of the thread's own namespace, also when it has gone to another meanwhile.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package init() throws(SystemCallError) { socket = try NetlinkSocket(NETLINK_ROUTE, name: "rtnetlink") }

    /// Makes two interfaces that are joined as by a cable, both down: one here, the other in another namespace.
    /// - Throws: `EEXIST` where the name is taken.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package func addCable(
        _ name: String,
        to peer: String,
        in namespace: OpenFile,
        packetSize: Int
    ) throws(SystemCallError) {
        var link = ifinfomsg()
        link.ifi_family = UInt8(AF_UNSPEC)
        let peerLink = withUnsafeBytes(of: link) { Array($0) }
        var message = NetlinkMessage(RTM_NEWLINK, flags: NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK, first: link)
        message.add(IFLA_IFNAME, name)
        message.add(IFLA_MTU, native: UInt32(packetSize))
        message.add(IFLA_LINKINFO) { message in
            message.add(IFLA_INFO_KIND, "veth")
            message.add(IFLA_INFO_DATA) { message in
                message.add(VETH_INFO_PEER, first: peerLink) { message in
                    message.add(IFLA_IFNAME, peer)
                    message.add(IFLA_MTU, native: UInt32(packetSize))
                    message.add(IFLA_NET_NS_FD, native: UInt32(namespace.descriptor))
                }
            }
        }
        try socket.send([message])
    }

    /// The number of an interface.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package func index(of name: String) throws(SystemCallError) -> Int32 { try link(name).first.ifi_index }

    /// How large the packets are that an interface sends.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package func packetSize(of name: String) throws(SystemCallError) -> Int? {
        try link(name).attributes[IFLA_MTU].map { Int($0.withUnsafeBytes { $0.loadUnaligned(as: UInt32.self) }) }
    }

    private func link(_ name: String) throws(SystemCallError) -> (first: ifinfomsg, attributes: [Int: [UInt8]]) {
        var message = NetlinkMessage(RTM_GETLINK, flags: NLM_F_ACK, first: ifinfomsg())
        message.add(IFLA_IFNAME, name)
        guard let reply = try socket.send([message]).first, let first = reply.first(ifinfomsg.self) else {
            throw SystemCallError("rtnetlink", path: FilePath(name), errno: Errno(rawValue: ENODEV))
        }
        return (first, reply.attributes(after: MemoryLayout<ifinfomsg>.size))
    }

    /// The names of all interfaces.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package func names() throws(SystemCallError) -> [String] {
        try socket.dump(NetlinkMessage(RTM_GETLINK, flags: NLM_F_DUMP, first: ifinfomsg())).compactMap { reply in
            reply.attributes(after: MemoryLayout<ifinfomsg>.size)[IFLA_IFNAME].map {
                String(decoding: $0.dropLast(), as: UTF8.self)
            }
        }
    }

    /// Removes an interface; none of that name is removed already.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package func remove(_ name: String) throws(SystemCallError) {
        var message = NetlinkMessage(RTM_DELLINK, flags: NLM_F_ACK, first: ifinfomsg())
        message.add(IFLA_IFNAME, name)
        do throws(SystemCallError) {
            try socket.send([message])
        } catch {
            if error.errno != Errno(rawValue: ENODEV) { throw error }
        }
    }

    /// The number of the loopback device in every namespace.
    package static let loopback: Int32 = 1

    /// Turns an interface on.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package func bringUp(_ index: Int32) throws(SystemCallError) {
        var link = ifinfomsg()
        link.ifi_index = index
        link.ifi_flags = UInt32(IFF_UP)
        link.ifi_change = UInt32(IFF_UP)
        try socket.send([NetlinkMessage(RTM_NEWLINK, flags: NLM_F_ACK, first: link)])
    }

    /// Gives an interface an address; with more than the address itself in `block`, a route to the rest comes with it.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package func addAddress(_ address: UInt32, in block: AddressBlock, to index: Int32) throws(SystemCallError) {
        var first = ifaddrmsg()
        first.ifa_family = UInt8(AF_INET)
        first.ifa_prefixlen = UInt8(block.length)
        first.ifa_index = UInt32(index)
        var message = NetlinkMessage(RTM_NEWADDR, flags: NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK, first: first)
        message.add(IFA_LOCAL, network: address)
        message.add(IFA_ADDRESS, network: address)
        try socket.send([message])
    }

    /// Adds a route to a block through an interface, perhaps by way of a gateway behind it.
    /// - Throws: `EEXIST` where there is a route to just this block: of two who want it, one gets it.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package func addRoute(
        to block: AddressBlock,
        through index: Int32,
        gateway: UInt32? = nil
    ) throws(SystemCallError) {
        var first = rtmsg()
        first.rtm_family = UInt8(AF_INET)
        first.rtm_dst_len = UInt8(block.length)
        first.rtm_table = UInt8(RT_TABLE_MAIN.rawValue)
        first.rtm_protocol = UInt8(RTPROT_STATIC)
        first.rtm_scope = UInt8((gateway == nil ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE).rawValue)
        first.rtm_type = UInt8(RTN_UNICAST)
        var message = NetlinkMessage(RTM_NEWROUTE, flags: NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK, first: first)
        if block.length > 0 { message.add(RTA_DST.rawValue, network: block.base) }
        message.add(RTA_OIF.rawValue, native: UInt32(index))
        if let gateway { message.add(RTA_GATEWAY.rawValue, network: gateway) }
        try socket.send([message])
    }
}
