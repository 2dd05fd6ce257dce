internal import BuildKitProto
internal import FoundationEssentials
internal import GRPCCore
internal import LinuxSystem
internal import OCI
internal import RPC
internal import SwiftProtobuf
internal import SystemPackage

/// Gives the daemon directories of blobs to read and to write: layouts that contexts name, caches, and outputs.
struct StoreOffer: Offer {
    private static let service = "containerd.services.content.v1.Content"
    private static let pieceSize = 1 << 20

    let directories: [String: ContentDirectory]

    var methods: [String] {
        ["Info", "Read", "Write", "Status", "Abort", "Update"].map { "/\(Self.service)/\($0)" }
    }

    func register(in methods: inout MethodTable) {
        methods.unary(Self.service, "Info") { (question: Containerd_Services_Content_V1_InfoRequest, context) in
            let info = try await info(question.digest, in: try directory(context))
            return Containerd_Services_Content_V1_InfoResponse.with { $0.info = info }
        }
        methods.unary(Self.service, "Update") { (question: Containerd_Services_Content_V1_UpdateRequest, context) in
            // Labels are the daemon's own notes: a layout has no place for them.
            var info = try await info(question.info.digest, in: try directory(context))
            info.labels = question.info.labels
            return Containerd_Services_Content_V1_UpdateResponse.with { $0.info = info }
        }
        methods.serverStream(Self.service, "Read") {
            (
                question: Containerd_Services_Content_V1_ReadContentRequest,
                context,
                output: RPCOutput<Containerd_Services_Content_V1_ReadContentResponse>
            ) in
            try await read(question, in: try directory(context), to: output)
        }
        methods.unary(Self.service, "Status") {
            (question: Containerd_Services_Content_V1_StatusRequest, _)
                -> Containerd_Services_Content_V1_StatusResponse in
            // What is not complete is not kept.
            throw RPCFailure(.notFound, "ingest \(question.ref): not found")
        }
        methods.unary(Self.service, "Abort") { (_: Containerd_Services_Content_V1_AbortRequest, _) in
            Google_Protobuf_Empty()
        }
        methods.stream(Self.service, "Write") {
            (
                input: RPCInput<Containerd_Services_Content_V1_WriteContentRequest>,
                context,
                output: RPCOutput<Containerd_Services_Content_V1_WriteContentResponse>
            ) in
            var reception = BlobReception(into: try directory(context))
            try await reception.run(input, output)
        }
    }

    private func directory(_ context: RPCContext) throws -> ContentDirectory {
        let name = context.value("buildkit-attachable-store-id") ?? ""
        guard let directory = directories[name] else { throw RPCFailure(.notFound, "unknown store \(name)") }
        return directory
    }

    // MARK: Reading

    private func blob(
        _ text: String,
        in directory: ContentDirectory
    ) async throws -> (digest: Digest, file: OpenFile, size: Int64) {
        guard let digest = try? Digest(parsing: text) else {
            throw RPCFailure(.invalidArgument, "\(text) is not a digest")
        }
        guard let (file, size) = try await onBlockingPool({ try directory.open(digest) }) else {
            throw RPCFailure(.notFound, "content \(digest): not found")
        }
        return (digest, file, size)
    }

    private func info(
        _ text: String,
        in directory: ContentDirectory
    ) async throws -> Containerd_Services_Content_V1_Info {
        let (digest, _, size) = try await blob(text, in: directory)
        return .with {
            $0.digest = digest.description
            $0.size = size
        }
    }

    private func read(
        _ question: Containerd_Services_Content_V1_ReadContentRequest,
        in directory: ContentDirectory,
        to output: RPCOutput<Containerd_Services_Content_V1_ReadContentResponse>
    ) async throws {
        let (_, file, size) = try await blob(question.digest, in: directory)
        guard (0...size).contains(question.offset) else {
            throw RPCFailure(.outOfRange, "read past object length \(size) bytes")
        }
        let count = question.size > 0 ? min(question.size, size - question.offset) : size - question.offset
        var offset = question.offset
        let end = offset + count
        while offset < end {
            let piece = try await onBlockingPool { [offset] in
                var piece = Data(count: Int(min(Int64(Self.pieceSize), end - offset)))
                let count = try piece.withUnsafeMutableBytes { try file.read(into: $0, at: offset) }
                return piece.prefix(count)
            }
            if piece.isEmpty { throw RPCFailure(.dataLoss, "\(question.digest) became shorter while it was read") }
            try await output.write(
                .with {
                    $0.offset = offset
                    $0.data = piece
                }
            )
            offset += Int64(piece.count)
        }
    }
}

/// Takes one blob, whose bytes must be those of its digest.
private struct BlobReception {
    private let directory: ContentDirectory
    private var new: (file: OpenFile, path: FilePath)?
    private var offset: Int64 = 0
    private var digester = Digester(.sha256)

    init(into directory: ContentDirectory) { self.directory = directory }

    mutating func run(
        _ input: RPCInput<Containerd_Services_Content_V1_WriteContentRequest>,
        _ output: RPCOutput<Containerd_Services_Content_V1_WriteContentResponse>
    ) async throws {
        do {
            for try await message in input { try await output.write(try await take(message)) }
        } catch {
            await discard()
            throw error
        }
        await discard()
    }

    /// Removes what has not been given its place.
    private mutating func discard() async {
        guard let path = new.take()?.path else { return }
        // What cannot be removed stays among the unfinished files.
        _ = try? await onBlockingPool { try HostFiles.remove(path) }
    }

    private mutating func take(
        _ message: Containerd_Services_Content_V1_WriteContentRequest
    ) async throws -> Containerd_Services_Content_V1_WriteContentResponse {
        if try await isThere(message.expected) {
            throw RPCFailure(.alreadyExists, "content \(message.expected): already exists")
        }
        if new == nil { new = try await onBlockingPool { [directory] in try directory.newBlob() } }
        if message.action != .stat, let file = new?.file { try await write(message, to: file) }
        var answer = Containerd_Services_Content_V1_WriteContentResponse()
        answer.action = message.action
        answer.offset = offset
        answer.total = message.total
        guard message.action == .commit, let complete = new else { return answer }
        let digest = digester.finalize()
        try check(message, digest)
        try await onBlockingPool { [directory] in try directory.place(complete, as: digest) }
        new = nil
        answer.digest = digest.description
        answer.total = offset
        return answer
    }

    private func isThere(_ expected: String) async throws -> Bool {
        guard let digest = try? Digest(parsing: expected) else { return false }
        return try await onBlockingPool { [directory] in try directory.open(digest) != nil }
    }

    private mutating func write(
        _ message: Containerd_Services_Content_V1_WriteContentRequest,
        to file: OpenFile
    ) async throws {
        if message.data.isEmpty { return }
        guard message.offset == offset else {
            throw RPCFailure(.outOfRange, "write @\(message.offset) must occur at current offset \(offset)")
        }
        let data = message.data
        try await onBlockingPool { try data.withUnsafeBytes { try file.write($0) } }
        digester.update(Array(data))
        offset += Int64(data.count)
    }

    private func check(_ message: Containerd_Services_Content_V1_WriteContentRequest, _ digest: Digest) throws {
        if message.total > 0, message.total != offset {
            throw RPCFailure(.failedPrecondition, "unexpected commit size \(offset), expected \(message.total)")
        }
        if !message.expected.isEmpty, message.expected != digest.description {
            throw RPCFailure(.failedPrecondition, "unexpected commit digest \(digest), expected \(message.expected)")
        }
    }
}
