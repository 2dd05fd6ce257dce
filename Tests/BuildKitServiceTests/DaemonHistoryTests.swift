import BuildCache
import BuildKitProto
import Foundation
import GRPCCore
import LinuxSystem
import OCI
import RPC
import RPCFakes
import Storage
import SwiftProtobuf
import Testing

@testable import BuildKitService

/// The builds of clients, as the daemon tells them.
@Suite struct `The history of a daemon` {
    private static let control = "moby.buildkit.v1.Control"

    /// Serves a daemon whose builds all fail, because it has no frontend `poem`.
    private func withDaemon(_ body: (Store, RPCConnection) async throws -> Void) async throws {
        try await withStore { store in
            struct NoEngine: Error {}
            let configuration = BuildServer.Configuration(store: store, platforms: [], workerID: "w", version: "0") {
                _ in throw NoEngine()
            }
            let server = BuildServer(configuration)
            try await withServer(server.services, at: [.tcp(host: "127.0.0.1", port: 0, tls: nil)]) { addresses in
                try await withConnection(to: addresses[0]) { try await body(store, $0) }
            }
        }
    }

    private func build(_ ref: String, _ connection: RPCConnection) async {
        await #expect(throws: RPCFailure.self) {
            let _: Moby_Buildkit_V1_SolveResponse = try await connection.unary(
                Self.control,
                "Solve",
                Moby_Buildkit_V1_SolveRequest.with {
                    $0.ref = ref
                    $0.frontend = "dockerfile.v0"
                    $0.frontendAttrs = [
                        "context": "https://user:geheim@example.com/repo.git",
                        "cache-imports": #"[{"Type":"s3","Attrs":{"ref":"r","secret_access_key":"geheim"}}]"#,
                    ]
                    $0.exporters = [
                        .with {
                            $0.type = "image"
                            $0.attrs = ["name": "example"]
                        }
                    ]
                }
            )
        }
    }

    private func events(
        _ connection: RPCConnection,
        _ question: Moby_Buildkit_V1_BuildHistoryRequest
    ) async throws -> [Moby_Buildkit_V1_BuildHistoryEvent] {
        try await connection.stream(
            Self.control,
            "ListenBuildHistory",
            send: { try await $0.write(question) },
            receive: { (input: RPCInput<Moby_Buildkit_V1_BuildHistoryEvent>) in
                try await input.reduce(into: []) { $0.append($1) }
            }
        )
    }

    private func all(_ connection: RPCConnection, limit: Int32 = 0) async throws
        -> [Moby_Buildkit_V1_BuildHistoryEvent]
    {
        try await events(
            connection,
            .with {
                $0.earlyExit = true
                $0.limit = limit
            }
        )
    }

    private func update(
        _ connection: RPCConnection,
        _ change: (inout Moby_Buildkit_V1_UpdateBuildHistoryRequest) -> Void
    ) async throws {
        let _: Moby_Buildkit_V1_UpdateBuildHistoryResponse = try await connection.unary(
            Self.control,
            "UpdateBuildHistory",
            Moby_Buildkit_V1_UpdateBuildHistoryRequest.with { change(&$0) }
        )
    }

    @Test func `has the error of a build with all that explains it, and no secret`() async throws {
        try await withDaemon { _, connection in
            await build("one", connection)
            let event = try #require(try await all(connection).first)
            #expect(event.type == .complete)
            let record = event.record
            #expect(record.ref == "one")
            #expect(record.frontend == "dockerfile.v0")
            #expect(record.exporters.map(\.type) == ["image"])
            #expect(record.hasCompletedAt)
            #expect(record.error.message.contains("NoEngine"))
            #expect(record.externalError.mediaType == "application/vnd.googeapis.google.rpc.status+proto")
            #expect(!(try record.jsonString()).contains("geheim"))
            let details: [UInt8] = try await connection.stream(
                "containerd.services.content.v1.Content",
                "Read",
                send: {
                    try await $0.write(
                        Containerd_Services_Content_V1_ReadContentRequest.with {
                            $0.digest = record.externalError.digest
                        }
                    )
                },
                receive: { (input: RPCInput<Containerd_Services_Content_V1_ReadContentResponse>) in
                    try await input.reduce(into: []) { $0 += $1.data }
                }
            )
            #expect(details.count == Int(record.externalError.size))
            let status = try Google_Rpc_Status(serializedBytes: details)
            #expect(status.message == record.error.message)
            #expect(status.code == record.error.code)
        }
    }

    @Test func `lists the newest first, no more than asked for`() async throws {
        try await withDaemon { _, connection in
            for ref in ["one", "two", "three"] { await build(ref, connection) }
            let listed = try await all(connection)
            #expect(listed.map(\.record.ref) == ["three", "two", "one"])
            let newest = try await all(connection, limit: 2)
            #expect(newest.map(\.record.ref) == ["three", "two"])
            await #expect(throws: RPCFailure.self) { try await all(connection, limit: -1) }
        }
    }

    @Test func `forgets a build with its blobs when it is told to`() async throws {
        try await withDaemon { store, connection in
            await build("one", connection)
            let record = try #require(try await all(connection).first).record
            let blob = try Digest(parsing: record.externalError.digest)
            _ = try await store.collectGarbage()
            #expect(try await store.blobs.contains(blob))
            try await update(connection) {
                $0.ref = "one"
                $0.delete = true
            }
            #expect(try await all(connection).isEmpty)
            _ = try await store.collectGarbage()
            #expect(try await !store.blobs.contains(blob))
            await #expect(throws: RPCFailure.self) {
                try await update(connection) {
                    $0.ref = "one"
                    $0.delete = true
                }
            }
        }
    }

    @Test func `tells a listener of builds that begin, end, change and are forgotten`() async throws {
        try await withDaemon { _, connection in
            await build("one", connection)
            let told: [Moby_Buildkit_V1_BuildHistoryEvent] = try await connection.stream(
                Self.control,
                "ListenBuildHistory",
                send: { try await $0.write(Moby_Buildkit_V1_BuildHistoryRequest()) },
                receive: { (input: RPCInput<Moby_Buildkit_V1_BuildHistoryEvent>) in
                    var told: [Moby_Buildkit_V1_BuildHistoryEvent] = []
                    for try await event in input {
                        told.append(event)
                        if told.count == 1 {
                            await build("two", connection)
                            try await update(connection) {
                                $0.ref = "one"
                                $0.pinned = true
                            }
                            try await update(connection) {
                                $0.ref = "two"
                                $0.delete = true
                            }
                        }
                        if told.count == 5 { break }
                    }
                    return told
                }
            )
            #expect(told.map(\.type) == [.complete, .started, .complete, .complete, .deleted])
            #expect(told.map(\.record.ref) == ["one", "two", "two", "one", "two"])
            #expect(told.map(\.record.pinned) == [false, false, false, true, false])
            #expect(told[3].record.generation == 1)
        }
    }

    @Test func `replays what a build told after it is over`() async throws {
        try await withDaemon { _, connection in
            await build("one", connection)
            func replay(_ ref: String) async throws -> [Moby_Buildkit_V1_StatusResponse] {
                try await connection.stream(
                    Self.control,
                    "Status",
                    send: { try await $0.write(Moby_Buildkit_V1_StatusRequest.with { $0.ref = ref }) },
                    receive: { (input: RPCInput<Moby_Buildkit_V1_StatusResponse>) in
                        try await input.reduce(into: []) { $0.append($1) }
                    }
                )
            }
            // It failed before its first step.
            let told = try await replay("one")
            #expect(told.isEmpty)
        }
    }
}
