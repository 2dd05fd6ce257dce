import Text

/// Something that a process finds at a path.
package struct Mount: Hashable, Sendable {
    package enum Kind: Hashable, Sendable {
        /// A file tree: `input`, or an empty one.
        case bind
        /// An empty file system in memory; `size` in bytes, 0 for the kernel's default.
        case temporary(size: Int64)
        /// A directory that outlives the build; it starts as `input`, or empty.
        case cache(id: [UInt8], sharing: CacheSharing)
        case secret(ClientFile)
        case ssh(ClientFile)
    }

    package var kind: Kind
    /// The tree, for `bind` and `cache`; nil is the empty tree.
    package var input: Output?
    /// The part of `input` that is mounted; empty means all of it.
    package var selector: [UInt8]
    /// Where the process finds it.
    package var destination: [UInt8]
    /// As which result of the node the changed tree is kept; nil drops the changes.
    package var output: Int?
    package var isReadOnly: Bool
    package var resultID: [UInt8] = []
    package var contentCache = ContentCache.byDefault

    package init(
        _ kind: Kind = .bind,
        of input: Output? = nil,
        selector: [UInt8] = [],
        at destination: [UInt8],
        output: Int? = nil,
        isReadOnly: Bool = false
    ) {
        self.kind = kind
        self.input = input
        self.selector = selector
        self.destination = destination
        self.output = output
        self.isReadOnly = isReadOnly
    }

    /// The root file system of a process, whose changes are result 0.
    package static func root(_ input: Output?) -> Mount { Mount(.bind, of: input, at: "/", output: 0) }
}

/// Who may use a cache directory at the same time.
package enum CacheSharing: Hashable, Sendable, CaseIterable {
    /// Several steps at once.
    case shared
    /// Each step at work gets a directory of its own.
    case `private`
    /// One step after another.
    case locked
}

/// Whether the content of a mount, rather than its definition, may be its part of the cache key.
package enum ContentCache: Hashable, Sendable, CaseIterable {
    case byDefault, on, off
}

/// A file or socket that the client provides: a secret, or the socket of an SSH agent.
package struct ClientFile: Hashable, Sendable {
    package var id: [UInt8]
    package var userID: UInt32
    package var groupID: UInt32
    package var mode: UInt32
    package var isOptional: Bool

    package init(id: [UInt8], userID: UInt32 = 0, groupID: UInt32 = 0, mode: UInt32 = 0o400, isOptional: Bool = false) {
        self.id = id
        self.userID = userID
        self.groupID = groupID
        self.mode = mode
        self.isOptional = isOptional
    }
}
