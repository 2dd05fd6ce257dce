/// The memory of what was built: keys, the records they lead to, and the records' results.
///
/// Several solves, and several processes, use one index at the same time.
package protocol CacheIndex<Output>: Sendable {
    associatedtype Output: Sendable

    /// The record that a key (a definition, content or canonical key) leads to.
    func record(for key: CacheKey) async throws -> CacheRecord?

    /// The outputs of a record, or nil if they are gone; nothing is fetched or unpacked for it.
    /// - Parameters:
    ///   - record: The record.
    ///   - needed: The numbers of the outputs that must be there; nil for all. Others may be nil.
    /// - Returns: The outputs by their numbers.
    /// - Throws: What looking for them throws.
    func outputs(of record: CacheRecord, needed: Set<Int>?) async throws -> [Output?]?

    /// Lets one more key lead to a record.
    func alias(_ key: CacheKey, to record: CacheRecord) async throws

    /// Keeps a result under all keys of its entry; an earlier record of the same canonical key is replaced.
    func save(_ outputs: [Output], _ entry: CacheEntry) async throws -> CacheRecord

    /// The entry that was saved last for a step, by the slot of its origin.
    func latestEntry(slot: String) async throws -> CacheEntry?

    /// Whether some records come from elsewhere (`CacheRecord.source`): `adopt` is told of each that is used.
    var hasForeignRecords: Bool { get }

    /// Makes a record from elsewhere one of the index's own.
    ///
    /// - Parameters:
    ///   - record: The record, which has a source.
    ///   - outputs: What it gave, as far as that was looked up.
    ///   - key: What it was found under.
    ///   - entry: The step it was found for.
    /// - Throws: What keeping it throws.
    func adopt(_ record: CacheRecord, _ outputs: [Output?], foundBy key: CacheKey, _ entry: CacheEntry) async throws
}

extension CacheIndex {
    /// All outputs of a record, or nil if one is gone.
    package func outputs(of record: CacheRecord) async throws -> [Output]? {
        guard let outputs = try await outputs(of: record, needed: nil) else { return nil }
        let there = outputs.compactMap(\.self)
        return there.count == outputs.count ? there : nil
    }

    package var hasForeignRecords: Bool { false }

    package func adopt(
        _ record: CacheRecord,
        _ outputs: [Output?],
        foundBy key: CacheKey,
        _ entry: CacheEntry
    ) async throws {}
}

/// What a key leads to.
package struct CacheRecord: Hashable, Sendable {
    /// The index's own name for the record.
    package let id: Int64
    /// What the keys of vertices that use the result derive from.
    package let canonicalKey: CacheKey
    /// Where the record comes from, as the user calls it; nil for one of the index's own.
    package let source: String?

    package init(id: Int64, canonicalKey: CacheKey, source: String? = nil) {
        self.id = id
        self.canonicalKey = canonicalKey
        self.source = source
    }
}

/// What is kept of a vertex that ran, apart from its outputs.
package struct CacheEntry: Hashable, Sendable {
    package let canonicalKey: CacheKey
    /// The definition key, where it is not the canonical key.
    package let aliases: [CacheKey]
    /// The name of the step.
    package let name: String
    package let origin: StepOrigin?
    /// What was hashed into the key.
    package let description: KeyDescription
    /// Why the vertex had to run.
    package let reason: MissReason
    package let created: Timestamp

    package init(
        canonicalKey: CacheKey,
        aliases: [CacheKey],
        name: String,
        origin: StepOrigin?,
        description: KeyDescription,
        reason: MissReason,
        created: Timestamp
    ) {
        self.canonicalKey = canonicalKey
        self.aliases = aliases
        self.name = name
        self.origin = origin
        self.description = description
        self.reason = reason
        self.created = created
    }
}

/// What went into a key, field by field, so that two keys can be compared.
package struct KeyDescription: Hashable, Sendable, Codable {
    package var components: [KeyComponent]
    package var inputs: [InputDescription]

    package init(components: [KeyComponent], inputs: [InputDescription]) {
        self.components = components
        self.inputs = inputs
    }

    /// The description of the key with other content of some inputs.
    func correcting(_ contents: [Int: ContentKey]) -> KeyDescription {
        var corrected = self
        for (input, content) in contents {
            let old = inputs[input]
            guard case .content(_, let selector) = old.contribution else { continue }
            let contribution = InputDescription.Contribution.content(content, selector: selector)
            corrected.inputs[input] = InputDescription(step: old.step, slot: old.slot, contribution: contribution)
        }
        return corrected
    }
}

/// How one input went into a key.
package struct InputDescription: Hashable, Sendable, Codable {
    package enum Contribution: Hashable, Sendable, Codable {
        /// The canonical key of the step, and which output of it.
        case definition(CacheKey, index: Int)
        case content(ContentKey, selector: [UInt8])
        /// The input has no key and was not looked at.
        case unknown
    }

    /// The name of the step that the input comes from.
    package let step: String
    /// The slot of that step's origin, if it has one.
    package let slot: String?
    package let contribution: Contribution

    package init(step: String, slot: String?, contribution: Contribution) {
        self.step = step
        self.slot = slot
        self.contribution = contribution
    }
}
