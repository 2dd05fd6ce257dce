import Archive
import ClientServices
import Fakes
import HTTP
import LLB
import LinuxSystem
import OCI
import RemoteSources
import Storage
import SystemPackage
import Testing
import Text

@Suite struct `Downloads of files` {
    private func withStore(_ body: (Store) async throws -> Void) async throws {
        try await withTemporaryDirectory { directory in
            let store = try await Store.open(
                at: directory.appending("store"),
                tables: StoreTables([DownloadTable.self])
            )
            try await body(store)
            await store.close()
        }
    }

    /// What one build knows of downloads.
    private func downloads(_ store: Store, secrets: [[UInt8]: SecretSource] = [:]) async throws -> Downloads {
        var configuration = WebClient.Configuration()
        configuration.timekeeper = PatientClock().timekeeper
        return Downloads(
            store: store,
            lease: try await store.lastingLease,
            web: WebClient(configuration),
            client: ClientServices(secrets: secrets)
        )
    }

    private func source(_ server: FaultServer, _ path: String = "/d/file.txt?token=secret") -> HTTPSource {
        HTTPSource(url: "http://\(server.host)\(path)")
    }

    @Test func `a file is transferred once, and then asked for on condition that it changed`() async throws {
        let content = Counter()
        let server = try await FaultServer.start { request in
            if request.header("If-None-Match") == "\"v1\"" { return .text(304, "", [("ETag", "\"v1\"")]) }
            return .text(200, "content \(content.next())", [("ETag", "\"v1\"")])
        }
        try await withStore { (store: Store) async throws in
            for _ in 1...3 {
                let file = try await downloads(store).resolve(source(server))
                #expect(file.digest == .sha256(of: "content 1") && file.size == 9)
                #expect(file.fileName == "file.txt")
                #expect(try await store.blobs.read(file.digest) == "content 1")
            }
        }
        #expect(server.requests.map { $0.header("If-None-Match") } == [nil, "\"v1\"", "\"v1\""])
    }

    @Test func `a server that has no tags is asked by date`() async throws {
        let date = "Sun, 06 Nov 1994 08:49:37 GMT"
        let server = try await FaultServer.start { request in
            request.header("If-Modified-Since") == date ? .text(304) : .text(200, "x", [("Last-Modified", date)])
        }
        try await withStore { (store: Store) async throws in
            for _ in 1...2 {
                let file = try await downloads(store).resolve(source(server))
                #expect(file.modified == 784_111_777 && file.digest == .sha256(of: "x"))
            }
        }
        #expect(server.requests.count == 2)
    }

    @Test func `within a build an address leads to one content`() async throws {
        let content = Counter()
        let server = try await FaultServer.start { _ in .text(200, "content \(content.next())") }
        try await withStore { (store: Store) async throws in
            let build = try await downloads(store)
            for _ in 1...2 { #expect(try await build.resolve(source(server)).digest == .sha256(of: "content 1")) }
            #expect(try await downloads(store).resolve(source(server)).digest == .sha256(of: "content 2"))
        }
    }

    @Test func `a file that is not the expected one is refused and not kept`() async throws {
        let server = try await FaultServer.start { _ in .text(200, "evil", [("ETag", "\"v1\"")]) }
        try await withStore { (store: Store) async throws in
            let wanted = Digest.sha256(of: "good")
            let mismatch = DownloadError.digestMismatch(
                url: "http://\(server.host)/d/file.txt",
                expected: wanted,
                actual: .sha256(of: "evil")
            )
            await #expect(throws: mismatch) {
                _ = try await downloads(store).fetch(source(server), expecting: wanted)
            }
            var checked = source(server)
            checked.checksum = wanted
            await #expect(throws: mismatch) { _ = try await downloads(store).resolve(checked) }
            #expect(try await store.blobs.contains(wanted) == false)
            #expect(try await store.blobs.contains(.sha256(of: "evil")) == false)
        }
    }

