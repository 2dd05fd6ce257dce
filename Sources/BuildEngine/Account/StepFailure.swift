package import BuildGraph
package import LLB
import LinuxSystem
import OCI
import Operations

/// A step that failed, with the lines of the Dockerfile that it comes from.
package struct StepFailure: CausedError, CustomStringConvertible {
    package let error: SolveError
    /// Where the step was written; empty for a step that the engine added.
    package let places: [(file: SourceMap.File, spans: [SourceMap.Span])]

    /// The first file that the step was written in; nil for a step that the engine added.
    package var source: VertexWarning.Source? {
        guard let first = places.first?.file else { return nil }
        return VertexWarning.Source(
            fileName: String(decoding: first.name, as: UTF8.self),
            data: first.content,
            lines: places.filter { $0.file == first }.flatMap { $0.spans.map(\.lines) }
        )
    }

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
        places = (sources.places[error.vertex] ?? []).compactMap { place in
            sources.files.indices.contains(place.file) ? (sources.files[place.file], place.spans) : nil
        }
    }
}
