package import OCI

/// What names a cached result: a digest over everything that decided it.
///
/// A vertex has up to two keys. The definition key hashes what would run and the canonical keys of its inputs, and needs no
/// bytes. The content key hashes the same but with the digest of exactly the files used in place of the keys of those inputs
/// that are keyed by content. The canonical key is the one that the keys of other vertices derive from.
package struct CacheKey: Hashable, Sendable, Codable, CustomStringConvertible {
    package let digest: Digest

    package init(_ digest: Digest) { self.digest = digest }

    package var description: String { digest.description }
}

/// One named fact that a vertex's key hashes: an argument, an environment variable, a platform, a checksum.
///
/// The names are what `slipway explain` shows ("env PATH", "command"). Nothing secret belongs in a component: the values are
/// kept in the cache index.
package struct KeyComponent: Hashable, Sendable, Codable {
    package let name: String
    package let value: [UInt8]

    package init(_ name: String, _ value: [UInt8]) {
        self.name = name
        self.value = value
    }

    package init(_ name: String, _ value: String) { self.init(name, Array(value.utf8)) }

    package init(_ name: String, _ value: Digest) { self.init(name, value.description) }

    /// A component of which only the digest matters, because its value is long.
    package static func digest(_ name: String, of value: [UInt8]) -> KeyComponent {
        KeyComponent(name, Digest.sha256(of: value))
    }
}

/// How a vertex is keyed: its own part of the key, and how each of its inputs takes part.
package struct CacheMap<Output: Sendable>: Sendable {
    /// Whether the key of a vertex can say what its output is without looking at the output.
    package enum Identity: Hashable, Sendable {
        /// Equal keys mean equal outputs: the usual case.
        case definition
        /// Nothing but the output itself says what it is, as for a directory on the client. Such a vertex is never looked up
        /// or saved, and what uses it is keyed by content.
        case contentOnly
    }

    /// What the key hashes, in order.
    ///
    /// Names may repeat.
    package var components: [KeyComponent]
    /// One for each input of the vertex, in order.
    package var inputs: [InputKey<Output>]
    package var identity: Identity

    package init(components: [KeyComponent], inputs: [InputKey<Output>] = [], identity: Identity = .definition) {
        self.components = components
        self.inputs = inputs
        self.identity = identity
    }
}

/// How one input takes part in the key of the vertex that uses it.
package enum InputKey<Output: Sendable>: Sendable {
    /// By the canonical key of the vertex it comes from.
    case definition
    /// By the definition first and, if that misses, by the digest of what is used of it.
    ///
    /// The selector says which part is used (paths, patterns, options that change what is read); it is hashed and shown.
    case content(selector: [UInt8], @Sendable (Output, OperationContext) async throws -> ContentKey)

    var isContent: Bool {
        switch self {
        case .definition: false
        case .content: true
        }
    }
}

/// The digest of the files that a vertex uses of one input, with what `slipway explain` needs to say which of them changed.
package struct ContentKey: Hashable, Sendable, Codable {
    package let digest: Digest
    /// What was hashed, sorted by path.
    ///
    /// It describes; only `digest` is compared. Empty if nobody needs a description.
    package let entries: [ContentEntry]

    package init(digest: Digest, entries: [ContentEntry] = []) {
        self.digest = digest
        self.entries = entries
    }
}

/// One file among those that a content key covers.
package struct ContentEntry: Hashable, Sendable, Codable {
    package enum Kind: UInt8, Hashable, Sendable, Codable {
        case file, directory, symbolicLink, other
    }

    /// Relative to the root of the input, without a leading slash.
    package let path: [UInt8]
    package let kind: Kind
    /// Permission bits.
    package let mode: UInt32
    package let owner: UInt32
    package let group: UInt32
    /// Of the file's bytes, or of the link's target.
    ///
    /// Nil for a directory.
    package let content: Digest?
    /// Of the extended attributes, nil when there are none.
    package let extendedAttributes: Digest?

    package init(
        path: [UInt8],
        kind: Kind,
        mode: UInt32,
        owner: UInt32 = 0,
        group: UInt32 = 0,
        content: Digest?,
        extendedAttributes: Digest? = nil
    ) {
        self.path = path
        self.kind = kind
        self.mode = mode
        self.owner = owner
        self.group = group
        self.content = content
        self.extendedAttributes = extendedAttributes
    }
}
