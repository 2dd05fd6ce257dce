import LinuxSystem
package import OCI

/// What is wrong with a graph, or with what an operation made of its vertex.
package enum BuildGraphError: Error, Hashable, CustomStringConvertible {
    case unknownInput(Digest, of: String)
    case unknownTarget(Digest)
    case repeatedVertex(Digest)
    case cycle(through: String)
    case negativeOutput(Int, of: Digest)
    case missingOutput(Int, of: String, count: Int)
    case inputKeys(Int, expected: Int, of: String)

    package var description: String {
        switch self {
        case .unknownInput(let digest, let name): "step \"\(name)\" uses \(digest), which is not in the graph"
        case .unknownTarget(let digest): "the target \(digest) is not in the graph"
        case .repeatedVertex(let digest): "the graph has two different steps \(digest)"
        case .cycle(let name): "step \"\(name)\" depends on itself"
        case .negativeOutput(let index, let digest): "\(index) is not the number of an output of \(digest)"
        case .missingOutput(let index, let name, let count):
            "output \(index) of step \"\(name)\" is needed, but it has only \(count)"
        case .inputKeys(let count, let expected, let name):
            "step \"\(name)\" gives \(count) input keys for \(expected) inputs"
        }
    }
}

/// The step that made a solve fail, and why.
package struct SolveError: CausedError, CustomStringConvertible {
    package let vertex: Digest
    /// The name of the step.
    package let name: String
    package let origin: StepOrigin?
    package let underlying: any Error
    /// What became of the steps that the solve came to, this one among them.
    package let steps: [StepExplanation]

    package init(
        vertex: Digest,
        name: String,
        origin: StepOrigin?,
        underlying: any Error,
        steps: [StepExplanation] = []
    ) {
        self.vertex = vertex
        self.name = name
        self.origin = origin
        self.underlying = underlying
        self.steps = steps
    }

    func adding(_ steps: [StepExplanation]) -> SolveError {
        SolveError(vertex: vertex, name: name, origin: origin, underlying: underlying, steps: steps)
    }

    package var cause: (any Error)? { underlying }

    package var description: String { "failed to solve: \(underlying)" }
}
