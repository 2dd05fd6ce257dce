import Fakes
import HTTP
import NIOHTTP1
import OCI
import Registry
import Settings
import Synchronization
import Testing

@Suite struct `A registry with faults` {
    @Test(arguments: [500, 502, 503, 504, 429])
    func `a manifest comes although the first four answers are errors`(status: Int) async throws {
        let counter = Counter()
        let server = try await FaultServer.start { _ in
            counter.next() <= 4 ? .text(status, "<html>busy</html>") : manifestAnswer
        }
        let clock = PatientClock()
        let manifest = try await makeClient(server.host, clock: clock).manifest(reference("\(server.host)/x:1"))
        #expect(manifest.bytes == emptyManifest)
        #expect(manifest.digest == .sha256(of: emptyManifest))
        #expect(
            clock.waited.withLock { $0 } == [
                .milliseconds(200), .milliseconds(400), .milliseconds(800), .milliseconds(1600),
            ]
        )
    }

    @Test func `a connection that is closed before the answer is made again`() async throws {
        let counter = Counter()
        let server = try await FaultServer.start { _ in
            var answer = manifestAnswer
            switch counter.next() {
            case 1: answer.closesAtOnce = true
            case 2: answer.cutAfter = 20
            default: break
            }
            return answer
        }
        #expect(try await makeClient(server.host).manifest(reference("\(server.host)/x:1")).bytes == emptyManifest)
        #expect(server.requests.count == 3)
    }

    @Test func `after six errors the last one is reported`() async throws {
        let server = try await FaultServer.start { _ in .error(503, "UNAVAILABLE", "down for repair") }
        let error = await #expect(throws: RegistryError.self) {
            try await makeClient(server.host).manifest(reference("\(server.host)/x:1"))
        }
        #expect(server.requests.count == 6)
        #expect(error.map { "\($0)".contains("down for repair") } == true)
    }

    @Test func `a wait that the registry asks for is waited for`() async throws {
        let counter = Counter()
        let server = try await FaultServer.start { _ in
            counter.next() == 1 ? .error(429, "TOOMANYREQUESTS", "slow down", [("Retry-After", "7")]) : manifestAnswer
        }
        let clock = PatientClock()
        _ = try await makeClient(server.host, clock: clock).manifest(reference("\(server.host)/x:1"))
        #expect(clock.waited.withLock { $0 } == [.seconds(7)])
    }

    @Test func `a wait of an hour is reported instead`() async throws {
        let server = try await FaultServer.start { _ in
            .error(429, "TOOMANYREQUESTS", "pull rate limit", [("Retry-After", "3600")])
        }
        let error = await #expect(throws: RegistryError.self) {
            try await makeClient(server.host).manifest(reference("\(server.host)/x:1"))
        }
        #expect(error == .rateLimited(host: server.host, delay: 3600, message: "pull rate limit"))
        #expect(server.requests.count == 1)
    }

    @Test func `a manifest that is not there is named as docker names it`() async throws {
        let server = try await FaultServer.start { _ in .error(404, "MANIFEST_UNKNOWN", "manifest unknown") }
        let error = await #expect(throws: RegistryError.self) {
            try await makeClient(server.host).manifest(reference("\(server.host)/app"))
        }
        #expect(
            error.map { "\($0)" }
                == "manifest for \(server.host)/app:latest not found: manifest unknown: manifest unknown"
        )
    }

    @Test func `a manifest larger than 4 MiB is refused before it is read`() async throws {
        let server = try await FaultServer.start { request in
            var answer = manifestAnswer
            answer.body = [UInt8](repeating: 0x20, count: request.path.hasSuffix("stated") ? 16 : (4 << 20) + 1)
            if request.path.hasSuffix("stated") { answer.statedLength = 5 << 20 }
            return answer
        }
        for name in ["stated", "sent"] {
            await #expect(
                throws: RegistryError.http(
                    .answerTooLarge(what: "manifest \(server.host)/x:\(name)", limit: 4 << 20)
                )
            ) {
                try await makeClient(server.host).manifest(reference("\(server.host)/x:\(name)"))
            }
        }
    }

    @Test func `a manifest with another digest than asked for, or than it is said to have, is refused`() async throws {
        let other = Digest.sha256(of: [1])
        let server = try await FaultServer.start { request in
            var answer = manifestAnswer
            if request.path.hasSuffix("lies") { answer.headers.append(("Docker-Content-Digest", other.description)) }
            return answer
        }
        let client = makeClient(server.host)
        for name in ["x@\(other)", "x:lies"] {
            let error = await #expect(throws: RegistryError.self) {
                try await client.manifest(reference("\(server.host)/\(name)"))
            }
            guard case .digestMismatch? = error else {
                Issue.record("\(name): \(error.map { "\($0)" } ?? "")")
                continue
            }
        }
    }

    @Test(arguments: ["text/html", "application/vnd.docker.distribution.manifest.v1+prettyjws", "application/json"])
    func `a document of another type is not taken for a manifest`(type: String) async throws {
        let server = try await FaultServer.start { _ in
            ServerAnswer(headers: [("Content-Type", type)], body: emptyManifest)
        }
        let error = await #expect(throws: RegistryError.self) {
            try await makeClient(server.host).manifest(reference("\(server.host)/x:1"))
        }
        #expect(error.map { "\($0)".contains(type) } == true)
    }

    @Test func `a refused connection names the host and what to look at`() async throws {
        let error = await #expect(throws: RegistryError.self) {
            try await makeClient("127.0.0.1:1").manifest(reference("127.0.0.1:1/x:1"))
        }
        let text = error.map { "\($0)" } ?? ""
        #expect(
            text.contains("127.0.0.1:1") && text.contains("connection refused") && text.contains("running"),
            "\(text)"
        )
    }

    @Test func `a loopback registry without TLS is found by itself`() async throws {
        let server = try await FaultServer.start { _ in manifestAnswer }
        let client = makeClient()
        #expect(try await client.manifest(reference("\(server.host)/x:1")).bytes == emptyManifest)
        #expect(try await client.manifest(reference("localhost:\(server.port)/x:1")).bytes == emptyManifest)
    }

    @Test func `pages of tags are followed on the registry's own host only`() async throws {
        let server = try await FaultServer.start { request in
            switch request.target {
            case "/v2/x/tags/list":
                .text(200, #"{"name":"x","tags":["a","b"]}"#, [("Link", #"</v2/x/tags/list?last=b&n=2>; rel="next""#)])
            case "/v2/x/tags/list?last=b&n=2": .text(200, #"{"name":"x","tags":["c"]}"#)
            default: .text(200, #"{"tags":["d"]}"#, [("Link", #"<http://127.0.0.1:9/v2/>; rel="next""#)])
            }
        }
        #expect(
            try await makeClient(server.host).tags(of: Repository(reference("\(server.host)/x"))) == ["a", "b", "c"]
        )
        await #expect(throws: RegistryError.self) {
            try await makeClient(server.host).tags(of: Repository(reference("\(server.host)/y")))
        }
    }
}

