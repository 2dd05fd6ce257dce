internal import BuildKitProto
internal import Foundation
internal import GRPCCore
package import OCI
package import RPC
internal import SwiftProtobuf
internal import Synchronization

/// Content stores as BuildKit's clients offer them: blobs by digest in memory.
package final class ContentServer: RPCService {
    package static let methods = ["Info", "Read", "Write", "Abort"].map { "/\(name)/\($0)" }
    private static let name = "containerd.services.content.v1.Content"

    private struct State {
        var stores: [String: [String: [UInt8]]] = [:]
        var aborted: [String] = []
        var read: [String] = []
    }

    private let state = Mutex(State())

    package init() {}

    /// The blobs of a store.
    package func blobs(of store: String) -> [Digest: [UInt8]] {
        let blobs = state.withLock { $0.stores[store] ?? [:] }
        return Dictionary(
            uniqueKeysWithValues: blobs.compactMap { key, bytes in
                (try? Digest(parsing: key)).map { ($0, bytes) }
            }
        )
    }

    /// Sets what a digest leads to, whatever its bytes are.
    package func set(_ bytes: [UInt8], as digest: Digest, in store: String) {
        state.withLock { $0.stores[store, default: [:]]["\(digest)"] = bytes }
    }

    /// The writes that were given up.
    package var aborted: [String] { state.withLock(\.aborted) }

    package func register(in methods: inout MethodTable) {
        methods.unary(Self.name, "Info") {
            [self] (question: Containerd_Services_Content_V1_InfoRequest, context) in
            let bytes = try blob(question.digest, context)
            return Containerd_Services_Content_V1_InfoResponse.with {
                $0.info.digest = question.digest
                $0.info.size = Int64(bytes.count)
            }
        }
        methods.serverStream(Self.name, "Read") {
            [self] (question: Containerd_Services_Content_V1_ReadContentRequest, context, output) in
            let bytes = try blob(question.digest, context).dropFirst(Int(question.offset))
            var rest = question.size > 0 ? bytes.prefix(Int(question.size)) : bytes
            var offset = question.offset
            while !rest.isEmpty {
                let piece = rest.prefix(1 << 20)
                rest = rest.dropFirst(piece.count)
                try await output.write(
                    Containerd_Services_Content_V1_ReadContentResponse.with {
                        $0.offset = offset
                        $0.data = Data(piece)
                    }
                )
                offset += Int64(piece.count)
            }
        }
        methods.stream(Self.name, "Write") {
            [self]
            (
                input: RPCInput<Containerd_Services_Content_V1_WriteContentRequest>,
                context,
                output: RPCOutput<Containerd_Services_Content_V1_WriteContentResponse>
            ) in
            try await take(input, context, output)
        }
        methods.unary(Self.name, "Abort") {
            [self] (question: Containerd_Services_Content_V1_AbortRequest, _) in
            state.withLock { $0.aborted.append(question.ref) }
            return Google_Protobuf_Empty()
        }
    }

    private func store(_ context: RPCContext) -> String { context.value("buildkit-attachable-store-id") ?? "" }

    private func blob(_ digest: String, _ context: RPCContext) throws -> [UInt8] {
        guard let bytes = state.withLock({ $0.stores[store(context)]?[digest] }) else {
            throw RPCFailure(.notFound, "no \(digest)")
        }
        return bytes
    }

    private func take(
        _ input: RPCInput<Containerd_Services_Content_V1_WriteContentRequest>,
        _ context: RPCContext,
        _ output: RPCOutput<Containerd_Services_Content_V1_WriteContentResponse>
    ) async throws {
        var bytes: [UInt8] = []
        for try await question in input {
            if (try? blob(question.expected, context)) != nil {
                throw RPCFailure(.alreadyExists, "there is \(question.expected)")
            }
            guard question.offset == Int64(bytes.count) || question.offset == 0 else {
                throw RPCFailure(.outOfRange, "at \(bytes.count), not \(question.offset)")
            }
            bytes += question.data
            if question.action == .commit {
                guard Digest.sha256(of: bytes).description == question.expected else {
                    throw RPCFailure(.failedPrecondition, "unexpected commit digest")
                }
                state.withLock { [bytes] in $0.stores[store(context), default: [:]][question.expected] = bytes }
            }
            try await output.write(.with { $0.offset = Int64(bytes.count) })
        }
    }
}
