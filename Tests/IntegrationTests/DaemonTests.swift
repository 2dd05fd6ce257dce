import BuildKitProto
import FileSync
import Foundation
import GRPCCore
import LinuxSystem
import NIOCore
import OCI
import RPC
import RPCFakes
import SwiftProtobuf
import Synchronization
import SystemPackage
import Tasks
import Testing

/// The daemon as its clients see it: this program's daemon, and a client of BuildKit's API of our own.
@Suite(.requires(.root))
struct `A daemon` {
    private let slipway: Slipway
    private let scratch: TemporaryDirectory

    init() throws { (slipway, scratch) = try Slipway.isolated() }

    /// Runs the daemon as long as `body` does.
    private func withDaemon(_ body: (SocketAddress) async throws -> Void) async throws {
        try await IntegrationTests.withDaemon(slipway, scratch, body)
    }

    /// Builds the context, with its session on the same connection, and gives the archive of the result.
    private func build(
        _ connection: RPCConnection,
        _ session: String,
        _ offers: Offers,
        content: ContentServer = ContentServer(),
        _ change: @Sendable (inout Moby_Buildkit_V1_SolveRequest) -> Void = { _ in }
    ) async throws -> [UInt8] {
        _ = try await solve(connection, session, offers, content: content, change)
        return offers.received.withLock { $0 }
    }

    /// Builds the context and gives what the client is told.
    private func solve(
        _ connection: RPCConnection,
        _ session: String,
        _ offers: Offers,
        content: ContentServer,
        _ change: (inout Moby_Buildkit_V1_SolveRequest) -> Void
    ) async throws -> Moby_Buildkit_V1_SolveResponse {
        let prefix = "x-docker-expose-session-"
        let methods =
            ["/moby.filesync.v1.FileSync/DiffCopy", "/moby.filesync.v1.FileSend/DiffCopy"] + ContentServer.methods
        return try await answering(
            [offers, content],
            over: connection,
            ("moby.buildkit.v1.Control", "Session"),
            metadata: [(prefix + "uuid", session)] + methods.map { (prefix + "grpc-method", $0) }
        ) { _ in
            var question = Moby_Buildkit_V1_SolveRequest()
            question.ref = "build-of-\(session)"
            question.session = session
            question.frontend = "dockerfile.v0"
            question.exporters = [.with { $0.type = "tar" }]
            change(&question)
            return try await connection.unary("moby.buildkit.v1.Control", "Solve", question)
        }
    }

    @Test func `builds what a client sends it, and sends the result back`() async throws {
        try scratch.write("FROM scratch\nCOPY below /copied\n", to: "context/Dockerfile")
        try scratch.write("content of the file\n", to: "context/below/file")
        try await withDaemon { address in
            try await withConnection(to: address) { connection in
                for session in ["one", "two"] {
                    let offers = Offers(directory: FilePath(scratch.url.appending(path: "context").path))
                    let archive = scratch.url.appending(path: "\(session).tar")
                    try Data(try await build(connection, session, offers)).write(to: archive)
                    let read = try await runProgram("tar", ["-xOf", archive.path, "copied/file"])
                    #expect(read.text == "content of the file\n")
                }
            }
        }
    }

    @Test func `keeps images and caches in stores of the client, and builds on them`() async throws {
        try scratch.write("FROM scratch\nCOPY below /copied\nENV A=b\n", to: "context/Dockerfile")
        try scratch.write("content of the file\n", to: "context/below/file")
        try scratch.write("FROM base\nCOPY Dockerfile /$A\n", to: "second/Dockerfile")
        let first = Offers(directory: FilePath(scratch.url.appending(path: "context").path))
        let second = Offers(directory: FilePath(scratch.url.appending(path: "second").path))
        let content = ContentServer()
        try await withDaemon { address in
            try await withConnection(to: address) { connection in
                let answer = try await solve(connection, "one", first, content: content) {
                    $0.exporters = [
                        .with {
                            $0.type = "oci"
                            $0.attrs = ["tar": "false"]
                        }
                    ]
                    $0.cache.exports = [
                        .with {
                            $0.type = "local"
                            $0.attrs = ["dest": "/cache"]
                        }
                    ]
                }
                let image = answer.exporterResponse["containerimage.digest"] ?? ""
                // Manifest, configuration and one layer; document and manifest of the cache beside the same layer.
                for (store, count) in [("export", 3), ("local:/cache", 3)] {
                    let blobs = content.blobs(of: store)
                    #expect(blobs.count == count)
                    for (digest, bytes) in blobs {
                        #expect(digest == Digest.sha256(of: bytes))
                        if store == "export" { content.set(bytes, as: digest, in: "oci:layout") }
                    }
                }
                let archive = scratch.url.appending(path: "second.tar")
                let bytes = try await build(connection, "two", second, content: content) {
                    $0.frontendAttrs = ["context:base": "oci-layout://layout@\(image)"]
                }
                try Data(bytes).write(to: archive)
                let list = try await runProgram("tar", ["-tf", archive.path])
                #expect(list.text.split(separator: "\n") == ["b", "copied/", "copied/file"])
            }
        }
    }

