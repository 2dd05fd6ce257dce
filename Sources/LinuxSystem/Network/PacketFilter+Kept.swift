internal import CLinux
internal import Glibc
internal import SystemPackage

/// Tables that outlive the process that makes them, as what their rules are for does.
extension PacketFilter {
    /// What a table that stays is called: never as one of a process, whose name has another part.
    private static func keptTable(_ name: String) -> String { namePrefix + name }

    /// Puts rules in force until `removeKept`, in place of those that were kept under that name.
    /// - Parameters:
    ///   - name: what the table is called, after what the names of all begin with; no other begins so.
    ///   - chains: the rules.
    /// - Throws: `SystemCallError` without the right to, and where the kernel lacks a part.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package static func keep(_ name: String, _ chains: [Chain]) throws(SystemCallError) {
        let messages = replacement(of: keptTable(name), chains)
        try NetlinkSocket(NETLINK_NETFILTER, name: "nf_tables").send(messages)
    }

    /// Removes rules that were kept; none of that name are removed already.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package static func removeKept(_ name: String) throws(SystemCallError) {
        do throws(SystemCallError) {
            try NetlinkSocket(NETLINK_NETFILTER, name: "nf_tables").send(removal(of: keptTable(name)))
        } catch {
            if error.errno != .noSuchFileOrDirectory { throw error }
        }
    }

    /// The notes of rules in the kept tables whose names begin so, by those names.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package static func notes(ofKept prefix: String) throws(SystemCallError) -> [String: [String]] {
        let socket = try NetlinkSocket(NETLINK_NETFILTER, name: "nf_tables")
        var notes: [String: [String]] = [:]
        for reply in try socket.dump(message(NFT_MSG_GETRULE, flags: NLM_F_DUMP)) {
            let attributes = reply.attributes(after: MemoryLayout<nfgenmsg>.size)
            guard let table = attributes[Int(NFTA_RULE_TABLE.rawValue)], let note = note(in: attributes) else {
                continue
            }
            let name = String(decoding: table.dropLast(), as: UTF8.self)
            guard name.hasPrefix(keptTable(prefix)) else { continue }
            notes[String(name.dropFirst(namePrefix.count)), default: []].append(note)
        }
        return notes
    }

    /// The comment of a rule, where it has one.
    static func note(in attributes: [Int: [UInt8]]) -> String? {
        guard let note = attributes[Int(NFTA_RULE_USERDATA.rawValue)], note.count > 3, note[0] == 0 else { return nil }
        return String(decoding: note.dropFirst(2).dropLast(), as: UTF8.self)
    }
}
