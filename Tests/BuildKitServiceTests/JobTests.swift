import BuildGraph
import Foundation
import OCI
import Tasks
import Testing

@testable import BuildKitService

/// What is told of a build to those who listen.
@Suite struct `The progress of a job` {
    private let vertex = Digest.sha256(of: Array("step".utf8))

    private func log(_ text: String) -> ProgressEvent {
        .log(VertexLog(vertex: vertex, stream: .output, data: Array(text.utf8), timestamp: Timestamp(nanoseconds: 1)))
    }

    @Test func `is heard from its beginning by a listener who comes late`() async {
        let (progress, channel) = (JobProgress(), ProgressChannel())
        channel.post(log("a"))
        channel.post(log("b"))
        channel.finish()
        await progress.relay(channel)
        let heard = await progress.withListener { events in await events.reduce(into: []) { $0.append($1) } }
        #expect(heard == [log("a"), log("b")])
    }

    @Test func `keeps no more output for later than its limit`() async {
        let (progress, channel) = (JobProgress(limit: 1), ProgressChannel())
        channel.post(log("a"))
        channel.post(log("b"))
        channel.finish()
        await progress.relay(channel)
        let heard = await progress.withListener { events in await events.reduce(into: []) { $0.append($1) } }
        #expect(heard == [log("a")])
    }
}

/// The jobs of a daemon by their references.
@Suite struct `The registry of jobs` {
    @Test func `gives a job to one who asks before it begins`() async throws {
        let registry = JobRegistry()
        let question = Task { try await registry.entry("x") }
        // Whether the question comes first or the job, the answer is the same.
        await Task.yield()
        try await registry.withEntry("x") { entry in
            let found = try await question.value
            #expect(found === entry)
        }
    }

    @Test func `refuses a second job of one reference, and one without`() async throws {
        let registry = JobRegistry()
        _ = try await registry.withEntry("x") { _ in
            await #expect(throws: ServiceError.jobExists("x")) {
                try await registry.withEntry("x") { _ in }
            }
        }
        await #expect(throws: ServiceError.noJobID) { try await registry.withEntry("") { _ in } }
    }

    @Test func `tells all who wait for the build of a job that ended without one`() async throws {
        let registry = JobRegistry()
        try await registry.withEntry("x") { entry in
            entry.job.keep(.failure(ServiceError.unknownFrontend("poem")))
            await withThrowingTaskGroup(of: Void.self) { group in
                for _ in 0..<3 {
                    group.addTask {
                        await #expect(throws: ServiceError.unknownFrontend("poem")) { try await registry.job("x") }
                    }
                }
            }
        }
    }
}