    @Test func `tells what a result was built from where a client asks for it`() async throws {
        try scratch.write("FROM scratch\nCOPY Dockerfile /\n", to: "context/Dockerfile")
        try await withDaemon { address in
            try await withConnection(to: address) { connection in
                let offers = Offers(directory: FilePath(scratch.url.appending(path: "context").path))
                let archive = scratch.url.appending(path: "told.tar")
                let bytes = try await build(connection, "one", offers) {
                    $0.frontendAttrs = ["attest:provenance": "mode=min", "build-arg:PRIVATE": "word of mine"]
                }
                try Data(bytes).write(to: archive)
                let read = try await runProgram("tar", ["-xOf", archive.path, "provenance.json"])
                let statement = try JSONDecoder().decode(ToldProvenance.self, from: Data(read.output))
                #expect(statement.subject.map(\.name) == ["Dockerfile"])
                let request = statement.predicate.buildDefinition.externalParameters.request
                #expect(request.frontend == "dockerfile.v0")
                #expect(request.locals.map(\.name) == ["context", "dockerfile"])
                #expect(!read.text.contains("word of mine"))
            }
        }
    }

    @Test func `remembers builds, and what they told, when it is started again`() async throws {
        try scratch.write("FROM scratch\nCOPY Dockerfile /\n", to: "context/Dockerfile")
        let offers = Offers(directory: FilePath(scratch.url.appending(path: "context").path))
        try await withDaemon { address in
            try await withConnection(to: address) { connection in _ = try await build(connection, "one", offers) }
        }
        try await withDaemon { address in
            try await withConnection(to: address) { connection in
                let events: [Moby_Buildkit_V1_BuildHistoryEvent] = try await listed(
                    connection,
                    "ListenBuildHistory",
                    Moby_Buildkit_V1_BuildHistoryRequest.with { $0.earlyExit = true }
                )
                #expect(events.map(\.record.ref) == ["build-of-one"])
                #expect(events.first?.record.numTotalSteps == events.first?.record.numCompletedSteps)
                let told: [Moby_Buildkit_V1_StatusResponse] = try await listed(
                    connection,
                    "Status",
                    Moby_Buildkit_V1_StatusRequest.with { $0.ref = "build-of-one" }
                )
                let names = Set(told.flatMap { $0.vertexes.map(\.name) })
                #expect(names.contains("[1/1] COPY Dockerfile /"), "\(names)")
            }
        }
    }

    /// All answers of a method of the daemon.
    private func listed<Question: Message, Answer: Message>(
        _ connection: RPCConnection,
        _ method: String,
        _ question: Question
    ) async throws -> [Answer] {
        try await connection.stream(
            "moby.buildkit.v1.Control",
            method,
            send: { try await $0.write(question) },
            receive: { (input: RPCInput<Answer>) in try await input.reduce(into: []) { $0.append($1) } }
        )
    }