    @Test func `a file that is here and the expected one is not asked for`() async throws {
        let server = try await FaultServer.start { _ in .text(200, "good", [("ETag", "\"v1\"")]) }
        try await withStore { (store: Store) async throws in
            let digest = try await downloads(store).resolve(source(server)).digest
            _ = try await downloads(store).fetch(source(server), expecting: digest)
            #expect(server.requests.count == 1)
        }
    }

    @Test func `a server that says of an unknown file that it is unchanged is told so`() async throws {
        let server = try await FaultServer.start { _ in .text(304) }
        try await withStore { (store: Store) async throws in
            await #expect(throws: DownloadError.unexpectedlyUnchanged(url: "http://\(server.host)/d/file.txt")) {
                _ = try await downloads(store).resolve(source(server))
            }
        }
    }

    @Test func `what is compressed for the transfer alone is kept as it is, unless the source names its encodings`()
        async throws
    {
        let text: [UInt8] = Array(repeating: 0x61, count: 100_000)
        let packed = try await onBlockingPool {
            let sink = MemorySink()
            let compressed = try compressing(into: sink, .gzip, threads: 1)
            try text.withUnsafeBytes { try compressed.write($0) }
            try compressed.finish()
            return sink.bytes
        }
        let server = try await FaultServer.start { _ in
            ServerAnswer(headers: [("Content-Encoding", "gzip")], body: packed)
        }
        try await withStore { (store: Store) async throws in
            #expect(try await downloads(store).resolve(source(server)).digest == .sha256(of: text))
            var particular = source(server)
            particular.headers["Accept-Encoding"] = "identity"
            #expect(try await downloads(store).resolve(particular).digest == .sha256(of: packed))
            let left = try await onBlockingPool {
                try HostFiles.entries(of: store.layout.tmp).flatMap { owner in
                    try HostFiles.entries(of: store.layout.tmp.appending(FilePath(bytes: owner).components))
                }
            }
            #expect(left.isEmpty)
        }
        #expect(server.requests.map { $0.header("Accept-Encoding") } == ["gzip", "identity"])
    }

    @Test func `a token goes to the host that it is for`() async throws {
        let server = try await FaultServer.start { _ in .text(200, "x") }
        try await withStore { (store: Store) async throws in
            let secrets: [[UInt8]: SecretSource] = [
                "HTTP_AUTH_TOKEN_127.0.0.1": .value(Secret("canary\n")),
                "HTTP_AUTH_TOKEN_other.example": .value(Secret("other")), "header": .value(Secret("Basic own")),
            ]
            _ = try await downloads(store, secrets: secrets).resolve(source(server, "/a"))
            var named = source(server, "/b")
            named.authorizationSecret = "header"
            _ = try await downloads(store, secrets: secrets).resolve(named)
            _ = try await downloads(store).resolve(source(server, "/c"))
            await #expect(throws: ClientServiceError.secretNotFound("header")) {
                _ = try await downloads(store).resolve(named)
            }
        }
        #expect(server.requests.map { $0.header("Authorization") } == ["Bearer canary", "Basic own", nil])
    }

    @Test(
        arguments: [
            ("/d/a%20b?x", nil, nil, "a b"), ("/d/", nil, "attachment; filename=\"../n\"", "n"),
            ("/d/a", "given", "attachment; filename=n", "given"), ("/", nil, nil, "download"),
            ("/d/a", "../..", nil, "a"),
        ] as [(String, [UInt8]?, String?, [UInt8])]
    )
    func `a file has the name that the source, the server or the address gives`(
        path: String,
        given: [UInt8]?,
        header: String?,
        name: [UInt8]
    ) async throws {
        let server = try await FaultServer.start { _ in
            .text(200, "x", header.map { [("Content-Disposition", $0)] } ?? [])
        }
        try await withStore { (store: Store) async throws in
            var named = source(server, path)
            named.file.name = given
            #expect(try await downloads(store).resolve(named).fileName == name)
        }
    }
}
