/// What a solve gives.
package struct Solution<Output: Sendable>: Sendable {
    /// The outputs of the targets, in their order.
    package let outputs: [Output]
    /// The canonical keys of the targets' vertices, nil for one that has none.
    package let keys: [CacheKey?]
    /// What became of each vertex that the targets depend on, inputs before what uses them.
    package let steps: [StepExplanation]

    package init(outputs: [Output], keys: [CacheKey?], steps: [StepExplanation]) {
        self.outputs = outputs
        self.keys = keys
        self.steps = steps
    }
}
