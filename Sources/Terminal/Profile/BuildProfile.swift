package import BuildGraph
package import LinuxSystem
package import OCI
internal import Text

/// Where the time of a build went: its steps with their times, causes and costs, as `build --profile` shows them.
package struct BuildProfile: Sendable {
    /// How a build ended.
    package enum Ending: String, Sendable {
        case completed, failed, canceled
    }

    /// The build as a whole.
    package struct Build: Sendable {
        package var id: String?
        package var name: String
        package var ending: Ending
        /// The text of the error that ended it.
        package var error: String?
        package var started: Timestamp
        package var completed: Timestamp

        package init(
            id: String? = nil,
            name: String,
            ending: Ending = .completed,
            error: String? = nil,
            started: Timestamp,
            completed: Timestamp
        ) {
            self.id = id
            self.name = name
            self.ending = ending
            self.error = error
            self.started = started
            self.completed = completed
        }

        var seconds: Double { completed.seconds(since: started) }
    }

    /// What became of a step.
    package enum State: String, Sendable {
        case ran
        case cached
        case failed
        case canceled
        case skipped
        case notReached = "not reached"
    }

    /// When a step ran, in seconds from the build's start.
    package struct Span: Hashable, Sendable {
        package let start: Double
        package let end: Double

        package var seconds: Double { end - start }

        fileprivate init(from started: Timestamp, to completed: Timestamp, in build: Build) {
            let limit = build.seconds
            start = min(started.seconds(since: build.started), limit)
            end = max(start, min(completed.seconds(since: build.started), limit))
        }
    }

    /// One step.
    package struct Step: Sendable {
        package let vertex: Digest
        package let name: String
        /// Where the Dockerfile has it.
        package let place: (dockerfile: String, line: Int)?
        package let state: State
        /// Nil for a step that the build did not come to or did not need.
        package let span: Span?
        /// Why it ran or where its result came from, line by line.
        package let reasons: [String]
        package let error: String?
        /// What its process used; nil for a step that ran none.
        package let usage: ResourceUsage?
        /// When its process ran; before that the step's files are made ready, after it its result is kept.
        package let processSpan: Span?
        package let layerSize: Int64?
        /// The numbers of the steps whose outputs it uses.
        package let inputs: [Int]
        /// Whether it is one of the graph, rather than one of the builder's own such as the export.
        fileprivate(set) var isOfGraph: Bool

        /// Whether it took time of its own.
        var tookTime: Bool { (span?.seconds ?? 0) > 0 }
    }

    package let build: Build
    /// In the order in which they began; last those that did not.
    package let steps: [Step]
    /// The numbers of the steps that decided how long the build took, first to last.
    package let criticalPath: [Int]

    /// - Parameters:
    ///   - build: the build as a whole.
    ///   - timeline: its steps as they ended.
    ///   - explanations: why they ran, as far as that is known.
    package init(of build: Build, _ timeline: [RecordedStep], _ explanations: [StepExplanation] = []) {
        self.build = build
        let known = Dictionary(explanations.map { ($0.vertex, $0) }) { first, _ in first }
        let spans = timeline.map { Self.span(of: $0, known[$0.vertex]?.outcome, in: build) }
        let order = timeline.indices.sorted {
            (spans[$0]?.start ?? .infinity, $0) < (spans[$1]?.start ?? .infinity, $1)
        }
        var numbers: [Digest: Int] = [:]
        for (number, place) in order.enumerated() { numbers[timeline[place].vertex] = number }
        var steps = order.map { place in
            Step(timeline[place], spans[place], known[timeline[place].vertex], numbers, in: build)
        }
        for input in Set(steps.flatMap(\.inputs)) { steps[input].isOfGraph = true }
        let path = CriticalPath(
            steps.map { CriticalPath.Node(span: $0.span, inputs: $0.inputs, isOfGraph: $0.isOfGraph) },
            to: steps.firstIndex { $0.state == .failed && $0.span != nil }
        )
        self.steps = steps
        criticalPath = path.nodes.filter { steps[$0].tookTime }
    }

    /// When a step ran within the build.
    ///
    /// Another build may have begun a step that both share, and clocks are set back.
    private static func span(of step: RecordedStep, _ outcome: StepExplanation.Outcome?, in build: Build) -> Span? {
        guard let started = step.started, outcome != .notNeeded else { return nil }
        return Span(from: started, to: step.completed ?? build.completed, in: build)
    }
}

extension BuildProfile.Step {
    fileprivate init(
        _ recorded: RecordedStep,
        _ span: BuildProfile.Span?,
        _ explanation: StepExplanation?,
        _ numbers: [Digest: Int],
        in build: BuildProfile.Build
    ) {
        vertex = recorded.vertex
        name = recorded.name
        place = explanation?.origin.map { ($0.dockerfile, $0.line) }
        state = BuildProfile.State(recorded, explanation?.outcome)
        self.span = span
        reasons = explanation.map { BuildExplanation.reasons(for: $0.outcome) } ?? []
        error = recorded.error
        usage = recorded.process?.usage
        processSpan = recorded.process.map { .init(from: $0.started, to: $0.completed, in: build) }
        layerSize = recorded.layerSize
        var seen: Set<Int> = []
        inputs = recorded.inputs.compactMap { numbers[$0] }.filter { seen.insert($0).inserted }
        isOfGraph = explanation != nil || !recorded.inputs.isEmpty
    }
}

extension BuildProfile.State {
    fileprivate init(_ step: RecordedStep, _ outcome: StepExplanation.Outcome?) {
        switch outcome {
        case .cached, .imported: self = .cached
        case .notNeeded: self = .skipped
        case .ran: self = .ran
        case .failed: self = .failed
        case nil:
            if let error = step.error {
                self = error.hasSuffix(VertexProgress.canceled) ? .canceled : .failed
            } else if step.started == nil {
                self = .notReached
            } else if step.completed == nil {
                self = .canceled
            } else {
                self = step.cached ? .cached : .ran
            }
        }
    }
}

extension BuildProfile {
    /// How long the steps of the critical path ran together, in seconds.
    var criticalSeconds: Double { criticalPath.reduce(0) { $0 + (steps[$1].span?.seconds ?? 0) } }

    /// Processor time of all steps, in seconds; nil if no step has told of any.
    var processorSeconds: Double? { total { $0.usage.map(\.processorSeconds) } }

    /// What the layers that the build's steps added hold, in bytes; nil if it is not known of any.
    var layerSize: Int64? { total(\.layerSize) }

    private func total<Number: AdditiveArithmetic>(_ value: (Step) -> Number?) -> Number? {
        let values = steps.compactMap(value)
        return values.isEmpty ? nil : values.reduce(.zero, +)
    }
}