    @Test func `serves many clients at once, also while one of them never answers`() async throws {
        try scratch.write("FROM scratch\nCOPY Dockerfile /\n", to: "silent/Dockerfile")
        let silent = Offers(directory: FilePath(scratch.url.appending(path: "silent").path), isSilent: true)
        try await withDaemon { address in
            try await withConnection(to: address) { connection in
                let waiting = Task { try await build(connection, "silent", silent) }
                await silent.isAsked.value()
                try await withThrowingTaskGroup(of: (Int, Bool).self) { group in
                    for number in 0..<12 {
                        try scratch.write("FROM scratch\nCOPY Dockerfile /\n# \(number)\n", to: "\(number)/Dockerfile")
                        let context = FilePath(scratch.url.appending(path: "\(number)").path)
                        group.addTask {
                            let archive = try await withConnection(to: address) { connection in
                                try await build(connection, "client-\(number)", Offers(directory: context))
                            }
                            return (number, archive.firstRange(of: Array("# \(number)\n".utf8)) != nil)
                        }
                    }
                    for try await (number, isOwn) in group { #expect(isOwn, "\(number)") }
                }
                waiting.cancel()
                _ = await waiting.result
            }
        }
    }

    @Test func `refuses malformed graphs, and goes on`() async throws {
        try scratch.write("FROM scratch\nCOPY Dockerfile /\n", to: "context/Dockerfile")
        let context = FilePath(scratch.url.appending(path: "context").path)
        try await withDaemon { address in
            try await withConnection(to: address) { connection in
                for bytes in ["garbage", "", String(repeating: "\u{1}", count: 100_000)] {
                    await #expect(throws: RPCFailure.self) {
                        let _: Moby_Buildkit_V1_SolveResponse = try await connection.unary(
                            "moby.buildkit.v1.Control",
                            "Solve",
                            Moby_Buildkit_V1_SolveRequest.with {
                                $0.ref = "hostile"
                                $0.definition.def = [Data(bytes.utf8)]
                            }
                        )
                    }
                }
                let archive = try await build(connection, "after", Offers(directory: context))
                #expect(!archive.isEmpty)
            }
        }
    }

    @Test func `keeps what a client sent, has what changed sent again, and forgets it when it is pruned`() async throws
    {
        try scratch.write("FROM scratch\nCOPY below /copied\n", to: "context/Dockerfile")
        try scratch.write(String(repeating: "a", count: 1 << 20), to: "context/below/large")
        try scratch.write("one", to: "context/below/small")
        let context = FilePath(scratch.url.appending(path: "context").path)
        try await withDaemon { address in
            try await withConnection(to: address) { connection in
                func sent(_ session: String) async throws -> Int {
                    let offers = Offers(directory: context)
                    let archive = scratch.url.appending(path: "\(session).tar")
                    try Data(try await build(connection, session, offers)).write(to: archive)
                    let small = try await runProgram("tar", ["-xOf", archive.path, "copied/small"])
                    #expect(small.text == (session.hasSuffix("three") ? "two two" : "one"))
                    return offers.sent.withLock { $0 }
                }
                let dockerfile = "FROM scratch\nCOPY below /copied\n".utf8.count
                #expect(try await sent("one") == 1 << 20 + 3 + dockerfile)
                #expect(try await sent("two") == dockerfile)
                try scratch.write("two two", to: "context/below/small")
                #expect(try await sent("three") == 7 + dockerfile)
                let copies = try await locals(connection)
                #expect(copies.map(\.inUse) == [false, false, false])
                #expect(copies.contains { $0.description_p == "local source for context" && $0.size > 1 << 20 })
                _ = try await prune(connection)
                #expect(try await locals(connection).isEmpty)
                #expect(try await sent("four-three") == 1 << 20 + 7 + dockerfile)
            }
        }
    }

    private func locals(_ connection: RPCConnection) async throws -> [Moby_Buildkit_V1_UsageRecord] {
        let usage: Moby_Buildkit_V1_DiskUsageResponse = try await connection.unary(
            "moby.buildkit.v1.Control",
            "DiskUsage",
            Moby_Buildkit_V1_DiskUsageRequest.with { $0.filter = ["type==source.local"] }
        )
        return usage.record
    }

    private func prune(_ connection: RPCConnection) async throws -> Int {
        try await connection.stream(
            "moby.buildkit.v1.Control",
            "Prune",
            send: { (output: RPCOutput<Moby_Buildkit_V1_PruneRequest>) in
                try await output.write(.with { $0.filter = ["type==source.local"] })
            },
            receive: { (records: RPCInput<Moby_Buildkit_V1_UsageRecord>) in
                try await records.reduce(0) { count, _ in count + 1 }
            }
        )
    }

    @Test func `sees in files it has already what changed beside their content, and what is left out since`()
        async throws
    {
        try scratch.write("FROM scratch\nCOPY below /copied\n", to: "context/Dockerfile")
        for name in ["a", "b"] { try scratch.write("same", to: "context/below/\(name)") }
        let context = FilePath(scratch.url.appending(path: "context").path)
        let file = scratch.url.appending(path: "context/below/a").path
        func listing(_ connection: RPCConnection, _ session: String) async throws -> String {
            let archive = scratch.url.appending(path: "\(session).tar")
            try Data(try await build(connection, session, Offers(directory: context))).write(to: archive)
            return try await runProgram("tar", ["--numeric-owner", "-tvf", archive.path]).text
        }
        try await withDaemon { address in
            try await withConnection(to: address) { connection in
                let first = try await listing(connection, "first")
                #expect(first.contains("-rw-r--r-- 0/0"))
                #expect(try await listing(connection, "again") == first)
                #expect(chmod(file, 0o755) == 0)
                let second = try await listing(connection, "second")
                #expect(second == first.replacing("-rw-r--r--", with: "-rwxr-xr-x", maxReplacements: 1))
                try scratch.write("below/a\n", to: "context/.dockerignore")
                let third = try await listing(connection, "third")
                #expect(!third.contains("copied/a") && third.contains("copied/b"))
            }
        }
    }

