internal import OCI

/// The keys of the vertices of one solve, as they become known.
///
/// What each key hashes is said here and nowhere else.
///
/// Left out of every key: the vertex's digest, name and origin, so that the same step found another way, or renamed, is the same.
struct KeyLedger<Output: Sendable> {
    private struct Entry {
        var map: CacheMap<Output>?
        var contents: [Int: ContentKey] = [:]
        var definitionKey: CacheKey?
        /// Nil as long as it is not settled, and for a vertex without a key.
        var canonicalKey: CacheKey?
    }

    private let inputs: [[(vertex: Int, index: Int)]]
    private var entries: [Entry]

    init(inputs: [[(vertex: Int, index: Int)]]) {
        self.inputs = inputs
        entries = Array(repeating: Entry(), count: inputs.count)
    }

    mutating func setMap(_ map: CacheMap<Output>, of vertex: Int) { entries[vertex].map = map }

    mutating func setContent(_ key: ContentKey, of vertex: Int, input: Int) { entries[vertex].contents[input] = key }

    mutating func setCanonicalKey(_ key: CacheKey?, of vertex: Int) { entries[vertex].canonicalKey = key }

    func map(of vertex: Int) -> CacheMap<Output>? { entries[vertex].map }

    func canonicalKey(of vertex: Int) -> CacheKey? { entries[vertex].canonicalKey }

    /// The key that needs no bytes; nil while an input has no canonical key.
    ///
    /// It hashes, each with its length: the format's name; each component's name and value; for each input its canonical key,
    /// the index of the output, and for an input used by content the selector.
    mutating func definitionKey(of vertex: Int) -> CacheKey? {
        if let key = entries[vertex].definitionKey { return key }
        guard let map = entries[vertex].map else { return nil }
        var digester = Self.digester("slipway definition key 1", map)
        for (input, key) in zip(inputs[vertex], map.inputs) {
            guard let canonicalKey = entries[input.vertex].canonicalKey else { return nil }
            Self.hash(canonicalKey, index: input.index, into: &digester)
            switch key {
            case .definition: break
            case .content(let selector, _): digester.updateField(selector)
            }
        }
        entries[vertex].definitionKey = CacheKey(digester.finalize())
        return entries[vertex].definitionKey
    }

    /// The key over what is used of the inputs; nil if the vertex has no content inputs, or while one is not computed.
    ///
    /// It hashes what the definition key does, but for an input used by content only the digest of what is used and the selector:
    /// which step it came from is left out, so that equal files are equal whatever made them.
    func contentKey(of vertex: Int) -> CacheKey? { contentKeyer(of: vertex)(entries[vertex].contents) }

    /// What makes the content key of a vertex from the content keys of its inputs.
    func contentKeyer(of vertex: Int) -> @Sendable ([Int: ContentKey]) -> CacheKey? {
        guard let map = entries[vertex].map, map.inputs.contains(where: \.isContent) else { return { _ in nil } }
        let keys = inputs[vertex].map { (key: entries[$0.vertex].canonicalKey, index: $0.index) }
        return { contents in
            var digester = Self.digester("slipway content key 1", map)
            for (slot, input) in keys.enumerated() {
                switch map.inputs[slot] {
                case .definition:
                    guard let canonicalKey = input.key else { return nil }
                    Self.hash(canonicalKey, index: input.index, into: &digester)
                case .content(let selector, _):
                    guard let content = contents[slot] else { return nil }
                    digester.updateField("content")
                    digester.updateField(content.digest.description)
                    digester.updateField(selector)
                }
            }
            return CacheKey(digester.finalize())
        }
    }

    /// The content keys of a vertex's inputs, by their numbers.
    func contents(of vertex: Int) -> [Int: ContentKey] { entries[vertex].contents }

    /// Derives the keys of a vertex again after a key that they derive from has changed.
    mutating func renewKeys(of vertex: Int) {
        entries[vertex].definitionKey = nil
        guard entries[vertex].canonicalKey != nil else { return }
        entries[vertex].canonicalKey = contentKey(of: vertex) ?? definitionKey(of: vertex)
    }

    /// What went into the keys of a vertex.
    ///
    /// `step` gives the name and slot of a vertex by its number.
    func description(of vertex: Int, step: (Int) -> (name: String, slot: String?)) -> KeyDescription {
        guard let map = entries[vertex].map else { return KeyDescription(components: [], inputs: []) }
        let described = inputs[vertex].enumerated().map { slot, input in
            let (name, origin) = step(input.vertex)
            return InputDescription(step: name, slot: origin, contribution: contribution(of: vertex, slot, map))
        }
        // What is described is kept and shown.
        let components = map.components.map { KeyComponent($0.name, withoutCredentials($0.value)) }
        return KeyDescription(components: components, inputs: described)
    }

    private func contribution(of vertex: Int, _ slot: Int, _ map: CacheMap<Output>) -> InputDescription.Contribution {
        if case .content(let selector, _) = map.inputs[slot], let content = entries[vertex].contents[slot] {
            return .content(content, selector: selector)
        }
        let input = inputs[vertex][slot]
        guard let key = entries[input.vertex].canonicalKey else { return .unknown }
        return .definition(key, index: input.index)
    }

    /// The keyed steps that a vertex uses, and what of them.
    func keyedInputs(of vertex: Int) -> [KeyedStep<Output>.Input] {
        guard let map = entries[vertex].map else { return [] }
        return zip(inputs[vertex], map.inputs).compactMap { input, key in
            guard let canonicalKey = entries[input.vertex].canonicalKey else { return nil }
            switch key {
            case .definition: return KeyedStep.Input(key: canonicalKey, selector: [])
            case .content(let selector, _): return KeyedStep.Input(key: canonicalKey, selector: selector)
            }
        }
    }

    private static func digester(_ format: String, _ map: CacheMap<Output>) -> Digester {
        var digester = Digester()
        digester.updateField(format)
        digester.updateField("\(map.components.count)")
        for component in map.components {
            digester.updateField(component.name)
            digester.updateField(component.value)
        }
        digester.updateField("\(map.inputs.count)")
        return digester
    }

    private static func hash(_ key: CacheKey, index: Int, into digester: inout Digester) {
        digester.updateField("definition")
        digester.updateField(key.description)
        digester.updateField("\(index)")
    }
}
