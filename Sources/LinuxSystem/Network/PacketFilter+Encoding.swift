internal import CLinux
internal import Glibc

/// Rules as the kernel takes them: each a list of small operations on registers.
///
/// See `linux/netfilter/nf_tables.h`.
extension PacketFilter {
    /// `NFPROTO_INET`: one table for IPv4 and IPv6.
    ///
    /// Its header cannot be read beside the C library's.
    private static let family: UInt8 = 1
    private static let familyOfIPv6: UInt8 = 10
    /// Those of tables that packets of IPv4 meet: `NFPROTO_IPV4` besides.
    static let families: [UInt8] = [family, 2]
    /// `NF_DROP` and `NF_ACCEPT`.
    static let drop: UInt32 = 0
    private static let accept: UInt32 = 1
    /// `NFT_JUMP`.
    private static let jump = UInt32(bitPattern: -3)

    static func message(
        _ type: nf_tables_msg_types,
        flags: Int32,
        family: UInt8 = family
    ) -> NetlinkMessage {
        NetlinkMessage(
            Int(NFNL_SUBSYS_NFTABLES) << 8 | Int(type.rawValue),
            flags: flags,
            first: nfgenmsg(nfgen_family: family, version: UInt8(NFNETLINK_V0), res_id: 0)
        )
    }

    /// Changes of which all happen or none.
    static func batch(_ messages: [NetlinkMessage]) -> [NetlinkMessage] {
        let subsystem = nfgenmsg(
            nfgen_family: UInt8(AF_UNSPEC),
            version: UInt8(NFNETLINK_V0),
            res_id: UInt16(NFNL_SUBSYS_NFTABLES).bigEndian
        )
        return [NetlinkMessage(Int(NFNL_MSG_BATCH_BEGIN), flags: 0, first: subsystem)] + messages
            + [NetlinkMessage(Int(NFNL_MSG_BATCH_END), flags: 0, first: subsystem)]
    }

    static func removal(of table: String) -> [NetlinkMessage] { batch([removalAlone(of: table)]) }

    private static func removalAlone(of table: String) -> NetlinkMessage {
        var message = message(NFT_MSG_DELTABLE, flags: NLM_F_ACK)
        message.add(NFTA_TABLE_NAME.rawValue, table)
        return message
    }

    /// A table of this process alone, and what is in it.
    static func messages(table: String, _ chains: [Chain]) -> [NetlinkMessage] {
        var first = message(NFT_MSG_NEWTABLE, flags: NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK)
        first.add(NFTA_TABLE_NAME.rawValue, table)
        first.add(NFTA_TABLE_FLAGS.rawValue, network: NFT_TABLE_F_OWNER.rawValue)
        return batch([first] + messages(of: chains, in: table))
    }

    /// A table that stays, in place of one of the same name.
    static func replacement(of table: String, _ chains: [Chain]) -> [NetlinkMessage] {
        var first = message(NFT_MSG_NEWTABLE, flags: NLM_F_CREATE | NLM_F_ACK)
        first.add(NFTA_TABLE_NAME.rawValue, table)
        // Made first where it is missing, for only what is there can be removed.
        return batch([first, removalAlone(of: table), first] + messages(of: chains, in: table))
    }

    private static func messages(of chains: [Chain], in table: String) -> [NetlinkMessage] {
        chains.flatMap { chain in
            [message(of: chain, in: table)] + chain.rules.map { message(of: $0, of: chain, in: table) }
        }
    }

    private static func message(of chain: Chain, in table: String) -> NetlinkMessage {
        var message = message(NFT_MSG_NEWCHAIN, flags: NLM_F_CREATE | NLM_F_ACK)
        message.add(NFTA_CHAIN_TABLE.rawValue, table)
        message.add(NFTA_CHAIN_NAME.rawValue, chain.name)
        guard let place = chain.place else { return message }
        message.add(NFTA_CHAIN_HOOK.rawValue) { message in
            message.add(NFTA_HOOK_HOOKNUM.rawValue, network: place.rawValue)
            message.add(NFTA_HOOK_PRIORITY.rawValue, network: UInt32(bitPattern: chain.priority))
        }
        message.add(NFTA_CHAIN_POLICY.rawValue, network: accept)
        message.add(NFTA_CHAIN_TYPE.rawValue, chain.type)
        return message
    }

