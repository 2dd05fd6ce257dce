package import OCI

/// What a solve gave.
package struct Solution<Output: Sendable>: Sendable {
    /// The outputs of the targets, in their order.
    package let outputs: [Output]
    /// The canonical keys of the targets' vertices, nil for one that has none.
    package let keys: [CacheKey?]
    /// What became of each vertex that the targets depend on, inputs before what uses them.
    package let steps: [StepExplanation]
    /// The vertices that have a key, inputs before what uses them: what a cache can keep of the solve.
    package let keyed: [KeyedStep<Output>]

    package init(
        outputs: [Output],
        keys: [CacheKey?],
        steps: [StepExplanation],
        keyed: [KeyedStep<Output>] = []
    ) {
        self.outputs = outputs
        self.keys = keys
        self.steps = steps
        self.keyed = keyed
    }
}

/// A vertex under its keys, with its outputs as far as the solve came to know them.
package struct KeyedStep<Output: Sendable>: Sendable {
    /// How the step uses another one that has a key.
    package struct Input: Hashable, Sendable {
        /// The canonical key of that step.
        package let key: CacheKey
        /// What of its output is used, as for `InputKey.content`; empty for all.
        package let selector: [UInt8]
    }

    package let vertex: Digest
    package let canonicalKey: CacheKey
    /// Where it is not the canonical key.
    package let definitionKey: CacheKey?
    package let inputs: [Input]
    /// Nil where they were not needed, as is one that the cache had not.
    package let outputs: [Output?]?

    /// All outputs; nil where one is not known.
    package var allOutputs: [Output]? {
        guard let outputs else { return nil }
        let known = outputs.compactMap(\.self)
        return known.count == outputs.count ? known : nil
    }
}