@Suite struct `Mirrors` {
    private func client(_ mirror: FaultServer, _ origin: FaultServer, prefix: String = "") -> RegistryClient {
        makeClient(mirror.host, origin.host) { $0.registries[origin.host]?.mirrors = [mirror.host + prefix] }
    }

    @Test func `a mirror answers in place of the origin, below its path`() async throws {
        let mirror = try await FaultServer.start { request in
            request.path == "/v2/proxy/hub/x/manifests/1" ? manifestAnswer : .text(500)
        }
        let origin = try await FaultServer.start { _ in .text(500) }
        let found = try await client(mirror, origin, prefix: "/proxy/hub").manifest(reference("\(origin.host)/x:1"))
        #expect(found.host == mirror.host)
        #expect(origin.requests.isEmpty)
    }

    @Test func `the origin is asked when the mirror does not have it`() async throws {
        let mirror = try await FaultServer.start { _ in .error(404, "MANIFEST_UNKNOWN", "no") }
        let origin = try await FaultServer.start { _ in manifestAnswer }
        #expect(try await client(mirror, origin).manifest(reference("\(origin.host)/x:1")).host == origin.host)
    }

    @Test func `where both fail, both are reported`() async throws {
        let mirror = try await FaultServer.start { _ in .error(404, "MANIFEST_UNKNOWN", "no") }
        let origin = try await FaultServer.start { _ in
            .error(403, "DENIED", "requested access to the resource is denied")
        }
        let error = await #expect(throws: RegistryError.self) {
            try await client(mirror, origin).manifest(reference("\(origin.host)/x:1"))
        }
        let text = error.map { "\($0)" } ?? ""
        #expect(text.contains("pull access denied for \(origin.host)/x") && text.contains(mirror.host), "\(text)")
    }

    @Test func `a blob that breaks off at the mirror goes on at the origin`() async throws {
        let bytes = data(3 << 20)
        let mirror = try await FaultServer.start { _ in ServerAnswer(body: bytes, cutAfter: 1 << 20) }
        let origin = try await FaultServer.start { request in rangeAnswer(request, bytes) }
        let received = Received()
        try await client(mirror, origin).blob(descriptor(of: bytes), from: Repository(reference("\(origin.host)/x"))) {
            received.add($0)
        }
        #expect(received.bytes == bytes)
        #expect(origin.requests.first?.header("Range") != nil)
    }
}

/// Collects what a download hands on.
final class Received: Sendable {
    private let content = Mutex<[UInt8]>([])
    var bytes: [UInt8] { content.withLock { $0 } }
    func add(_ part: [UInt8]) { content.withLock { $0 += part } }
}

/// Answers as a server that knows ranges.
func rangeAnswer(_ request: SeenRequest, _ bytes: [UInt8]) -> ServerAnswer {
    guard let range = request.header("Range"), let first = Int(range.dropFirst(6).prefix { $0 != "-" }) else {
        return ServerAnswer(body: bytes)
    }
    return ServerAnswer(
        status: 206,
        headers: [("Content-Range", "bytes \(first)-\(bytes.count - 1)/\(bytes.count)")],
        body: Array(bytes[first...])
    )
}

