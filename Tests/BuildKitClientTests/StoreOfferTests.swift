import BuildGraph
import BuildKitClient
import BuildKitProto
import FoundationEssentials
import GRPCCore
import LinuxSystem
import NIOCore
import OCI
import RPC
import SwiftProtobuf
import Synchronization
import SystemPackage
import Testing
import Text

/// A directory of blobs that a daemon reads and writes.
@Suite struct `A store of content` {
    private static let service = "containerd.services.content.v1.Content"
    private static let bytes = Array("content of a blob".utf8)
    private static let digest = Digest.sha256(of: bytes)

    /// Has a daemon use the store `s`, and gives what it makes of it.
    private func use(
        _ directory: FilePath,
        at address: RPCAddress
    ) async throws -> [String: String] {
        let build = makeBuild { $0.stores = ["s": directory] }
        return try await RemoteBuilder.at(address) { try await $0.solve(build, progress: ProgressChannel()) }
    }

    private static func write(
        _ session: RPCConnection,
        _ messages: [Containerd_Services_Content_V1_WriteContentRequest]
    ) async throws -> [Containerd_Services_Content_V1_WriteContentResponse] {
        try await session.stream(
            service,
            "Write",
            metadata: [("buildkit-attachable-store-id", "s")],
            send: { for message in messages { try await $0.write(message) } },
            receive: { (answers: RPCInput<Containerd_Services_Content_V1_WriteContentResponse>) in
                var all: [Containerd_Services_Content_V1_WriteContentResponse] = []
                for try await answer in answers { all.append(answer) }
                return all
            }
        )
    }

    private static func message(
        _ action: Containerd_Services_Content_V1_WriteAction,
        _ bytes: [UInt8] = [],
        at offset: Int64 = 0,
        expecting digest: Digest = digest
    ) -> Containerd_Services_Content_V1_WriteContentRequest {
        .with {
            $0.action = action
            $0.ref = "r"
            $0.expected = digest.description
            $0.offset = offset
            $0.data = Data(bytes)
        }
    }

    @Test func `a blob that was written can be read, in part too`() async throws {
        let daemon = FakeDaemon { _, session in
            let written = try await Self.write(
                session,
                [
                    Self.message(.stat), Self.message(.write, Array(Self.bytes[..<4])),
                    Self.message(.write, Array(Self.bytes[4...]), at: 4), Self.message(.commit),
                ]
            )
            let info: Containerd_Services_Content_V1_InfoResponse = try await session.unary(
                Self.service,
                "Info",
                Containerd_Services_Content_V1_InfoRequest.with { $0.digest = Self.digest.description },
                metadata: [("buildkit-attachable-store-id", "s")]
            )
            let part = try await session.stream(
                Self.service,
                "Read",
                metadata: [("buildkit-attachable-store-id", "s")],
                send: {
                    try await $0.write(
                        Containerd_Services_Content_V1_ReadContentRequest.with {
                            $0.digest = Self.digest.description
                            $0.offset = 8
                            $0.size = 2
                        }
                    )
                },
                receive: { (answers: RPCInput<Containerd_Services_Content_V1_ReadContentResponse>) in
                    var bytes: [UInt8] = []
                    for try await answer in answers { bytes += answer.data }
                    return bytes
                }
            )
            return [
                "offsets": written.map { "\($0.offset)" }.joined(separator: " "), "digest": written.last?.digest ?? "",
                "size": "\(info.info.size)", "part": String(decoding: part, as: UTF8.self),
            ]
        }
        try await withDaemon(daemon) { address, directory in
            let answer = try await use(directory, at: address)
            #expect(
                answer == ["offsets": "0 4 17 17", "digest": Self.digest.description, "size": "17", "part": "of"]
            )
            let file = directory.appending("blobs/sha256").appending(Self.digest.hex)
            let content = try await onBlockingPool { try OpenFile.open(file, [.readOnly]).readToEnd() }
            #expect(content == Self.bytes)
        }
    }

    @Test(arguments: [
        ([message(.write, bytes), message(.commit, expecting: .sha256(of: "other"))], "unexpected commit digest"),
        ([message(.write, bytes, at: 3)], "must occur at current offset 0"),
    ])
    func `a blob that is not what was announced is refused, and nothing of it stays`(
        _ messages: [Containerd_Services_Content_V1_WriteContentRequest],
        _ refusal: String
    ) async throws {
        let daemon = FakeDaemon { _, session in
            do {
                _ = try await Self.write(session, messages)
                return [:]
            } catch let failure as RPCFailure {
                return ["refusal": failure.message]
            }
        }
        try await withDaemon(daemon) { address, directory in
            let answer = try await use(directory, at: address)
            #expect(answer["refusal"]?.contains(refusal) == true)
            let left = try await onBlockingPool { try HostFiles.entries(of: directory.appending("ingest")) }
            #expect(left.isEmpty)
        }
    }

    @Test func `the index leads to what was written, and keeps what it had`() async throws {
        try await withDaemon(FakeDaemon { _, _ in [:] }) { _, directory in
            let store = ContentDirectory(directory)
            let first = Descriptor(mediaType: .ociManifest, digest: .sha256(of: "first"), size: 5)
            let second = Descriptor(mediaType: .ociManifest, digest: .sha256(of: "second"), size: 6)
            try await onBlockingPool {
                try store.prepare()
                try store.tag(first, tag: "a")
                try store.tag(first, tag: "b")
                try store.tag(second, tag: "a")
            }
            let found = try await onBlockingPool { try ["a", "b", "c"].map { try store.digest(ofTag: $0) } }
            #expect(found == [second.digest, first.digest, nil])
        }
    }
}
