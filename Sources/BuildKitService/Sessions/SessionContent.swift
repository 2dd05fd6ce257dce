import BuildKitProto
import ClientServices
import FoundationEssentials
import GRPCCore
import OCI
import RPC
import SwiftProtobuf
import Synchronization

/// A content store that a client offers: a layout directory, or one of a build cache.
struct SessionContent: ContentStore {
    private static let service = "containerd.services.content.v1.Content"
    /// The key of the metadata that tells stores apart.
    private static let storeKey = "buildkit-attachable-store-id"
    /// What one message carries: more than the 4 MiB of gRPC's own default would be refused.
    private static let pieceSize = 1 << 20
    /// What one call asks for.
    private static let readSize: Int64 = 8 << 20

    private let session: Session
    let name: String

    /// - Throws: `ClientServiceError.noContent` if the client offers no stores.
    init(_ session: Session, named name: String) throws(ClientServiceError) {
        guard session.offers(Self.service, "Read") else { throw .noContent(store: name) }
        self.session = session
        self.name = name
    }

    private var metadata: [(key: String, value: String)] { [(Self.storeKey, name)] }

    func size(of digest: Digest) async throws -> Int64? {
        do {
            let answer: Containerd_Services_Content_V1_InfoResponse = try await session.unary(
                Self.service,
                "Info",
                Containerd_Services_Content_V1_InfoRequest.with { $0.digest = digest.description },
                metadata: metadata
            )
            return answer.info.size
        } catch let failure as RPCFailure where failure.code == .notFound {
            return nil
        }
    }

    func read(_ digest: Digest, from offset: Int64, _ receive: ([UInt8]) async throws -> Void) async throws {
        guard let size = try await size(of: digest) else {
            throw ClientServiceError.blobMissing(digest, store: name)
        }
        var position = offset
        while position < size {
            let bytes = try await piece(of: digest, from: position, size: min(Self.readSize, size - position))
            if bytes.isEmpty { throw ClientServiceError.wrongBlob(digest, store: name, reason: "ends early") }
            position += Int64(bytes.count)
            try await receive(bytes)
        }
    }

    private func piece(of digest: Digest, from offset: Int64, size: Int64) async throws -> [UInt8] {
        try await session.stream(
            Self.service,
            "Read",
            metadata: metadata,
            send: { (output: RPCOutput<Containerd_Services_Content_V1_ReadContentRequest>) in
                try await output.write(
                    .with {
                        $0.digest = digest.description
                        $0.offset = offset
                        $0.size = size
                    }
                )
            },
            receive: { (answers: RPCInput<Containerd_Services_Content_V1_ReadContentResponse>) in
                var bytes: [UInt8] = []
                for try await answer in answers {
                    bytes += answer.data
                    // A client that sends more than it is asked for would fill the memory.
                    if Int64(bytes.count) > size { break }
                }
                return Array(bytes.prefix(Int(size)))
            }
        )
    }

    func write(
        _ digest: Digest,
        size: Int64,
        _ content: @escaping @Sendable (@Sendable ([UInt8]) async throws -> Void) async throws -> Void
    ) async throws {
        // Another build may be sending the same: each has an attempt of its own, and the first to end wins.
        let reference = "slipway-\(digest.hex)-\(String(UInt64.random(in: 0 ... .max), radix: 36))"
        do {
            try await session.converse(Self.service, "Write", metadata: metadata) { (call: Writing) in
                try await Self.write(content, to: call, reference, digest, size)
            }
        } catch let failure as RPCFailure where failure.code == .alreadyExists {
            return
        } catch {
            await abort(reference)
            throw error
        }
    }

    private typealias Writing = Conversation<
        Containerd_Services_Content_V1_WriteContentRequest, Containerd_Services_Content_V1_WriteContentResponse
    >

    private static func write(
        _ content: (@Sendable ([UInt8]) async throws -> Void) async throws -> Void,
        to call: Writing,
        _ reference: String,
        _ digest: Digest,
        _ size: Int64
    ) async throws {
        @Sendable func ask(
            _ action: Containerd_Services_Content_V1_WriteAction,
            _ fill: (inout Containerd_Services_Content_V1_WriteContentRequest) -> Void = { _ in }
        ) async throws -> Int64 {
            var question = Containerd_Services_Content_V1_WriteContentRequest()
            question.action = action
            question.ref = reference
            question.total = size
            question.expected = digest.description
            fill(&question)
            try await call.send(question)
            guard let answer = try await call.next() else {
                throw RPCFailure(.unknown, "the client ended a write before it was complete")
            }
            return answer.offset
        }
        let position = WritePosition(try await ask(.stat))
        try await content { bytes in
            var rest = bytes[...]
            while !rest.isEmpty {
                let piece = rest.prefix(Self.pieceSize)
                rest = rest.dropFirst(piece.count)
                let offset = position.advance(by: Int64(piece.count))
                _ = try await ask(.write) {
                    $0.offset = offset
                    $0.data = Data(piece)
                }
            }
        }
        _ = try await ask(.commit) { $0.offset = position.value }
    }

    /// Has the client forget what it got of a blob.
    private func abort(_ reference: String) async {
        // The error that led here is the one that matters.
        let _: Google_Protobuf_Empty? = try? await session.unary(
            Self.service,
            "Abort",
            Containerd_Services_Content_V1_AbortRequest.with { $0.ref = reference },
            metadata: metadata
        )
    }
}

/// How far a write has come.
private final class WritePosition: Sendable {
    private let state: Mutex<Int64>

    init(_ value: Int64) { state = Mutex(value) }

    var value: Int64 { state.withLock { $0 } }

    /// - Returns: where it was.
    func advance(by count: Int64) -> Int64 {
        state.withLock { value in
            defer { value += count }
            return value
        }
    }
}
