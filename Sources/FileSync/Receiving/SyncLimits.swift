/// How much a sender may send.
package struct SyncLimits: Sendable, Hashable {
    package var entries: Int
    /// Bytes of all files together.
    package var content: Int64
    /// Bytes of a path.
    package var pathLength: Int

    package init(entries: Int = 5_000_000, content: Int64 = .max, pathLength: Int = 4_095) {
        self.entries = entries
        self.content = content
        self.pathLength = pathLength
    }
}

/// Who owns what is received.
package enum FileOwners: Sendable, Hashable {
    /// The owner that was sent; clients of BuildKit send 0 for both, whatever their directories say.
    case asSent
    /// One owner for everything, as an output for a client has.
    case fixed(user: UInt32, group: UInt32)

    func owner(user: UInt32, group: UInt32) -> (user: UInt32, group: UInt32) {
        switch self {
        case .asSent: (user, group)
        case .fixed(let user, let group): (user, group)
        }
    }
}
