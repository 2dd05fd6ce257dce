internal import OCI

/// What was reported of each vertex of a solve: each is completed at most once, and cached ones are started and completed at once.
struct SolveProgress {
    private let channel: ProgressChannel?
    private let now: @Sendable () -> Timestamp
    private let vertices: [VertexProgress]
    private var outcomes: [(outcome: StepExplanation.Outcome, seconds: Double)?]
    private var isCompleted: [Bool]

    init(_ vertices: [VertexProgress], _ channel: ProgressChannel?, _ now: @escaping @Sendable () -> Timestamp) {
        self.vertices = vertices
        self.channel = channel
        self.now = now
        outcomes = Array(repeating: nil, count: vertices.count)
        isCompleted = Array(repeating: false, count: vertices.count)
    }

    /// A vertex as it was announced.
    subscript(_ vertex: Int) -> VertexProgress { vertices[vertex] }

    /// Reports the vertices that the solve may come to.
    func announce() {
        for vertex in vertices { channel?.post(.vertex(vertex)) }
    }

    /// - Parameters:
    ///   - vertex: The vertex.
    ///   - source: The other cache that had its result, if one had it.
    mutating func cached(_ vertex: Int, from source: String? = nil) {
        outcomes[vertex] = (source.map { .imported(from: $0) } ?? .cached, 0)
        complete(vertex, started: nil, cached: true)
    }

    /// - Parameters:
    ///   - vertex: The vertex.
    ///   - reason: Why it ran; nil if another solve or process had done its work.
    ///   - started: When it began, which was reported when it did.
    mutating func ran(_ vertex: Int, _ reason: MissReason?, started: Timestamp?) {
        guard let reason else { return cached(vertex) }
        let completed = complete(vertex, started: started, cached: false)
        outcomes[vertex] = (.ran(reason), completed.seconds(since: started ?? completed))
    }

    /// - Parameters:
    ///   - vertex: The vertex.
    ///   - error: Why it failed; nil if it was stopped.
    ///   - reason: Why it ran; nil if it did not come to that.
    ///   - started: When it began; nil if it had not.
    mutating func failed(_ vertex: Int, _ error: (any Error)?, _ reason: MissReason?, started: Timestamp?) {
        if let error {
            let completed = complete(vertex, started: started, error: withoutCredentials("\(error)"))
            outcomes[vertex] = (.failed(reason), completed.seconds(since: started ?? completed))
        } else if started != nil {
            complete(vertex, started: started, error: VertexProgress.canceled)
        }
    }

    /// What became of a vertex of a solve that failed; nil for one that it did not come to.
    func outcome(of vertex: Int) -> (outcome: StepExplanation.Outcome, seconds: Double)? { outcomes[vertex] }

    /// What became of a vertex of a solve that succeeded.
    ///
    /// One that was not needed is reported as cached.
    mutating func finish(_ vertex: Int) -> (StepExplanation.Outcome, seconds: Double) {
        if let outcome = outcomes[vertex] { return outcome }
        if !isCompleted[vertex] { complete(vertex, started: nil, cached: true) }
        return (.notNeeded, 0)
    }

    @discardableResult
    private mutating func complete(_ vertex: Int, started: Timestamp?, cached: Bool = false, error: String? = nil)
        -> Timestamp
    {
        let completed = now()
        var progress = vertices[vertex]
        progress.started = started ?? completed
        progress.completed = completed
        progress.cached = cached
        progress.error = error
        isCompleted[vertex] = true
        channel?.post(.vertex(progress))
        return completed
    }
}
