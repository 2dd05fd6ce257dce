import BuildKitProto
import Foundation
import GRPCCore
import LLB
import NIOCore
import OCI
import RPC
import RPCFakes
import SwiftProtobuf
import Synchronization
import Testing
import Text

/// What becomes of the results of a daemon's builds, as its client asks for it.
@Suite(.requires(.root))
struct `Outputs of a daemon's builds` {
    private let slipway: Slipway
    private let scratch: TemporaryDirectory

    init() throws { (slipway, scratch) = try Slipway.isolated() }

    private static func file(_ path: String, _ content: String) throws -> LLB.Output {
        try LLB.Output.file(on: nil, [.makeFile(FileCreation(path: Array(path.utf8), content: Array(content.utf8)))])
    }

    /// Runs a daemon and a build on it with a client's session.
    private func solve(
        _ client: ExportClient,
        _ change: (inout Moby_Buildkit_V1_SolveRequest) throws -> Void
    ) async throws -> Moby_Buildkit_V1_SolveResponse {
        var question = Moby_Buildkit_V1_SolveRequest()
        question.ref = "exported"
        question.session = "session"
        question.definition = try Definition(target: Self.file("/file", "content")).message()
        try change(&question)
        let request = question
        let prefix = "x-docker-expose-session-"
        var answer = Moby_Buildkit_V1_SolveResponse()
        try await withDaemon(slipway, scratch) { address in
            try await withConnection(to: address) { connection in
                answer = try await answering(
                    [client],
                    over: connection,
                    ("moby.buildkit.v1.Control", "Session"),
                    metadata: [(prefix + "uuid", "session")]
                        + ExportClient.methods.map { (prefix + "grpc-method", $0) }
                ) { _ in try await connection.unary("moby.buildkit.v1.Control", "Solve", request) }
            }
        }
        return answer
    }

    private func extracted(_ archive: [UInt8], _ path: String) async throws -> [UInt8] {
        let file = scratch.url.appending(path: "archive.tar")
        try Data(archive).write(to: file)
        return try await runProgram("tar", ["-xOf", file.path, path]).output
    }

    @Test func `a client that wants to is asked for outputs when the result is known, and told of all`() async throws {
        let client = ExportClient(wanting: [.with { $0.type = "oci" }])
        let answer = try await solve(client) {
            $0.enableSessionExporter = true
            $0.exporters = [.with { $0.type = "tar" }]
        }
        let digest = answer.exporterResponse["containerimage.digest"] ?? ""
        let state = client.state.withLock { $0 }
        #expect(state.references == 1)
        // The output of the request is number 0.
        #expect(try await extracted(state.archives["0"] ?? [], "file") == "content")
        let file = try await extracted(state.archives["1"] ?? [], "index.json")
        let index = try JSONDecoder().decode(Layout.self, from: Data(file))
        #expect(index.manifests.map(\.digest) == [digest])
        #expect(state.told["containerimage.digest"] == digest)
        #expect(state.images["1"] == digest && state.images["0"] == nil)
    }

    @Test func `what a client says of all outputs may fail the build`() async throws {
        let client = ExportClient(refusal: RPCFailure(.unknown, "the outputs are wrong"))
        let failure = await #expect(throws: RPCFailure.self) {
            _ = try await solve(client) { $0.enableSessionExporter = true }
        }
        #expect(failure?.message.contains("the outputs are wrong") == true)
        let silent = ExportClient(refusal: RPCFailure(.unimplemented, "no such method"))
        _ = try await solve(silent) { $0.enableSessionExporter = true }
    }

    @Test func `a client that has the archive already takes none of it`() async throws {
        let client = ExportClient(takesArchives: false)
        let answer = try await solve(client) {
            $0.definition = try Definition(target: Self.file("/large", String(repeating: "x", count: 1 << 20)))
                .message()
            $0.exporters = [
                .with {
                    $0.type = "oci"
                    $0.attrs = ["compression": "uncompressed"]
                }
            ]
        }
        let digest = try #require(answer.exporterResponse["containerimage.digest"])
        #expect(client.state.withLock { $0.images["0"] } == digest)
    }

    @Test func `an image has its manifest as soon as it is kept`() async throws {
        let answer = try await solve(ExportClient()) {
            $0.exporters = [
                .with {
                    $0.type = "image"
                    $0.attrs = ["name": "kept"]
                }
            ]
        }
        let text = answer.exporterResponse["containerimage.descriptor"] ?? ""
        let descriptor = try JSONDecoder().decode(Layout.Entry.self, from: Data(base64Encoded: text) ?? Data())
        #expect(descriptor.digest == answer.exporterResponse["containerimage.digest"])
        #expect(descriptor.digest != answer.exporterResponse["containerimage.config.digest"])
    }

    /// What a test reads of a layout's index.
    private struct Layout: Decodable {
        struct Entry: Decodable { let digest: String }

        let manifests: [Entry]
    }
}

/// A client that takes archives and is asked for outputs.
private final class ExportClient: RPCService {
    struct State {
        /// How many results it was asked about.
        var references = 0
        /// By the numbers of outputs.
        var archives: [String: [UInt8]] = [:]
        /// The digests of the images that archives are said to hold.
        var images: [String: String] = [:]
        var told: [String: String] = [:]
    }

    private static let exporter = "moby.exporter.v1.Exporter"
    static let methods = [
        "/moby.filesync.v1.FileSend/DiffCopy", "/\(exporter)/FindExporters", "/\(exporter)/FinalizeExport",
    ]

    let state = Mutex(State())
    private let wanted: [Moby_Exporter_V1_ExporterRequest]
    private let takesArchives: Bool
    private let refusal: RPCFailure?

    init(
        wanting wanted: [Moby_Exporter_V1_ExporterRequest] = [],
        takesArchives: Bool = true,
        refusal: RPCFailure? = nil
    ) {
        self.wanted = wanted
        self.takesArchives = takesArchives
        self.refusal = refusal
    }

    func register(in methods: inout MethodTable) {
        methods.unary(Self.exporter, "FindExporters") {
            (question: Moby_Exporter_V1_FindExportersRequest, _) -> Moby_Exporter_V1_FindExportersResponse in
            self.state.withLock { $0.references += question.refs.count }
            return .with { $0.exporters = self.wanted }
        }
        methods.unary(Self.exporter, "FinalizeExport") {
            (question: Moby_Exporter_V1_FinalizeExportRequest, _) -> Moby_Exporter_V1_FinalizeExportResponse in
            if let refusal = self.refusal { throw refusal }
            self.state.withLock { $0.told = question.exporterResponse }
            return Moby_Exporter_V1_FinalizeExportResponse()
        }
        methods.byteStream("moby.filesync.v1.FileSend", "DiffCopy") { input, context, _ in
            let number = context.values("buildkit-attachable-exporter-id").first ?? ""
            let image = context.values("exporter-md-containerimage.digest").first
            self.state.withLock { $0.images[number] = image }
            guard self.takesArchives else { throw RPCFailure(.alreadyExists, "target already exists") }
            for try await bytes in input {
                self.state.withLock { $0.archives[number, default: []] += bytes.readableBytesView }
            }
        }
    }
}
