import BuildGraph
import BuildKitClient
import BuildKitProto
import ClientServices
import FoundationEssentials
import LinuxSystem
import NIOCore
import OCI
import RPC
import Settings
import SwiftProtobuf
import Synchronization
import SystemPackage
import Testing
import Text

@Suite struct `A client of a daemon` {
    private static let vertex = Digest.sha256(of: "vertex")

    /// What a build tells, as the display gets it.
    private func events(_ messages: [Moby_Buildkit_V1_StatusResponse]) async throws -> [ProgressEvent] {
        let channel = ProgressChannel()
        try await withDaemon(FakeDaemon(telling: messages) { _, _ in [:] }) { address, _ in
            _ = try await RemoteBuilder.at(address) { try await $0.solve(makeBuild(), progress: channel) }
        }
        channel.finish()
        var events: [ProgressEvent] = []
        for await event in channel { events.append(event) }
        return events
    }

    @Test func `a request has what the build says, and the answer comes back`() async throws {
        let asked = Mutex<Moby_Buildkit_V1_SolveRequest?>(nil)
        let daemon = FakeDaemon { question, _ in
            asked.withLock { $0 = question }
            return ["containerimage.digest": "sha256:x"]
        }
        let build = makeBuild {
            $0.attributes = ["target": "a"]
            $0.entitlements = ["network.host"]
            $0.outputs = [RemoteOutput(type: "image", attributes: ["name": "n"])]
            $0.cacheSources = [RemoteCacheEntry(type: "registry", attributes: ["ref": "r"])]
        }
        let answer = try await withDaemon(daemon) { address, _ in
            try await RemoteBuilder.at(address) { try await $0.solve(build, progress: ProgressChannel()) }
        }
        #expect(answer == ["containerimage.digest": "sha256:x"])
        let question = try #require(asked.withLock { $0 })
        #expect(question.frontend == "dockerfile.v0")
        #expect(question.frontendAttrs["target"] == "a")
        #expect(question.frontendAttrs["cache-imports"] == #"[{"Type":"registry","Attrs":{"ref":"r"}}]"#)
        #expect(question.entitlements == ["network.host"])
        #expect(question.exporters.map(\.type) == ["image"])
        #expect(question.exporters.map(\.attrs) == [["name": "n"]])
        #expect(!question.session.isEmpty)
    }

    @Test func `what a daemon tells of vertices, logs and warnings reaches the display`() async throws {
        let message = Moby_Buildkit_V1_StatusResponse.with { message in
            message.vertexes = [
                .with {
                    $0.digest = Self.vertex.description
                    $0.name = "RUN true"
                    $0.started.seconds = 7
                    $0.completed.seconds = 8
                    $0.cached = true
                },
                .with { $0.digest = "no digest" },
            ]
            message.logs = [
                .with {
                    $0.vertex = Self.vertex.description
                    $0.stream = 2
                    $0.msg = Data("text".utf8)
                }
            ]
            message.warnings = [
                .with {
                    $0.short = Data("short".utf8)
                    $0.info.filename = Data("Dockerfile".utf8)
                    $0.info.data = Data("FROM a".utf8)
                    $0.ranges = [.with { $0.start.line = 1 }]
                }
            ]
        }
        let events = try await events([message])
        let second = Timestamp(nanoseconds: 1_000_000_000)
        #expect(
            events == [
                .vertex(
                    VertexProgress(
                        digest: Self.vertex,
                        name: "RUN true",
                        started: Timestamp(nanoseconds: 7 * second.nanoseconds),
                        completed: Timestamp(nanoseconds: 8 * second.nanoseconds),
                        cached: true
                    )
                ),
                .log(
                    VertexLog(
                        vertex: Self.vertex,
                        stream: .error,
                        data: Array("text".utf8),
                        timestamp: Timestamp(nanoseconds: 0)
                    )
                ),
                .warning(
                    VertexWarning(
                        vertex: nil,
                        level: 0,
                        short: "short",
                        source: .init(fileName: "Dockerfile", data: Array("FROM a".utf8), lines: [1...1])
                    )
                ),
            ]
        )
    }

    @Test func `a failure has the lines that the daemon names`() async throws {
        let detail = RPCFailure.Detail(
            typeURL: "github.com/moby/buildkit/errdefs.Source+json",
            value: Array(
                #"{"info":{"filename":"Dockerfile","data":"RlJPTSBh"},"ranges":[{"start":{"line":1},"end":{"line":2}}]}"#
                    .utf8
            )
        )
        let daemon = FakeDaemon { _, _ in throw RPCFailure(.internalError, "broken", details: [detail]) }
        let failure = await #expect(throws: RemoteFailure.self) {
            try await withDaemon(daemon) { address, _ in
                try await RemoteBuilder.at(address) { try await $0.solve(makeBuild(), progress: ProgressChannel()) }
            }
        }
        #expect(failure?.message == "broken")
        #expect(failure?.code == .internalError)
        #expect(
            failure?.sources == [
                VertexWarning.Source(fileName: "Dockerfile", data: Array("FROM a".utf8), lines: [1...2])
            ]
        )
    }

    @Test func `secrets and credentials are told to the daemon alone that asks for them`() async throws {
        let daemon = FakeDaemon { _, session in
            let secret: Moby_Buildkit_Secrets_V1_GetSecretResponse = try await session.unary(
                "moby.buildkit.secrets.v1.Secrets",
                "GetSecret",
                Moby_Buildkit_Secrets_V1_GetSecretRequest.with { $0.id = "one" }
            )
            let login: Moby_Filesync_V1_CredentialsResponse = try await session.unary(
                "moby.filesync.v1.Auth",
                "Credentials",
                Moby_Filesync_V1_CredentialsRequest.with { $0.host = "registry-1.docker.io" }
            )
            do {
                let _: Moby_Buildkit_Secrets_V1_GetSecretResponse = try await session.unary(
                    "moby.buildkit.secrets.v1.Secrets",
                    "GetSecret",
                    Moby_Buildkit_Secrets_V1_GetSecretRequest.with { $0.id = "two" }
                )
            } catch let failure as RPCFailure {
                return [
                    "secret": String(decoding: secret.data, as: UTF8.self), "user": login.username,
                    "password": login.secret, "other": "\(failure.code)",
                ]
            }
            return [:]
        }
        var build = RemoteBuild(
            credentials: GivenCredentials(["docker.io": .password(user: "me", password: Secret("word"))])
        )
        build.services = ClientServices(secrets: [Array("one".utf8): .value(Secret("hidden"))])
        let answer = try await withDaemon(daemon) { [build] address, _ in
            try await RemoteBuilder.at(address) { try await $0.solve(build, progress: ProgressChannel()) }
        }
        #expect(answer == ["secret": "hidden", "user": "me", "password": "word", "other": "notFound"])
    }

    @Test func `an address that nothing listens at is named with the reason`() async throws {
        let address = RPCAddress.unix(FilePath("/tmp/slipway-nothing-\(RemoteBuild.randomID())"))
        let error = await #expect(throws: DialError.self) {
            try await RemoteBuilder.at(address) { try await $0.workers() }
        }
        #expect(error?.description == "cannot connect to \(address): no such file or directory; is the daemon running?")
    }
}
