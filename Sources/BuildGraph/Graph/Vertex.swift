package import OCI

/// Work that gives outputs from inputs, and how its result is named in the cache.
///
/// The solver calls `cacheMap` once a solve, before anything is known about the inputs, and `run` only if the output is needed
/// and was not found.
package protocol VertexOperation<Output>: Sendable {
    associatedtype Output: Sendable

    /// How the vertex is keyed. Cheap: it reads none of the vertex's inputs.
    func cacheMap(_ context: OperationContext) async throws -> CacheMap<Output>

    /// Does the work. `inputs` come in the order of the vertex's inputs; the result has one element for each output index.
    ///
    /// When nobody waits for the result any more the task is cancelled; the operation then cleans up and throws.
    func run(_ inputs: [Output], _ context: OperationContext) async throws -> [Output]

    /// Whether it counts among what runs at the same time; not one that only waits for others.
    var occupiesSlot: Bool { get }
}

extension VertexOperation {
    package var occupiesSlot: Bool { true }
}

/// One output of one vertex.
package struct VertexInput: Hashable, Sendable {
    /// The digest of the vertex.
    package let digest: Digest
    /// Which of its outputs.
    package let index: Int

    package init(digest: Digest, index: Int = 0) {
        self.digest = digest
        self.index = index
    }
}

/// Where a step comes from, for `slipway explain` and for errors.
package struct StepOrigin: Hashable, Sendable, Codable {
    /// The identity of the step from build to build: equal for "the same step" of two builds although its text, inputs or
    /// line differ.
    ///
    /// It says which project and file (they share one index), which stage, and which instruction of it.
    package let slot: String
    /// The name of the Dockerfile, as the user gave it.
    package let dockerfile: String
    /// The name of the stage, or its number.
    package let stage: String
    /// The number of the instruction in its stage, from 0.
    package let instruction: Int
    /// The first line of the instruction, from 1.
    package let line: Int
    /// The instruction as written.
    package let text: [UInt8]

    package init(slot: String, dockerfile: String, stage: String, instruction: Int, line: Int, text: [UInt8]) {
        self.slot = slot
        self.dockerfile = dockerfile
        self.stage = stage
        self.instruction = instruction
        self.line = line
        self.text = text
    }
}

/// One step of a build graph.
package struct Vertex<Output: Sendable>: Sendable {
    /// The digest of the vertex's definition, its inputs' included.
    package let digest: Digest
    /// What progress displays call it.
    package let name: String
    package let inputs: [VertexInput]
    package let operation: any VertexOperation<Output>
    /// Whether the result is made anew although the cache has it (`--no-cache`).
    ///
    /// It is saved all the same.
    package let ignoresCache: Bool
    package let origin: StepOrigin?

    package init(
        digest: Digest,
        name: String,
        inputs: [VertexInput] = [],
        operation: any VertexOperation<Output>,
        ignoresCache: Bool = false,
        origin: StepOrigin? = nil
    ) {
        self.digest = digest
        self.name = name
        self.inputs = inputs
        self.operation = operation
        self.ignoresCache = ignoresCache
        self.origin = origin
    }
}
