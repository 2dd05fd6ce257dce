internal import BuildGraph
internal import OCI

/// What is known of a build from its events so far; the displays look at it.
struct ProgressTrace: Sendable {
    /// One step, as its events described it.
    package struct Step: Sendable {
        var progress: VertexProgress
        /// Its counters, in the order in which they began.
        var statuses: [VertexStatus] = []
        /// Where each stands in `statuses`, by its id.
        var places: [String: Int] = [:]
        var warnings: [VertexWarning] = []
        var tail: LogTail

        var isStarted: Bool { progress.started != nil }
        var isCompleted: Bool { progress.completed != nil }
        var hasFailed: Bool { progress.error != nil && !progress.isCanceled }

        /// How long it has been running, or ran.
        func seconds(at now: Timestamp) -> Double {
            guard let started = progress.started else { return 0 }
            return (progress.completed ?? now).seconds(since: started)
        }
    }

    /// What an event was about.
    enum Change {
        case step(Int)
        case status(Int, id: String)
        case warning(Int)
        case log(Int, data: [UInt8], seconds: Double)
        case nothing
    }

    /// In the order in which they were announced.
    private(set) var steps: [Step] = []
    /// The numbers of those that have started, in that order.
    private(set) var started: [Int] = []
    private(set) var completedCount = 0
    private(set) var firstStart: Timestamp?
    private var numbers: [Digest: Int] = [:]
    private let tail: LogTail

    /// - Parameter tail: How much of each step's output is kept.
    init(tail: LogTail) { self.tail = tail }

    package mutating func take(_ event: ProgressEvent) -> Change {
        switch event {
        case .vertex(let progress): return take(progress)
        case .status(let status): return take(status)
        case .warning(let warning):
            guard let vertex = warning.vertex, let number = numbers[vertex] else { return .nothing }
            steps[number].warnings.append(warning)
            return .warning(number)
        case .measured: return .nothing
        case .log(let log):
            guard let number = numbers[log.vertex] else { return .nothing }
            let seconds = log.timestamp.seconds(since: steps[number].progress.started ?? log.timestamp)
            steps[number].tail.append(log.data, at: seconds)
            return .log(number, data: log.data, seconds: seconds)
        }
    }

    private mutating func take(_ progress: VertexProgress) -> Change {
        let number: Int
        if let known = numbers[progress.digest] {
            number = known
        } else {
            number = steps.count
            numbers[progress.digest] = number
            steps.append(Step(progress: progress, tail: tail))
            steps[number].progress.started = nil
            steps[number].progress.completed = nil
        }
        // A second announcement takes nothing back.
        guard let start = progress.started else { return .nothing }
        if !steps[number].isStarted { started.append(number) }
        if !steps[number].isCompleted, progress.completed != nil { completedCount += 1 }
        if firstStart == nil { firstStart = start }
        steps[number].progress = progress
        return .step(number)
    }

    private mutating func take(_ status: VertexStatus) -> Change {
        guard let number = numbers[status.vertex] else { return .nothing }
        if let position = steps[number].places[status.id] {
            steps[number].statuses[position] = status
        } else if status.started != nil {
            steps[number].places[status.id] = steps[number].statuses.count
            steps[number].statuses.append(status)
        }
        return .status(number, id: status.id)
    }

    /// What is said at the end of each step that failed.
    func errorLogs() -> String {
        started.map { steps[$0] }.filter(\.hasFailed).reduce(into: "") { text, step in
            text += "------\n > \(safeText(step.progress.name)):\n"
            for line in step.tail.text { text += line + "\n" }
            text += "------\n"
        }
    }
}
