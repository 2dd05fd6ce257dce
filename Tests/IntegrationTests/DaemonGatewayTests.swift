import BuildKitProto
import Foundation
import LLB
import RPC
import RPCFakes
import SwiftProtobuf
import Testing

/// The daemon as a client sees it that brings its own frontend.
@Suite(.requires(.root))
struct `A daemon that a client leads` {
    private let slipway: Slipway
    private let scratch: TemporaryDirectory

    init() throws { (slipway, scratch) = try Slipway.isolated() }

    /// Runs a daemon and a build on it that `body` leads; the build ends without a result.
    private func lead(
        _ change: (inout Moby_Buildkit_V1_SolveRequest) -> Void = { _ in },
        _ body: @escaping @Sendable (Questions) async throws -> Void
    ) async throws {
        var question = Moby_Buildkit_V1_SolveRequest()
        question.ref = "led"
        change(&question)
        let request = question
        try await withDaemon(slipway, scratch) { address in
            try await withConnection(to: address) { connection in
                async let built: Moby_Buildkit_V1_SolveResponse = connection.unary(
                    "moby.buildkit.v1.Control",
                    "Solve",
                    request
                )
                let questions = Questions(connection: connection)
                do {
                    try await body(questions)
                } catch {
                    let _: Moby_Buildkit_V1_Frontend_ReturnResponse? = try? await questions.ask("Return", Self.nothing)
                    throw error
                }
                let _: Moby_Buildkit_V1_Frontend_ReturnResponse = try await questions.ask("Return", Self.nothing)
                _ = try await built
            }
        }
    }

    /// Has what a graph gives exported, with what the client's frontend says of it.
    private func exported(
        _ definition: Definition,
        _ metadata: [String: String],
        _ change: (inout Moby_Buildkit_V1_SolveRequest) -> Void
    ) async throws -> Moby_Buildkit_V1_SolveResponse {
        var question = Moby_Buildkit_V1_SolveRequest()
        question.ref = "led"
        change(&question)
        let request = question
        var answer = Moby_Buildkit_V1_SolveResponse()
        try await withDaemon(slipway, scratch) { address in
            try await withConnection(to: address) { connection in
                async let built: Moby_Buildkit_V1_SolveResponse = connection.unary(
                    "moby.buildkit.v1.Control",
                    "Solve",
                    request
                )
                let questions = Questions(connection: connection)
                let reference = try await questions.solve(definition)
                let _: Moby_Buildkit_V1_Frontend_ReturnResponse = try await questions.ask(
                    "Return",
                    Moby_Buildkit_V1_Frontend_ReturnRequest.with {
                        $0.result.ref.id = reference
                        $0.result.metadata = metadata.mapValues { Data($0.utf8) }
                    }
                )
                answer = try await built
            }
        }
        return answer
    }

    private static var nothing: Moby_Buildkit_V1_Frontend_ReturnRequest {
        .with { $0.result = Moby_Buildkit_V1_Frontend_Result() }
    }

    /// Asks what a frontend asks.
    struct Questions: Sendable {
        let connection: RPCConnection

        func ask<Question: Message, Answer: Message>(_ method: String, _ question: Question) async throws -> Answer {
            try await connection.unary(
                bridgeService,
                method,
                question,
                metadata: [("buildkit-controlapi-buildid", "led")]
            )
        }

        /// The name of what a graph gives.
        func solve(_ definition: Definition) async throws -> String {
            let answer: Moby_Buildkit_V1_Frontend_SolveResponse = try await ask(
                "Solve",
                Moby_Buildkit_V1_Frontend_SolveRequest.with {
                    $0.definition = (try? definition.message()) ?? Pb_Definition()
                    $0.allowResultReturn = true
                    $0.allowResultArrayRef = true
                }
            )
            return answer.result.ref.id
        }

        func read(_ path: String, of reference: String) async throws -> String {
            let answer: Moby_Buildkit_V1_Frontend_ReadFileResponse = try await ask(
                "ReadFile",
                Moby_Buildkit_V1_Frontend_ReadFileRequest.with {
                    $0.ref = reference
                    $0.filePath = path
                }
            )
            return String(decoding: answer.data, as: UTF8.self)
        }
    }

    private static func file(_ path: String, _ content: [UInt8], on base: LLB.Output? = nil) throws -> LLB.Output {
        try LLB.Output.file(
            on: base,
            [.makeFile(FileCreation(path: Array(path.utf8), content: content))]
        )
    }