    private static func message(of rule: Rule, of chain: Chain, in table: String) -> NetlinkMessage {
        var message = message(NFT_MSG_NEWRULE, flags: NLM_F_CREATE | NLM_F_APPEND | NLM_F_ACK)
        message.add(NFTA_RULE_TABLE.rawValue, table)
        message.add(NFTA_RULE_CHAIN.rawValue, chain.name)
        addOperations(of: rule, to: &message)
        return message
    }

    static func addOperations(of rule: Rule, to message: inout NetlinkMessage) {
        message.add(NFTA_RULE_EXPRESSIONS.rawValue) { message in
            for condition in rule.conditions { add(condition, to: &message) }
            add(rule.verdict, to: &message)
        }
        guard !rule.note.isEmpty else { return }
        // Its kind, its length with the zero at its end, its text.
        let comment = Array(rule.note.utf8) + [0]
        message.add(NFTA_RULE_USERDATA.rawValue, [0, UInt8(truncatingIfNeeded: comment.count)] + comment)
    }

    // MARK: Operations

    private static func add(_ condition: Condition, to message: inout NetlinkMessage) {
        switch condition {
        case .comesFrom(let prefix):
            loadProperty(NFT_META_IIFNAME, &message)
            compare(Array(prefix.utf8), &message)
        case .goesTo(let prefix):
            loadProperty(NFT_META_OIFNAME, &message)
            compare(Array(prefix.utf8), &message)
        case .isIPv6:
            loadProperty(NFT_META_NFPROTO, &message)
            compare([familyOfIPv6], &message)
        case .source(let bytes):
            load(NFT_PAYLOAD_NETWORK_HEADER, 12, bytes.count, &message)
            compare(bytes, &message)
        case .destination(let bytes):
            // Where the header of IPv4 has it.
            load(NFT_PAYLOAD_NETWORK_HEADER, 16, bytes.count, &message)
            compare(bytes, &message)
        case .frame(let place, let bytes):
            load(NFT_PAYLOAD_LL_HEADER, place, bytes.count, &message)
            compare(bytes, &message)
        case .port(let port, let number):
            loadProperty(NFT_META_L4PROTO, &message)
            compare([number], &message)
            // Where the headers of both have it.
            load(NFT_PAYLOAD_TRANSPORT_HEADER, 2, 2, &message)
            compare([UInt8(port >> 8), UInt8(truncatingIfNeeded: port)], &message)
        case .hasForgedSource:
            operation("fib", &message) { message in
                message.add(NFTA_FIB_DREG.rawValue, network: NFT_REG_1.rawValue)
                message.add(NFTA_FIB_RESULT.rawValue, network: NFT_FIB_RESULT_OIF.rawValue)
                message.add(NFTA_FIB_FLAGS.rawValue, network: NFTA_FIB_F_SADDR.rawValue | NFTA_FIB_F_IIF.rawValue)
            }
            compare([0, 0, 0, 0], &message)
        // `IP_CT_ESTABLISHED` or `IP_CT_RELATED`.
        case .isAnswer: addConnection(NFT_CT_STATE, hasOneOf: 1 << 1 | 1 << 2, to: &message)
        // `IPS_DST_NAT`.
        case .isRedirected: addConnection(NFT_CT_STATUS, hasOneOf: 1 << 5, to: &message)
        }
    }