@Suite struct `Blobs from a registry with faults` {
    private func fetch(_ bytes: [UInt8], from server: FaultServer, offset: Int64 = 0, idle: Duration = .seconds(600))
        async throws -> [UInt8]
    {
        let received = Received()
        try await makeClient(server.host, idle: idle).blob(
            descriptor(of: bytes),
            from: Repository(reference("\(server.host)/x")),
            offset: offset
        ) { received.add($0) }
        return received.bytes
    }

    @Test(arguments: [true, false]) func `a transfer that is cut at twenty places is whole in the end`(
        knowsRanges: Bool
    ) async throws {
        let bytes = data(200_000)
        for cut in stride(from: 1, to: 200_000, by: 10_000) {
            let counter = Counter()
            let server = try await FaultServer.start { request in
                var answer = knowsRanges ? rangeAnswer(request, bytes) : ServerAnswer(body: bytes)
                if counter.next() == 1 { answer.cutAfter = cut }
                return answer
            }
            #expect(try await fetch(bytes, from: server) == bytes)
            // What was still on its way through the client when the connection broke is asked for again.
            let starts = server.requests.compactMap { $0.header("Range") }.compactMap {
                Int($0.dropFirst(6).prefix { $0 != "-" })
            }
            #expect(server.requests.count == 2 && starts.allSatisfy { $0 <= cut })
            try await server.stop()
        }
    }

    @Test func `a download goes on from what is there`() async throws {
        let bytes = data(100_000)
        let server = try await FaultServer.start { rangeAnswer($0, bytes) }
        #expect(try await fetch(bytes, from: server, offset: 60_000) == Array(bytes[60_000...]))
    }

    @Test(arguments: [
        "bytes 5-99999/100000", "bytes 60000-99998/99999", "bytes 60001-99999/100000", "bytes */100000", "60000-99999",
        "",
    ])
    func `a part that was not asked for is refused, unless it holds what was`(range: String) async throws {
        let bytes = data(100_000)
        let server = try await FaultServer.start { _ in
            let first = Int(range.dropFirst(6).prefix { $0 != "-" }) ?? 60_000
            return ServerAnswer(
                status: 206,
                headers: [("Content-Range", range)],
                body: Array(bytes[min(first, 99_999)...])
            )
        }
        if range.hasPrefix("bytes 5-") {
            #expect(try await fetch(bytes, from: server, offset: 60_000) == Array(bytes[60_000...]))
        } else {
            await #expect(throws: RegistryError.self) { try await fetch(bytes, from: server, offset: 60_000) }
        }
    }

    @Test func `one byte too many ends the transfer`() async throws {
        let bytes = data(10_000)
        let server = try await FaultServer.start { _ in
            ServerAnswer(
                headers: [("Transfer-Encoding", "chunked"), ("Content-Length", "")].dropLast(),
                body: bytes + [0]
            )
        }
        await #expect(throws: RegistryError.self) { try await fetch(bytes, from: server) }
    }

    @Test func `a stall is noticed and the transfer goes on where it stopped`() async throws {
        let bytes = data(1_000_000)
        let counter = Counter()
        let server = try await FaultServer.start { request in
            var answer = rangeAnswer(request, bytes)
            if counter.next() == 1 { answer.stallAfter = 400_000 }
            return answer
        }
        #expect(try await fetch(bytes, from: server, idle: .seconds(2)) == bytes)
        #expect(server.requests.last?.header("Range")?.hasSuffix("-999999") == true)
    }

    @Test func `a transfer that makes no progress is given up after six requests`() async throws {
        let bytes = data(1000)
        let server = try await FaultServer.start { request in
            var answer = rangeAnswer(request, bytes)
            answer.cutAfter = 0
            return answer
        }
        await #expect(throws: RegistryError.self) { try await fetch(bytes, from: server) }
        #expect(server.requests.count == 6)
    }

    @Test func `a damaged small blob is refused`() async throws {
        let bytes = data(1000)
        let server = try await FaultServer.start { _ in ServerAnswer(body: Array(bytes.reversed())) }
        let error = await #expect(throws: RegistryError.self) {
            try await makeClient(server.host).smallBlob(
                descriptor(of: bytes),
                from: Repository(reference("\(server.host)/x"))
            )
        }
        guard case .digestMismatch? = error else {
            Issue.record("\(error.map { "\($0)" } ?? "")")
            return
        }
    }

    @Test func `what the receiver throws ends the transfer at once`() async throws {
        struct Full: Error {}
        let bytes = data(1000)
        let server = try await FaultServer.start { _ in ServerAnswer(body: bytes) }
        await #expect(throws: Full.self) {
            try await makeClient(server.host).blob(
                descriptor(of: bytes),
                from: Repository(reference("\(server.host)/x"))
            ) { _ in throw Full() }
        }
        #expect(server.requests.count == 1)
    }
}
