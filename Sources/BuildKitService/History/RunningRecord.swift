import BuildCache
import BuildEngine
import BuildGraph
import BuildKitProto
import Exporters
import FoundationEssentials
import OCI
import RPC
import Storage
import SwiftProtobuf
import Text

/// The record of a build, from its request to its end.
struct RunningRecord: Sendable {
    let id: String
    let started: Timestamp
    private let asked: ClientRecord
    private let name: String
    private let trace: BuildTrace

    /// - Parameters:
    ///   - question: what the client asks for.
    ///   - parent: the header `traceparent` of its call.
    ///   - time: of its beginning.
    init(_ question: Moby_Buildkit_V1_SolveRequest, parent: String?, at time: Timestamp) {
        id = question.ref
        started = time
        asked = ClientRecord(question)
        let attributes = asked.attributes
        let name = attributes["build-arg:BUILDKIT_BUILD_NAME"] ?? attributes["context"] ?? attributes["filename"]
        self.name = escapedForDisplay(Array((name ?? "").utf8))
        trace = BuildTrace(parent: parent)
    }

    /// What is told of it while it runs.
    var message: Moby_Buildkit_V1_BuildHistoryRecord {
        var message = Moby_Buildkit_V1_BuildHistoryRecord(asked, ref: id)
        message.createdAt = Google_Protobuf_Timestamp(started)
        return message
    }

    /// The record of the build that is over now.
    /// - Parameters:
    ///   - outcome: how it ended.
    ///   - log: what it told; nil where that could not be kept.
    ///   - timeline: its steps as they ended.
    ///   - time: of its end.
    ///   - keep: puts a document into the store.
    /// - Returns: the record.
    /// - Throws: what `keep` throws.
    func ended(
        _ outcome: Result<SolvedRequest, any Error>,
        _ log: BuildLog?,
        timeline: [RecordedStep],
        at time: Timestamp,
        keep: ([UInt8]) async throws -> Digest
    ) async throws -> BuildRecord {
        var client = asked
        client.log = log?.descriptor
        client.steps = log?.steps ?? ClientRecord.Steps()
        func document(_ bytes: [UInt8], _ mediaType: MediaType) async throws -> Descriptor {
            Descriptor(mediaType: mediaType, digest: try await keep(bytes), size: Int64(bytes.count))
        }
        var error: String?
        if case .failure(let cause) = outcome {
            let failure = serviceFailure(cause)
            error = failure.message
            client.failure = ClientRecord.Failure(
                code: failure.code.rawValue,
                message: failure.message,
                details: try await document(
                    try Google_Rpc_Status(failure).serializedBytes(),
                    // BuildKit's spelling, by which clients know it.
                    MediaType(rawValue: "application/vnd.googeapis.google.rpc.status+proto")
                )
            )
        }
        if let log {
            let spans = trace.document(log.vertices, from: started, to: time, error: error)
            client.trace = try await document(spans, BuildTrace.mediaType)
        }
        let result = try? outcome.get()
        if let result {
            client.responses = result.answer.exporterResponse
            client.results = result.results
            for told in result.result.provenance {
                var descriptor = try await document(
                    Array(told.predicate.indented.utf8),
                    MediaType(rawValue: "application/vnd.in-toto+json")
                )
                descriptor.annotations = ["in-toto.io/predicate-type": told.predicateType]
                client.attestations[told.platform.map { "\($0)" } ?? "", default: []].append(descriptor)
            }
        }
        return BuildRecord(
            id: id,
            started: started,
            completed: time,
            status: status(of: outcome),
            name: name,
            imageID: result?.result.image?.id,
            error: error,
            steps: result?.result.steps ?? steps(of: outcome),
            timeline: timeline,
            client: client
        )
    }

    private func status(of outcome: Result<SolvedRequest, any Error>) -> BuildRecord.Status {
        switch outcome {
        case .success: .completed
        case .failure(let error): serviceFailure(error).code == .cancelled ? .canceled : .failed
        }
    }

    private func steps(of outcome: Result<SolvedRequest, any Error>) -> [StepExplanation] {
        guard case .failure(let error) = outcome else { return [] }
        return (error as? StepFailure)?.error.steps ?? []
    }
}

/// What a request of a client gave.
struct SolvedRequest: Sendable {
    let answer: Moby_Buildkit_V1_SolveResponse
    let result: Build.Result
    /// What each output gave that stays here, by its number.
    private(set) var results: [Int: Descriptor] = [:]

    /// The lease holds what stays in the store.
    init(
        _ answer: Moby_Buildkit_V1_SolveResponse,
        _ result: Build.Result,
        in store: Store,
        _ lease: Lease
    ) async throws {
        self.answer = answer
        self.result = result
        for (number, image) in result.images {
            guard let descriptor = image.descriptor else { continue }
            try await lease.hold([.blob(descriptor.digest)])
            if try await store.blobs.contains(descriptor.digest) { results[number] = descriptor }
        }
    }
}
