import BuildCache
import BuildGraph
import Exporters
import LinuxSystem
import OCI
import Text

/// What the history says of a build.
struct BuildAccount: Sendable {
    let id: String
    private let started: Timestamp
    private let name: String

    init(of request: BuildRequest, at time: Timestamp) {
        id = hexadecimal((0..<12).map { _ in UInt8.random(in: 0...255) })
        started = time
        name = escapedForDisplay(request.name)
    }

    /// Of a build that gave what it should.
    func record(of result: Build.Result, _ timeline: [RecordedStep], at time: Timestamp) -> BuildRecord {
        BuildRecord(
            id: id,
            started: started,
            completed: time,
            status: .completed,
            name: name,
            imageID: result.image?.id,
            steps: result.steps,
            timeline: timeline
        )
    }

    /// Of a build that did not.
    func record(of error: any Error, _ timeline: [RecordedStep], at time: Timestamp) -> BuildRecord {
        BuildRecord(
            id: id,
            started: started,
            completed: time,
            status: error is CancellationError ? .canceled : .failed,
            name: name,
            error: withoutCredentials("\(error)"),
            steps: (error as? StepFailure)?.error.steps ?? [],
            timeline: timeline
        )
    }
}
