internal import CLinux
internal import Glibc
internal import SystemPackage

/// A way through chains of other programs that drop what they do not know, as those of docker and ufw do.
///
/// Whatever a table of ours lets pass, each chain of another can still drop. So two rules go to the head of each of these. They are not
/// ours to the kernel, and a process that is killed leaves them: the next one removes rules whose table is gone.
extension PacketFilter {
    /// A chain of another program, or a rule in it.
    private struct Foreign {
        let family: UInt8
        let table: [UInt8]
        let name: [UInt8]
        var handle: [UInt8] = []
        /// The table of the process that added the rule.
        var owner = ""
    }

    /// Lets packets pass that come from or go to interfaces whose names begin so, as long as this table is there.
    ///
    /// Rules of tables that are gone are removed.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package func openPassage(forInterfaces prefix: String) throws(SystemCallError) {
        let chains = try Self.droppingChains()
        if chains.isEmpty { return }
        // The rules first: the table of each of these was there before it.
        let rules = try Self.passages(in: chains)
        let living = Set(try Self.tables())
        try Self.remove(rules.filter { !living.contains($0.owner) })
        for chain in chains {
            let additions = [Condition.comesFrom(prefix), .goesTo(prefix)].map { condition in
                var message = Self.message(NFT_MSG_NEWRULE, flags: NLM_F_CREATE | NLM_F_ACK, family: chain.family)
                message.add(NFTA_RULE_TABLE.rawValue, chain.table)
                message.add(NFTA_RULE_CHAIN.rawValue, chain.name)
                Self.addOperations(of: Rule([condition], .accept, note: table), to: &message)
                return message
            }
            try Self.change(additions)
        }
    }

    /// Removes the rules that `openPassage` added for this table.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    func closePassage() throws(SystemCallError) {
        let rules = try Self.passages(in: try Self.droppingChains())
        try Self.remove(rules.filter { $0.owner == table })
    }

    /// The chains on the way of packets that are passed on which drop what none of their rules accepts.
    private static func droppingChains() throws(SystemCallError) -> [Foreign] {
        let request = message(NFT_MSG_GETCHAIN, flags: NLM_F_DUMP, family: UInt8(AF_UNSPEC))
        return try NetlinkSocket(NETLINK_NETFILTER, name: "nf_tables").dump(request).compactMap { reply in
            guard let family = reply.first(nfgenmsg.self)?.nfgen_family, families.contains(family) else { return nil }
            let attributes = reply.attributes(after: MemoryLayout<nfgenmsg>.size)
            guard let table = attributes[Int(NFTA_CHAIN_TABLE.rawValue)],
                let name = attributes[Int(NFTA_CHAIN_NAME.rawValue)],
                let hook = attributes[Int(NFTA_CHAIN_HOOK.rawValue)],
                attributes[Int(NFTA_CHAIN_POLICY.rawValue)] == bytes(of: drop),
                NetlinkReply.attributes(in: hook)[Int(NFTA_HOOK_HOOKNUM.rawValue)]
                    == bytes(of: Chain.Place.forwarding.rawValue)
            else { return nil }
            return Foreign(family: family, table: table, name: name)
        }
    }

    /// The rules in chains that were added by processes of Slipway.
    private static func passages(in chains: [Foreign]) throws(SystemCallError) -> [Foreign] {
        var found: [Foreign] = []
        for chain in chains {
            var request = message(NFT_MSG_GETRULE, flags: NLM_F_DUMP, family: chain.family)
            request.add(NFTA_RULE_TABLE.rawValue, chain.table)
            request.add(NFTA_RULE_CHAIN.rawValue, chain.name)
            for reply in try NetlinkSocket(NETLINK_NETFILTER, name: "nf_tables").dump(request) {
                let attributes = reply.attributes(after: MemoryLayout<nfgenmsg>.size)
                guard attributes[Int(NFTA_RULE_CHAIN.rawValue)] == chain.name,
                    let handle = attributes[Int(NFTA_RULE_HANDLE.rawValue)], let owner = note(in: attributes),
                    owner.hasPrefix(Self.namePrefix)
                else { continue }
                var rule = chain
                rule.handle = handle
                rule.owner = owner
                found.append(rule)
            }
        }
        return found
    }

    private static func remove(_ rules: [Foreign]) throws(SystemCallError) {
        for rule in rules {
            var message = message(NFT_MSG_DELRULE, flags: NLM_F_ACK, family: rule.family)
            message.add(NFTA_RULE_TABLE.rawValue, rule.table)
            message.add(NFTA_RULE_CHAIN.rawValue, rule.name)
            message.add(NFTA_RULE_HANDLE.rawValue, rule.handle)
            do throws(SystemCallError) {
                try change([message])
            } catch {
                // Another process has removed it, or its owner the whole chain.
                if error.errno != .noSuchFileOrDirectory { throw error }
            }
        }
    }

    private static func change(_ messages: [NetlinkMessage]) throws(SystemCallError) {
        try NetlinkSocket(NETLINK_NETFILTER, name: "nf_tables").send(batch(messages))
    }

    private static func bytes(of value: UInt32) -> [UInt8] { withUnsafeBytes(of: value.bigEndian) { Array($0) } }
}
