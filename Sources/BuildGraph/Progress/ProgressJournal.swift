package import OCI

/// One step of a build as it ended: when it ran, what it waited for, and what it took.
package struct RecordedStep: Hashable, Sendable, Codable {
    package let vertex: Digest
    package let name: String
    /// The steps whose outputs it used.
    package let inputs: [Digest]
    /// Nil for a step that the build did not come to.
    package let started: Timestamp?
    package let completed: Timestamp?
    package let cached: Bool
    package let error: String?
    /// Nil for a step that ran none.
    package let process: ProcessRecord?
    /// Bytes of the files of the layers that it added; nil where that is not known.
    package let layerSize: Int64?

    package init(_ progress: VertexProgress, process: ProcessRecord? = nil, layerSize: Int64? = nil) {
        vertex = progress.digest
        name = progress.name
        inputs = progress.inputs
        started = progress.started
        completed = progress.completed
        cached = progress.cached
        error = progress.error
        self.process = process
        self.layerSize = layerSize
    }
}

/// What the events of a build last told of each step.
package struct ProgressJournal: Sendable {
    private var order: [Digest] = []
    private var vertices: [Digest: VertexProgress] = [:]
    private var measures: [Digest: VertexMeasure] = [:]

    package init() {}

    package mutating func note(_ event: ProgressEvent) {
        switch event {
        case .vertex(let vertex):
            if let earlier = vertices[vertex.digest] {
                // A second announcement takes nothing back.
                if vertex.started == nil, earlier.started != nil { return }
            } else {
                order.append(vertex.digest)
            }
            vertices[vertex.digest] = vertex
        case .measured(let measure):
            var known = measures[measure.vertex] ?? measure
            known.process = measure.process ?? known.process
            known.layerSize = measure.layerSize ?? known.layerSize
            measures[measure.vertex] = known
        case .status, .log, .warning: break
        }
    }

    /// The steps, in the order in which they were announced.
    package var steps: [RecordedStep] {
        order.compactMap { digest in
            let measure = measures[digest]
            return vertices[digest].map { RecordedStep($0, process: measure?.process, layerSize: measure?.layerSize) }
        }
    }
}
