internal import BuildCache
internal import BuildGraph
internal import BuildKitClient
internal import OCI
internal import Synchronization
internal import Terminal
internal import Text

extension BuildCommand {
    /// Writes the profile that `body` notes, also where the build fails, if one is asked for.
    func withProfile<Value: Sendable>(
        _ environment: SlipwayEnvironment,
        _ body: (@escaping ProfileOption.Taker) async throws -> Value
    ) async throws -> Value {
        guard let profile else { return try await body { _ in } }
        if let call, call.isQuestion {
            throw failedBuild(
                "--profile shows the steps of a build, and --call=\(call.name) runs none: leave one of them out"
            )
        }
        let file: ProfileFile
        do {
            file = try await ProfileFile.open(profile, environment)
        } catch let error as ProfileFile.Obstacle {
            throw failedBuild("\(error)")
        }
        let noted = NotedProfile()
        let result: Result<Value, any Error>
        do {
            result = .success(try await body { noted.note($0()) })
        } catch {
            result = .failure(error)
        }
        do {
            if let made = noted.profile { try await file.write(made) } else { await file.discard() }
        } catch {
            guard case .failure = result else { throw CommandFailure("ERROR: \(error)") }
            // The error of the build is the one that matters.
            try await environment.errorOutput.writeLine("WARNING: \(error)")
        }
        return try result.get()
    }
}

/// The profile of a build on its way to the file.
private final class NotedProfile: Sendable {
    private let state = Mutex<BuildProfile?>(nil)

    var profile: BuildProfile? { state.withLock { $0 } }

    func note(_ profile: BuildProfile?) { state.withLock { $0 = profile ?? $0 } }
}

extension BuildProfile {
    /// The profile of a build that is remembered; nil if its record has no times.
    init?(_ record: BuildRecord) {
        guard let timeline = record.timeline else { return nil }
        let ending: Ending =
            switch record.status {
            case .completed: .completed
            case .failed: .failed
            case .canceled: .canceled
            }
        let build = Build(
            id: record.id,
            name: record.name,
            ending: ending,
            error: ending == .canceled ? nil : record.error,
            started: record.started,
            completed: record.completed
        )
        self.init(of: build, timeline, record.steps)
    }

    /// The profile of a build at a daemon, which tells of times and neither of reasons nor of costs; nil if no step began.
    ///
    /// Times are those of the daemon's clock, so that the first and the last of them are the build's.
    init?(remote timeline: [RecordedStep], id: String, name: String, _ error: (any Error)?) {
        guard let started = timeline.compactMap(\.started).min(),
            let completed = timeline.compactMap({ $0.completed ?? $0.started }).max()
        else { return nil }
        let failure = error is CancellationError ? nil : error
        let build = Build(
            id: id,
            name: name,
            ending: error == nil ? .completed : failure == nil ? .canceled : .failed,
            error: failure.map { withoutCredentials(($0 as? RemoteFailure)?.message ?? "\($0)") },
            started: started,
            completed: completed
        )
        self.init(of: build, timeline)
    }
}
