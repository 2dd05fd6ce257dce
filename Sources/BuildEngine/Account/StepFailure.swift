package import BuildGraph
package import LLB
import LinuxSystem
import OCI
import Operations

/// A step that failed, with the lines of the Dockerfile that it comes from.
package struct StepFailure: CausedError, CustomStringConvertible {
    package let error: SolveError
    /// Nil for a step that the engine added.
    package let source: VertexWarning.Source?

    /// What probably is to blame and what to do about it; nil where nothing is known.
    package var advice: String? {
        error.underlying.chain.lazy.compactMap { ($0 as? OperationError)?.advice }.first
    }

    /// The step, where it is one of the graph.
    package let node: Node?

    /// What the step does: its operation of LLB as text, line by line; empty for a step that the engine added.
    package let operation: [String]

    package var cause: (any Error)? { error }

    package var description: String { error.description }

    init(_ error: SolveError, in definition: Definition) {
        self.error = error
        node = definition.nodes.first { $0.digest == error.vertex }
        operation = definition.dump(of: error.vertex).map { withoutCredentials($0) }
        let sources = definition.sources
        let places = sources.places[error.vertex] ?? []
        source = places.first.flatMap { first in
            guard sources.files.indices.contains(first.file) else { return nil }
            let file = sources.files[first.file]
            return VertexWarning.Source(
                fileName: String(decoding: file.name, as: UTF8.self),
                data: file.content,
                lines: places.filter { $0.file == first.file }.map { $0.firstLine...max($0.firstLine, $0.lastLine) }
            )
        }
    }
}