    @Test func `ends the build of a client that vanishes, and goes on with others`() async throws {
        try scratch.write("FROM scratch\nCOPY Dockerfile /\n", to: "context/Dockerfile")
        let context = FilePath(scratch.url.appending(path: "context").path)
        try await withDaemon { address in
            let silent = Offers(directory: context, isSilent: true)
            let channel = try await connect(to: address)
            try await RPCConnection.over(channel) { connection in
                let building = Task { try await build(connection, "gone", silent) }
                await silent.isAsked.value()
                channel.close(promise: nil)
                let result = await building.result
                #expect(throws: (any Error).self) { try result.get() }
            }
            try await withConnection(to: address) { connection in
                // The id is free again as soon as the daemon has seen the end.
                while true {
                    do {
                        let archive = try await build(connection, "gone", Offers(directory: context))
                        #expect(!archive.isEmpty)
                        return
                    } catch let failure as RPCFailure where failure.code == .alreadyExists {
                        try await Task.sleep(for: .milliseconds(20))
                    }
                }
            }
        }
    }
}

/// What a test reads of provenance.
private struct ToldProvenance: Decodable {
    struct Named: Decodable { let name: String }
    struct Request: Decodable {
        let frontend: String
        let locals: [Named]
    }
    struct Parameters: Decodable { let request: Request }
    struct Definition: Decodable { let externalParameters: Parameters }
    struct Predicate: Decodable { let buildDefinition: Definition }

    let subject: [Named]
    let predicate: Predicate
}

/// What a client of BuildKit offers: a directory under every name, and a place for the result.
private final class Offers: RPCService {
    private let directory: FilePath
    private let isSilent: Bool
    let isAsked = Promise<Void>()
    let received = Mutex<[UInt8]>([])
    /// Bytes of files.
    let sent = Mutex(0)

    init(directory: FilePath, isSilent: Bool = false) {
        self.directory = directory
        self.isSilent = isSilent
    }

    /// Of the paths that are to be followed only those that are no links are sent.
    private static func selection(_ context: RPCContext) throws -> FileSelection {
        try FileSelection(
            includes: context.values("followpaths").map { Array($0.utf8) },
            excludes: context.values("exclude-patterns").map { Array($0.utf8) }
        )
    }

    func register(in methods: inout MethodTable) {
        methods.stream("moby.filesync.v1.FileSync", "DiffCopy") {
            (input: RPCInput<Fsutil_Types_Packet>, context, output: RPCOutput<Fsutil_Types_Packet>) in
            self.isAsked.keep(())
            if self.isSilent { try await Task.sleep(for: .seconds(3600)) }
            let root = try await onBlockingPool { [directory = self.directory] in try RootedDirectory(directory) }
            try await FileSender(from: root, selection: try Self.selection(context)).run(
                CallPackets(input, output) { count in self.sent.withLock { $0 += count } }
            )
        }
        methods.byteStream("moby.filesync.v1.FileSend", "DiffCopy") { input, _, _ in
            for try await bytes in input { self.received.withLock { $0 += bytes.readableBytesView } }
        }
    }
}

/// The packets of a call; its iterator is used by one task at a time, as `PacketChannel` promises.
private final class CallPackets: PacketChannel, @unchecked Sendable {
    private var input: RPCInput<Fsutil_Types_Packet>.AsyncIterator
    private let output: RPCOutput<Fsutil_Types_Packet>
    private let count: @Sendable (Int) -> Void

    init(
        _ input: RPCInput<Fsutil_Types_Packet>,
        _ output: RPCOutput<Fsutil_Types_Packet>,
        count: @escaping @Sendable (Int) -> Void
    ) {
        self.input = input.makeAsyncIterator()
        self.output = output
        self.count = count
    }

    func next() async throws -> Fsutil_Types_Packet? { try await input.next() }

    func send(_ packet: Fsutil_Types_Packet) async throws {
        count(packet.data.count)
        try await output.write(packet)
    }
}
