import BuildCache
import BuildGraph
import BuildKitProto
import FoundationEssentials
import OCI
import Storage
import SwiftProtobuf

/// What a build told while it ran, as the history keeps it: messages of `Status`, each after its length in four bytes.
struct BuildLog: Sendable {
    static let mediaType = MediaType(rawValue: "application/vnd.buildkit.status.v0")

    let descriptor: Descriptor
    let steps: ClientRecord.Steps
    /// The steps as they ended, in the order in which they began.
    let vertices: [VertexProgress]

    /// Keeps everything that a build tells, until it has told everything.
    static func keep(_ progress: JobProgress, in store: Store, _ lease: Lease) async throws -> BuildLog {
        var account = Account()
        let (digest, size) = try await store.blobs.ingest(in: lease) { writer in
            try await progress.withListener { events in
                var pending: [UInt8] = []
                for await event in events {
                    account.add(event)
                    pending += try Self.frame(Moby_Buildkit_V1_StatusResponse([event]))
                    if pending.count < 1 << 16 { continue }
                    try await writer.write(pending)
                    pending = []
                }
                try await writer.write(pending)
            }
        }
        return BuildLog(
            descriptor: Descriptor(mediaType: mediaType, digest: digest, size: size),
            steps: account.steps,
            vertices: account.vertices
        )
    }

    private static func frame(_ message: Moby_Buildkit_V1_StatusResponse) throws -> [UInt8] {
        let bytes: [UInt8] = try message.serializedBytes()
        return withUnsafeBytes(of: UInt32(bytes.count).littleEndian) { Array($0) } + bytes
    }

    /// Counts the steps.
    private struct Account {
        private var order: [Digest] = []
        private var last: [Digest: VertexProgress] = [:]
        private var cached: Set<Digest> = []
        private var warnings = 0

        mutating func add(_ event: ProgressEvent) {
            switch event {
            case .vertex(let vertex):
                if last.updateValue(vertex, forKey: vertex.digest) == nil { order.append(vertex.digest) }
                if vertex.cached { cached.insert(vertex.digest) }
            case .warning: warnings += 1
            case .status, .log, .measured: break
            }
        }

        var vertices: [VertexProgress] { order.compactMap { last[$0] } }

        var steps: ClientRecord.Steps {
            var steps = ClientRecord.Steps()
            steps.total = last.count
            steps.completed = last.values.count { $0.completed != nil }
            steps.cached = cached.count
            steps.warnings = warnings
            return steps
        }
    }
}

/// Takes a log apart again, piece by piece.
struct BuildLogParser {
    private var pending: [UInt8] = []

    /// The largest message: a log is written here, but what the disk gives back is not.
    private static let limit = 64 << 20

    /// Whether what was read so far ends with a whole message.
    var isAtEnd: Bool { pending.isEmpty }

    /// The messages that are whole with these bytes.
    mutating func parse(_ bytes: [UInt8]) throws -> [Moby_Buildkit_V1_StatusResponse] {
        pending += bytes
        var messages: [Moby_Buildkit_V1_StatusResponse] = []
        var start = 0
        while pending.count - start >= 4 {
            let size = (0..<4).reduce(0) { $0 | Int(pending[start + $1]) << (8 * $1) }
            if size > Self.limit { throw ServiceError.invalidLog }
            guard pending.count - start - 4 >= size else { break }
            let message = Array(pending[(start + 4)..<(start + 4 + size)])
            messages.append(try Moby_Buildkit_V1_StatusResponse(serializedBytes: message))
            start += 4 + size
        }
        pending.removeFirst(start)
        return messages
    }
}