    @Test func `makes what a graph describes that is in a file`() async throws {
        let inner = Definition(target: try Self.file("/made", Array("inside".utf8)))
        let outer = try Self.file("/graph", inner.marshalled())
        let nested = LLB.Output(try Node(.build(definition: outer, file: Array("/graph".utf8))))
        let definition = Definition(target: nested)
        try await lead { questions in
            let made = try await questions.solve(definition)
            #expect(try await questions.read("/made", of: made) == "inside")
        }
    }

    @Test func `tells what a source is, unless a policy denies it`() async throws {
        let server = try await WebServer.start()
        try Data("content".utf8).write(to: server.directory.appending(path: "file"))
        let address = server.address
        try await lead({
            $0.sourcePolicy.rules = [
                .with {
                    $0.action = .deny
                    $0.selector.identifier = "\(address)/denied*"
                }
            ]
        }) { questions in
            func resolve(_ url: String) async throws -> Moby_Buildkit_V1_Frontend_ResolveSourceMetaResponse {
                try await questions.ask(
                    "ResolveSourceMeta",
                    Moby_Buildkit_V1_Frontend_ResolveSourceMetaRequest.with {
                        $0.source.identifier = Data(url.utf8)
                        $0.http.checksumRequest.suffix = Data("!".utf8)
                    }
                )
            }
            let answer = try await resolve("\(address)/file")
            // sha256 of `content`, and of `content!`.
            #expect(
                answer.http.checksum
                    == "sha256:ed7002b439e9ac845f22357d822bac1444730fbdb6016d3ec9432297b9ec9f73"
            )
            #expect(
                answer.http.checksumResponse.digest
                    == "sha256:15ce3085395767b1daedb74ef34b34a14c0b61dccd0c126812d0a44007310c86"
            )
            #expect(answer.http.filename == "file")
            let error = await #expect(throws: RPCFailure.self) { try await resolve("\(address)/denied/x") }
            #expect(error?.message.contains("source denied by policy") == true)
        }
    }

    @Test func `tells where a failed step was written, and shows what it left`() async throws {
        let failing = try LLB.Output.file(
            on: nil,
            [
                .makeFile(FileCreation(path: Array("/made".utf8), content: Array("left".utf8))),
                .makeFile(FileCreation(path: Array("/missing/file".utf8), content: [])),
            ]
        )
        let sources = SourceMap(
            files: [
                SourceMap.File(name: Array("one".utf8), content: [], language: "poem"),
                SourceMap.File(name: Array("two".utf8), content: [], language: ""),
            ],
            places: [
                failing.node.digest: [
                    SourceMap.Place(file: 0, [SourceMap.Span(SourceMap.Position(line: 3, character: 1), nil)]),
                    SourceMap.Place(file: 1, [SourceMap.Span(lines: 5...6)]),
                ]
            ]
        )
        let definition = Definition(target: failing, sources: sources)
        try await lead { questions in
            let made = try await questions.solve(definition)
            let error = await #expect(throws: RPCFailure.self) { try await questions.read("/", of: made) }
            let details = try #require(error).details
            func read<Document: Decodable>(_ name: String, _ type: Document.Type) throws -> [Document] {
                try details.filter { $0.typeURL == "github.com/moby/buildkit/errdefs.\(name)+json" }
                    .map { try JSONDecoder().decode(type, from: Data($0.value)) }
            }
            let sources = try read("Source", ToldSource.self)
            #expect(sources.map(\.info.filename) == ["two", "one"])
            #expect(sources.last?.info.language == "poem")
            #expect(sources.last?.ranges.map(\.start) == [ToldSource.Position(line: 3, character: 1)])
            #expect(sources.first?.ranges.map(\.start.line) == [5, 6])
            let step = try #require(try read("Solve", ToldStep.self).first)
            #expect(step.file.index == "1" && step.inputIDs.isEmpty && step.mountIDs.count == 2)
            #expect(try await questions.read("/made", of: step.mountIDs[1]) == "left")
        }
    }

    private struct ToldSource: Decodable {
        struct Info: Decodable {
            let filename: String
            let language: String
        }
        struct Position: Decodable, Equatable {
            let line: Int
            let character: Int?
        }
        struct Range: Decodable { let start: Position }

        let info: Info
        let ranges: [Range]
    }

    private struct ToldStep: Decodable {
        struct Action: Decodable { let index: String }

        let inputIDs: [String]
        let mountIDs: [String]
        let file: Action
    }

    @Test func `takes the name and the annotations of the image from the client's frontend`() async throws {
        let definition = Definition(target: try Self.file("/file", Array("content".utf8)))
        let annotations = ["annotation.own": "frontend", "annotation.both": "frontend", "image.name": "named:1"]
        let answer = try await exported(definition, annotations) {
            $0.exporters = [
                .with {
                    $0.type = "image"
                    $0.attrs = ["name": "*", "annotation.both": "output", "annotation.output": "output"]
                }
            ]
        }
        #expect(answer.exporterResponse["image.name"] == "docker.io/library/named:1")
        let digest = answer.exporterResponse["containerimage.digest"] ?? ""
        let path = URL(filePath: slipway.root).appending(path: "blobs/sha256/\(digest.dropFirst("sha256:".count))")
        struct Manifest: Decodable { let annotations: [String: String] }
        let manifest = try JSONDecoder().decode(Manifest.self, from: Data(contentsOf: path))
        #expect(manifest.annotations == ["own": "frontend", "both": "frontend", "output": "output"])
    }

    @Test func `an output's own attributes say what else the image is, and unknown ones nothing`() async throws {
        let definition = Definition(target: try Self.file("/file", Array("content".utf8)))
        @Sendable func configuration(of user: String) -> String {
            #"{"architecture":"amd64","os":"linux","config":{"User":"\#(user)"},"rootfs":{"type":"layers","diff_ids":[]}}"#
        }
        let answer = try await exported(definition, ["containerimage.config": configuration(of: "frontend")]) {
            $0.exporters = [
                .with {
                    $0.type = "image"
                    $0.attrs = ["containerimage.config": configuration(of: "output"), "attest:any": "thing"]
                }
            ]
        }
        let id = answer.exporterResponse["containerimage.config.digest"] ?? ""
        struct Configuration: Decodable {
            struct Process: Decodable { let User: String }
            let config: Process
        }
        let path = URL(filePath: slipway.root).appending(path: "blobs/sha256/\(id.dropFirst("sha256:".count))")
        let written = try JSONDecoder().decode(Configuration.self, from: Data(contentsOf: path))
        #expect(written.config.User == "output")
    }

    @Test func `a passthrough gives what it names, and makes the rest`() async throws {
        let files = try ["a", "b"].map { try Self.file("/\($0)", Array($0.utf8)) }
        let node = try Node(.passthrough(id: [], inputs: files, outputs: [1]))
        try await lead { questions in
            let given = try await questions.solve(Definition(target: LLB.Output(node)))
            #expect(try await questions.read("/b", of: given) == "b")
            await #expect(throws: RPCFailure.self) { try await questions.read("/a", of: given) }
            let failing = try LLB.Output.file(
                on: nil,
                [.makeFile(FileCreation(path: Array("/missing/file".utf8), content: []))]
            )
            let other = try Node(.passthrough(id: [], inputs: [failing, files[1]], outputs: [1]))
            let made = try await questions.solve(Definition(target: LLB.Output(other)))
            await #expect(throws: RPCFailure.self) { try await questions.read("/b", of: made) }
        }
    }

    @Test func `does not run what the request does not allow`() async throws {
        var exec = Exec(process: Process(arguments: [Array("/x".utf8)]), mounts: [.root(nil)])
        exec.security = .insecure
        let definition = Definition(target: try LLB.Output.run(exec))
        try await lead { questions in
            let made = try await questions.solve(definition)
            let error = await #expect(throws: RPCFailure.self) { try await questions.read("/", of: made) }
            #expect(error?.message.contains("security.insecure is not allowed") == true)
        }
    }

    @Test func `a frontend that is to be built first is refused in BuildKit's words`() async throws {
        try await withDaemon(slipway, scratch) { address in
            try await withConnection(to: address) { connection in
                let question = Moby_Buildkit_V1_SolveRequest.with {
                    $0.ref = "developed"
                    $0.frontend = "gateway.v0"
                    $0.frontendAttrs = ["gateway-devel": "", "source": "dockerfile.v0/frontend"]
                }
                let error = await #expect(throws: RPCFailure.self) {
                    let _: Moby_Buildkit_V1_SolveResponse = try await connection.unary(
                        "moby.buildkit.v1.Control",
                        "Solve",
                        question
                    )
                }
                #expect(error?.message == "development gateway is no longer supported")
            }
        }
    }
}

private let bridgeService = "moby.buildkit.v1.frontend.LLBBridge"
