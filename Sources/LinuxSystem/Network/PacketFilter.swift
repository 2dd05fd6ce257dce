internal import CLinux
internal import Glibc
internal import SystemPackage

/// Rules for packets that the kernel keeps for one living process: a table of nf_tables with an owner.
///
/// The table goes when this object does and when the process ends in whatever way; no other process can change it.
package struct PacketFilter: Sendable {
    /// Rules that packets meet at one place on their way.
    package struct Chain: Sendable {
        /// Where: the numbers of the kernel's hooks.
        package enum Place: UInt32, Sendable {
            case beforeRouting = 0
            case forwarding = 2
            case afterRouting = 4
        }

        package var name: String
        /// `filter` or, for rules that change addresses, `nat`.
        package var type: String
        /// nil for one that no packet meets: its rules are there to be read.
        package var place: Place?
        /// Lower ones come first.
        package var priority: Int32
        package var rules: [Rule]

        package init(_ name: String, type: String, at place: Place, priority: Int32, _ rules: [Rule]) {
            self.name = name
            self.type = type
            self.place = place
            self.priority = priority
            self.rules = rules
        }

        /// Notes that the kernel keeps as long as the table.
        package init(_ name: String, notes: [String]) {
            self.init(name, type: "filter", at: .forwarding, priority: 0, notes.map { Rule([], .accept, note: $0) })
            place = nil
        }
    }

    /// What happens to packets on which all conditions hold.
    package struct Rule: Sendable {
        package var conditions: [Condition]
        package var verdict: Verdict
        /// A comment, as other programs write and show them, of up to 250 bytes.
        package var note: String

        package init(_ conditions: [Condition], _ verdict: Verdict, note: String = "") {
            self.conditions = conditions
            self.verdict = verdict
            self.note = note
        }
    }

    package enum Condition: Sendable, Hashable {
        /// It came in through an interface whose name begins so.
        case comesFrom(String)
        /// It goes out through an interface whose name begins so.
        case goesTo(String)
        case isIPv6
        /// The first bytes of the IPv4 address that it comes from.
        case source([UInt8])
        /// The first bytes of the IPv4 address that it is sent to.
        case destination([UInt8])
        /// Bytes of its frame, from a place in it on.
        case frame(at: Int, [UInt8])
        /// The port that it is sent to over UDP (17) or TCP (6).
        case port(UInt16, protocol: UInt8)
        /// An answer would not go out where it came in: its sender is not who it says.
        case hasForgedSource
        /// It belongs to a connection that the other side began, or is an error message about one.
        case isAnswer
        /// It belongs to a connection that was sent to another address than where it goes now.
        case isRedirected

        /// It came in through the interface of just this name.
        package static func comes(fromJust interface: String) -> Condition { .comesFrom(interface + "\0") }
        /// It goes out through the interface of just this name.
        package static func goes(toJust interface: String) -> Condition { .goesTo(interface + "\0") }
    }

    package enum Verdict: Sendable, Hashable {
        /// On to the next chain.
        case accept
        case drop
        /// The sender is told.
        case refuse
        /// On, with the host's own address as that of the sender.
        case masquerade
        /// To the rules of a chain without a place, and back.
        case jump(String)
    }

    /// What the names of our tables begin with.
    static let namePrefix = "slipway-"

    /// The table's name.
    package let table: String
    /// The kernel ties the table to this connection.
    private let owner: NetlinkSocket

    /// Puts the rules in force.
    /// - Parameters:
    ///   - name: what the table is called, after what the names of all begin with and before what nobody else has.
    ///   - chains: the rules.
    /// - Throws: `EPERM` without the right to, `EOPNOTSUPP` and `ENOENT` where the kernel lacks a part.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package init(_ name: String, _ chains: [Chain]) throws(SystemCallError) {
        table = Self.prefix(of: name) + String(UInt64.random(in: 0 ... .max), radix: 36)
        owner = try NetlinkSocket(NETLINK_NETFILTER, name: "nf_tables")
        try owner.send(Self.messages(table: table, chains))
    }

    /// What the names of the tables that are called so begin with.
    package static func prefix(of name: String) -> String { "\(namePrefix)\(name)-" }

    /// Removes the rules.
    ///
    /// The kernel goes on about it for some milliseconds, for which the end of this object, or of the process, then waits.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package func remove() throws(SystemCallError) {
        try closePassage()
        try owner.send(Self.removal(of: table))
    }

    /// The names of all tables of the kind made here, those of other programs too.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package static func tables() throws(SystemCallError) -> [String] {
        let socket = try NetlinkSocket(NETLINK_NETFILTER, name: "nf_tables")
        let request = message(NFT_MSG_GETTABLE, flags: NLM_F_DUMP)
        return try socket.dump(request).compactMap { reply in
            reply.attributes(after: MemoryLayout<nfgenmsg>.size)[Int(NFTA_TABLE_NAME.rawValue)].map {
                String(decoding: $0.dropLast(), as: UTF8.self)
            }
        }
    }
}
