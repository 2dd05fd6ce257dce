import BuildCache
import BuildKitProto
import FoundationEssentials
import LinuxSystem
import OCI
import RPC
import Storage
import SwiftProtobuf

/// The blobs of the store, to be read: containerd's content API, as BuildKit serves it for its history.
///
/// A client reads any blob whose digest it knows, and lists those that the history names.
struct ContentService: RPCService {
    private static let name = "containerd.services.content.v1.Content"
    private static let piece = 1 << 20

    let store: Store

    func register(in methods: inout MethodTable) {
        methods.unary(Self.name, "Info") { [store] (question: Containerd_Services_Content_V1_InfoRequest, _) in
            let digest = try Self.digest(question.digest)
            guard let info = try await Self.info(digest, in: store) else { throw Self.missing(digest) }
            return Containerd_Services_Content_V1_InfoResponse.with { $0.info = info }
        }
        methods.serverStream(Self.name, "List") {
            [store]
            (
                question: Containerd_Services_Content_V1_ListContentRequest,
                _,
                output: RPCOutput<Containerd_Services_Content_V1_ListContentResponse>
            ) in
            if !question.filters.isEmpty {
                throw RPCFailure(.unimplemented, "filters of content are not supported; list it without them")
            }
            let digests = try await BuildHistory(store: store).blobs()
            for start in stride(from: 0, to: digests.count, by: 100) {
                var answer = Containerd_Services_Content_V1_ListContentResponse()
                for digest in digests[start..<min(digests.count, start + 100)] {
                    if let info = try await Self.info(digest, in: store) { answer.info.append(info) }
                }
                try await output.write(answer)
            }
        }
        methods.serverStream(Self.name, "Read") {
            [store]
            (
                question: Containerd_Services_Content_V1_ReadContentRequest,
                _,
                output: RPCOutput<Containerd_Services_Content_V1_ReadContentResponse>
            ) in
            try await Self.read(question, from: store, to: output)
        }
        for method in ["Update", "Delete", "Abort"] {
            methods.unary(Self.name, method) {
                (_: Google_Protobuf_Empty, _) -> Google_Protobuf_Empty in
                throw RPCFailure(.permissionDenied, "the content of this daemon can be read only")
            }
        }
    }

    private static func digest(_ text: String) throws -> Digest {
        do { return try Digest(parsing: text) } catch { throw RPCFailure(.invalidArgument, "\(error)") }
    }

    private static func missing(_ digest: Digest) -> RPCFailure {
        RPCFailure(.notFound, "content \(digest): not found")
    }

    private static func info(_ digest: Digest, in store: Store) async throws
        -> Containerd_Services_Content_V1_Info?
    {
        guard let entry = try await store.blobs.entry(of: digest) else { return nil }
        return .with {
            $0.digest = digest.description
            $0.size = entry.size
            $0.createdAt.seconds = entry.created
            $0.updatedAt.seconds = entry.created
        }
    }

    private static func read(
        _ question: Containerd_Services_Content_V1_ReadContentRequest,
        from store: Store,
        to output: RPCOutput<Containerd_Services_Content_V1_ReadContentResponse>
    ) async throws {
        // Parts cannot be verified here: clients compare what they put together with the digest.
        let digest = try digest(question.digest)
        let (file, size) = try await onBlockingPool {
            do {
                let file = try store.blobs.open(digest)
                return (file, try file.status().size)
            } catch StorageError.blobMissing { throw missing(digest) }
        }
        let (offset, wanted) = (question.offset, question.size)
        guard offset >= 0, offset <= size, wanted >= 0, wanted <= size - offset else {
            throw RPCFailure(
                .outOfRange,
                "there is no range of \(wanted) bytes at \(offset) in \(digest), which has \(size)"
            )
        }
        // Nothing asked for means all of the rest.
        let end = wanted > 0 ? offset + wanted : size
        var position = offset
        while position < end {
            let (start, count) = (position, Int(min(Int64(piece), end - position)))
            let bytes = try await onBlockingPool { try file.read(from: start, limit: count) }
            if bytes.isEmpty { throw RPCFailure(.unavailable, "\(digest) became shorter while it was read") }
            try await output.write(
                .with {
                    $0.offset = start
                    $0.data = Data(bytes)
                }
            )
            position += Int64(bytes.count)
        }
    }
}
