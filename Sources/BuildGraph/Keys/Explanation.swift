package import OCI

/// Why a step ran, or did not; one for each step of a solve, in the order of the graph.
package struct StepExplanation: Hashable, Sendable, Codable {
    package enum Outcome: Hashable, Sendable, Codable {
        case cached
        /// The result came from another cache than the index's own; what the user calls that one.
        case imported(from: String)
        /// Nothing that ran needed its output.
        case notNeeded
        case ran(MissReason)
        /// It failed: while it ran, for which there was this reason, or, with nil, before.
        case failed(MissReason?)
    }

    package let vertex: Digest
    package let name: String
    package let origin: StepOrigin?
    package let outcome: Outcome
    /// How long it ran, in seconds; 0 unless it ran.
    package let seconds: Double

    package init(vertex: Digest, name: String, origin: StepOrigin?, outcome: Outcome, seconds: Double) {
        self.vertex = vertex
        self.name = name
        self.origin = origin
        self.outcome = outcome
        self.seconds = seconds
    }
}

/// Why the cache had no result for a step.
package enum MissReason: Hashable, Sendable, Codable {
    /// The step was never built before.
    case noEarlierRecord
    /// What differs from the last time the step was built; never empty.
    case changed([KeyChange])
    /// Nothing differs, but the result was removed meanwhile.
    case resultGone
    /// The user asked for it (`--no-cache`), for this step or for one it is built on.
    case cacheDisabled
    /// The step has no key: it reads something that only its content identifies.
    case neverCached
}

/// One difference between two keys of the same step.
package enum KeyChange: Hashable, Sendable, Codable {
    /// A component has another value; nil where it is absent.
    case component(name: String, old: [UInt8]?, new: [UInt8]?)
    /// The files used of an input differ. `files` is empty if the earlier key has no list of them.
    case content(step: String, files: [ChangedFile])
    /// The step that an input comes from has another key.
    case input(step: String, slot: String?)
    /// The step has another number of inputs.
    case inputCount(old: Int, new: Int)
}

/// How one file differs between two content keys.
package struct ChangedFile: Hashable, Sendable, Codable {
    package enum Kind: Hashable, Sendable, Codable {
        case added
        case removed
        /// The file is in both; the attributes that differ.
        case changed([Attribute])
    }

    package enum Attribute: Hashable, Sendable, Codable {
        case content
        case type(old: ContentEntry.Kind, new: ContentEntry.Kind)
        case mode(old: UInt32, new: UInt32)
        case owner(old: UInt32, new: UInt32)
        case group(old: UInt32, new: UInt32)
        case extendedAttributes
    }

    package let path: [UInt8]
    package let kind: Kind

    package init(path: [UInt8], kind: Kind) {
        self.path = path
        self.kind = kind
    }
}
