package import BuildGraph
internal import BuildKitProto
internal import RPC
internal import SwiftProtobuf
internal import Synchronization

extension RemoteBuilder {
    /// Carries a build out.
    /// - Parameters:
    ///   - build: what to build, and what it may use of the client.
    ///   - progress: is told what happens.
    /// - Returns: what the daemon says of the result, under BuildKit's keys.
    /// - Throws: `RemoteFailure`, `LostDaemon`; `CancellationError` where the task is cancelled, which ends the build.
    package func solve(_ build: RemoteBuild, progress: ProgressChannel) async throws -> [String: String] {
        try await withSession(of: build) { session in
            try await following(build.reference, progress) {
                let answer: Moby_Buildkit_V1_SolveResponse = try await ask(
                    Self.control,
                    "Solve",
                    try build.message(session: session)
                )
                return answer.exporterResponse
            }
        }
    }

    /// Asks the frontend something about the Dockerfile instead of building it.
    /// - Parameters:
    ///   - call: the question, as BuildKit names it.
    ///   - build: what it is about.
    ///   - progress: is told what happens.
    /// - Returns: the parts of the answer.
    /// - Throws: as `solve`.
    package func answer(
        _ call: String,
        about build: RemoteBuild,
        progress: ProgressChannel
    ) async throws -> [String: [UInt8]] {
        try await withSession(of: build) { session in
            try await following(build.reference, progress) {
                // The frontend answers those alone who lead the build themselves.
                let message = try build.message(session: session, frontend: nil)
                async let ended: Moby_Buildkit_V1_SolveResponse = ask(Self.control, "Solve", message)
                let result: Moby_Buildkit_V1_Frontend_Result
                do {
                    result = try await askFrontend(call, build)
                } catch {
                    await returnResult(
                        .with {
                            $0.error.message = "\(error)"; $0.error.code = 2
                        },
                        of: build
                    )
                    throw error
                }
                await returnResult(.with { $0.result = result }, of: build)
                _ = try await ended
                return result.metadata.mapValues { [UInt8]($0) }
            }
        }
    }

    private static let bridge = "moby.buildkit.v1.frontend.LLBBridge"

    private static func metadata(of build: RemoteBuild) -> [(key: String, value: String)] {
        [("buildkit-controlapi-buildid", build.reference)]
    }

    private func askFrontend(_ call: String, _ build: RemoteBuild) async throws -> Moby_Buildkit_V1_Frontend_Result {
        let inputs = try build.inputMessages()
        let needed = [build.attributes["frontend.caps"], "moby.buildkit.frontend.subrequests"].compactMap(\.self)
        let question = Moby_Buildkit_V1_Frontend_SolveRequest.with {
            $0.frontend = "dockerfile.v0"
            $0.frontendInputs = inputs
            $0.frontendOpt = build.frontendAttributes
            $0.frontendOpt["requestid"] = "frontend.\(call)"
            $0.frontendOpt["frontend.caps"] = needed.joined(separator: ",")
            $0.allowResultReturn = true
            $0.allowResultArrayRef = true
        }
        let answer: Moby_Buildkit_V1_Frontend_SolveResponse = try await ask(
            Self.bridge,
            "Solve",
            question,
            metadata: Self.metadata(of: build)
        )
        return answer.result
    }

    /// Ends a build that the client leads; one that has failed already cannot be told.
    private func returnResult(_ message: Moby_Buildkit_V1_Frontend_ReturnRequest, of build: RemoteBuild) async {
        let _: Moby_Buildkit_V1_Frontend_ReturnResponse? = try? await ask(
            Self.bridge,
            "Return",
            message,
            metadata: Self.metadata(of: build)
        )
    }

    // MARK: What goes on meanwhile

    /// How long a daemon may say nothing more of a build that is over.
    private static let patience = Duration.seconds(5)

    /// Passes on what the daemon tells of a build while `body` runs, and the rest afterwards.
    private func following<Value: Sendable>(
        _ reference: String,
        _ progress: ProgressChannel,
        _ body: () async throws -> Value
    ) async throws -> Value {
        let activity = Activity()
        // Not a child: what a build says when it is cancelled is worth showing. It is waited for here.
        let status = Task { await tell(reference, progress, activity) }
        let result: Result<Value, any Error>
        do { result = .success(try await body()) } catch { result = .failure(error) }
        activity.note()
        // Nor is this one; it is cancelled below.
        let timer = Task {
            while activity.age < Self.patience { try await Task.sleep(for: .milliseconds(200)) }
            status.cancel()
        }
        await status.value
        timer.cancel()
        return try result.get()
    }

    /// Passes on what the daemon tells of a build, to its end; why it tells nothing more, the result of the build says.
    private func tell(_ reference: String, _ progress: ProgressChannel, _ activity: Activity) async {
        let question = Moby_Buildkit_V1_StatusRequest.with { $0.ref = reference }
        try? await listen("Status", question) { (message: Moby_Buildkit_V1_StatusResponse) in
            activity.note()
            for event in message.events { await progress.send(event) }
        }
    }

    /// When something was last heard of a build.
    private final class Activity: Sendable {
        private let last = Mutex(ContinuousClock.now)

        func note() { last.withLock { $0 = .now } }

        var age: Duration { last.withLock { $0 }.duration(to: .now) }
    }
}