    /// Compares bits of what the kernel knows of the packet's connection, a number of this machine.
    private static func addConnection(_ key: nft_ct_keys, hasOneOf bits: UInt32, to message: inout NetlinkMessage) {
        operation("ct", &message) { message in
            message.add(NFTA_CT_DREG.rawValue, network: NFT_REG_1.rawValue)
            message.add(NFTA_CT_KEY.rawValue, network: key.rawValue)
        }
        let mask = withUnsafeBytes(of: bits) { Array($0) }
        operation("bitwise", &message) { message in
            message.add(NFTA_BITWISE_SREG.rawValue, network: NFT_REG_1.rawValue)
            message.add(NFTA_BITWISE_DREG.rawValue, network: NFT_REG_1.rawValue)
            message.add(NFTA_BITWISE_LEN.rawValue, network: 4)
            message.add(NFTA_BITWISE_MASK.rawValue) { $0.add(NFTA_DATA_VALUE.rawValue, mask) }
            message.add(NFTA_BITWISE_XOR.rawValue) { $0.add(NFTA_DATA_VALUE.rawValue, [0, 0, 0, 0]) }
        }
        compare([0, 0, 0, 0], isEqual: false, &message)
    }

    private static func add(_ verdict: Verdict, to message: inout NetlinkMessage) {
        switch verdict {
        case .accept: end(accept, &message)
        case .drop: end(drop, &message)
        case .refuse:
            operation("reject", &message) { message in
                message.add(NFTA_REJECT_TYPE.rawValue, network: NFT_REJECT_ICMPX_UNREACH.rawValue)
                message.add(NFTA_REJECT_ICMP_CODE.rawValue, [UInt8(NFT_REJECT_ICMPX_ADMIN_PROHIBITED.rawValue)])
            }
        case .masquerade: operation("masq", &message) { _ in }
        case .jump(let chain): end(jump, chain: chain, &message)
        }
    }

    private static func end(_ code: UInt32, chain: String? = nil, _ message: inout NetlinkMessage) {
        operation("immediate", &message) { message in
            message.add(NFTA_IMMEDIATE_DREG.rawValue, network: NFT_REG_VERDICT.rawValue)
            message.add(NFTA_IMMEDIATE_DATA.rawValue) { message in
                message.add(NFTA_DATA_VERDICT.rawValue) { message in
                    message.add(NFTA_VERDICT_CODE.rawValue, network: code)
                    if let chain { message.add(NFTA_VERDICT_CHAIN.rawValue, chain) }
                }
            }
        }
    }

    private static func loadProperty(_ key: nft_meta_keys, _ message: inout NetlinkMessage) {
        operation("meta", &message) { message in
            message.add(NFTA_META_DREG.rawValue, network: NFT_REG_1.rawValue)
            message.add(NFTA_META_KEY.rawValue, network: key.rawValue)
        }
    }

    private static func load(
        _ header: nft_payload_bases,
        _ offset: Int,
        _ count: Int,
        _ message: inout NetlinkMessage
    ) {
        operation("payload", &message) { message in
            message.add(NFTA_PAYLOAD_DREG.rawValue, network: NFT_REG_1.rawValue)
            message.add(NFTA_PAYLOAD_BASE.rawValue, network: header.rawValue)
            message.add(NFTA_PAYLOAD_OFFSET.rawValue, network: UInt32(offset))
            message.add(NFTA_PAYLOAD_LEN.rawValue, network: UInt32(count))
        }
    }

    private static func compare(_ bytes: [UInt8], isEqual: Bool = true, _ message: inout NetlinkMessage) {
        operation("cmp", &message) { message in
            message.add(NFTA_CMP_SREG.rawValue, network: NFT_REG_1.rawValue)
            message.add(NFTA_CMP_OP.rawValue, network: (isEqual ? NFT_CMP_EQ : NFT_CMP_NEQ).rawValue)
            message.add(NFTA_CMP_DATA.rawValue) { $0.add(NFTA_DATA_VALUE.rawValue, bytes) }
        }
    }

    private static func operation(
        _ name: String,
        _ message: inout NetlinkMessage,
        _ body: (inout NetlinkMessage) -> Void
    ) {
        message.add(NFTA_LIST_ELEM.rawValue) { message in
            message.add(NFTA_EXPR_NAME.rawValue, name)
            message.add(NFTA_EXPR_DATA.rawValue, nested: body)
        }
    }
}
