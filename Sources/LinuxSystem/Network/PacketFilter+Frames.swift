internal import CLinux
internal import Glibc

/// Rules for what leaves by one interface, whatever made it: frames that a program wrote itself too, which meet no other rules.
extension PacketFilter {
    /// `NFPROTO_NETDEV` and `NF_NETDEV_EGRESS`.
    private static let familyOfDevices: UInt8 = 5
    private static let leaving: UInt32 = 1

    /// Drops what leaves by an interface for a loopback address of whatever is behind it, as long as the interface is there.
    ///
    /// A kernel routes no such packet. A program that carries the packets of a namespace takes them from its interface and sends them as its
    /// own, and the loopback address is then that of the machine.
    /// - Throws: `SystemCallError` without the right to, and on a kernel without such rules (before Linux 5.16).
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package static func keepFromLoopback(leaving interface: String) throws(SystemCallError) {
        let table = namePrefix + "loopback"
        func about(_ type: nf_tables_msg_types, _ flags: Int32, _ name: UInt32) -> NetlinkMessage {
            var made = message(type, flags: flags | NLM_F_ACK, family: familyOfDevices)
            made.add(name, table)
            return made
        }
        let made = about(NFT_MSG_NEWTABLE, NLM_F_CREATE, NFTA_TABLE_NAME.rawValue)
        let removed = about(NFT_MSG_DELTABLE, 0, NFTA_TABLE_NAME.rawValue)
        var chain = about(NFT_MSG_NEWCHAIN, NLM_F_CREATE, NFTA_CHAIN_TABLE.rawValue)
        chain.add(NFTA_CHAIN_NAME.rawValue, "leaving")
        chain.add(NFTA_CHAIN_HOOK.rawValue) { message in
            message.add(NFTA_HOOK_HOOKNUM.rawValue, network: leaving)
            message.add(NFTA_HOOK_PRIORITY.rawValue, network: 0)
            message.add(NFTA_HOOK_DEV.rawValue, interface)
        }
        chain.add(NFTA_CHAIN_TYPE.rawValue, "filter")
        // 127.0.0.0/8, and 0.0.0.0, which means the same to connect(2).
        let rules = [UInt8(127), 0].map { first in
            var rule = about(NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND, NFTA_RULE_TABLE.rawValue)
            rule.add(NFTA_RULE_CHAIN.rawValue, "leaving")
            // The type of an Ethernet frame of IPv4, and the address that it is for.
            addOperations(of: Rule([.frame(at: 12, [8, 0]), .frame(at: 30, [first])], .drop), to: &rule)
            return rule
        }
        // Made first where it is missing, for only what is there can be removed.
        try NetlinkSocket(NETLINK_NETFILTER, name: "nf_tables").send(batch([made, removed, made, chain] + rules))
    }
}
