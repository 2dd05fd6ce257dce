import HTTP
import NIOCore
import OCI
import Registry
import Settings
import Synchronization
import Testing
import Text

/// Servers that answer as no server should: each request ends in the right bytes or in an error that says where it happened.
@Suite(.timeLimit(.minutes(2))) struct `A hostile server` {
    /// A client that asks once and does not wait long.
    private func client(_ host: String, idle: Duration = .milliseconds(500)) -> RegistryClient {
        makeClient(
            host,
            credentials: [host: .password(user: "usr", password: Secret("pw"))],
            idle: idle,
            attempts: 1
        )
    }

    private func web(idle: Duration = .milliseconds(500)) -> WebClient {
        var configuration = WebClient.Configuration()
        configuration.retries.maximumAttempts = 1
        configuration.patience.idle = idle
        return WebClient(configuration)
    }

    /// The answers that would stop the process or never end, and what is said of them.
    private static let violations: [(answer: String, reason: String)] = [
        ("HTTP/1.1 000 X\r\nContent-Length: 2\r\n\r\nok", "there is no status 000"),
        ("HTTP/1.1 099 X\r\nContent-Length: 2\r\n\r\nok", "there is no status 099"),
        ("HTTP/1.1 099 X\r\n\r\n", "there is no status 099"),
        ("HTTP/1.1 001 X\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "there is no status 001"),
        ("HTTP/1.1 101 Up\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n", "switches to a protocol"),
        (String(repeating: "HTTP/1.1 103 Early\r\n\r\n", count: 5000), "more than 32 interim answers"),
    ]

    @Test(arguments: violations.indices)
    func `is told what is wrong with its answer`(index: Int) async throws {
        let (answer, reason) = Self.violations[index]
        let server = try await RawServer.start { _ in (Array(answer.utf8), staysOpen: true) }
        let client = client(server.host, idle: .seconds(60))
        let name = try reference("\(server.host)/x:1")
        let blob = BlobSource(data(100))
        let attempts: [() async throws -> Void] = [
            { _ = try await client.manifest(name) }, { _ = try await client.upload(blob, to: Repository(name)) },
            { _ = try await client.push(manifest: emptyManifest, mediaType: .ociManifest, to: name) },
            {
                try await web(idle: .seconds(60)).get(
                    .init(HTTPURL(parsing: "http://\(server.host)/f")),
                    begin: { _ in },
                    receive: { _ in }
                )
            },
        ]
        for attempt in attempts {
            let error = await #expect(throws: (any Error).self) { try await attempt() }
            let text = error.map { "\($0)" } ?? ""
            #expect(text.contains(server.host) && text.contains(reason), "\(text)")
        }
    }

    @Test func `that sends interim answers before its answer is understood`() async throws {
        let interim = ["100 Continue", "102 Processing", "103 Early Hints"].map {
            "HTTP/1.1 \($0)\r\nLink: </a>\r\n\r\n"
        }
        let server = try await RawServer.start { _ in
            (Array((interim.joined() + "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nbytes").utf8), staysOpen: true)
        }
        let body = Mutex<[UInt8]>([])
        try await web(idle: .seconds(60)).get(.init(HTTPURL(parsing: "http://\(server.host)/f")), begin: { _ in }) {
            part in
            body.withLock { $0 += part }
        }
        #expect(body.withLock { $0 } == "bytes")
    }

    @Test func `that goes on with interim answers for ever is given up`() async throws {
        // Each comes within the time limit, which counts for the answer.
        let server = try await RawServer.start(repeatingEvery: .milliseconds(100)) { _ in
            ("HTTP/1.1 103 Early\r\n\r\n", staysOpen: true)
        }
        let error = await #expect(throws: RegistryError.self) {
            try await client(server.host).manifest(reference("\(server.host)/x:1"))
        }
        #expect(
            error
                == .connectionFailed(
                    url: "http://\(server.host)/v2/x/manifests/1",
                    host: server.host,
                    failure: .stalled
                )
        )
    }

    @Test func `that accepts connections and is silent is given up after the time of two handshakes`() async throws {
        let server = try await RawServer.start { _ in ([], staysOpen: true) }
        var configuration = WebClient.Configuration()
        #expect(configuration.patience.connect == .seconds(10))
        configuration.patience.connect = .milliseconds(200)
        let web = WebClient(configuration)
        let start = ContinuousClock.now
        let error = await #expect(throws: HTTPError.self) {
            try await web.get(
                .init(HTTPURL(parsing: "https://\(server.host)/f")),
                begin: { _ in },
                receive: { _ in }
            )
        }
        #expect(error?.description.contains("TLS handshake timed out: \(server.host) accepts connections") == true)
        #expect(ContinuousClock.now - start < .seconds(5))
    }

    @Test func `never makes the client trap or hang, whatever it sends`() async throws {
        let blob = data(3000)
        let server = try await RawServer.start { Self.answer(to: $0, blob) }
        let (client, web) = (client(server.host), web())
        let (right, failed) = (Counter(), Counter())
        try await withThrowingTaskGroup(of: Void.self) { group in
            for number in 0..<5000 {
                if number >= 64 { try await group.next() }
                group.addTask {
                    do {
                        try await Self.ask(number, of: server.host, client, web, blob)
                        _ = right.next()
                    } catch {
                        _ = failed.next()
                        #expect("\(error)".contains(server.host), "\(number): \(error)")
                    }
                }
            }
            try await group.waitForAll()
        }
        // Both kinds of ending were met.
        let (rights, failures) = (right.next(), failed.next())
        #expect(rights > 100 && failures > 1000, "\(rights) and \(failures)")
        try await server.stop()
    }

    /// What is sent through a proxy that breaks the rules: each of its three kinds is asked by clients of another kind.
    @Test(arguments: ["HTTPS_PROXY=http", "HTTP_PROXY=http", "HTTPS_PROXY=socks5"])
    func `that is a proxy does neither`(kind: String) async throws {
        let variable = kind.split(separator: "=").map(String.init)
        let calls = Counter()
        let server = try await RawServer.start { head in
            guard variable[1] == "socks5" else { return Self.answer(to: head, data(3000)) }
            var numbers = SeededNumbers(UInt64(calls.next()))
            let greeting: [UInt8] = numbers.isOne(in: 2) ? [5, 0] : []
            let count = numbers.pick([0, 1, 2, 4, 10, 300])
            return (greeting + (0..<count).map { _ in UInt8.random(in: 0...255, using: &numbers) }, staysOpen: false)
        }
        var configuration = WebClient.Configuration()
        configuration.retries.maximumAttempts = 1
        configuration.patience.idle = .milliseconds(500)
        configuration.patience.connect = .milliseconds(500)
        configuration.proxies = ProxySettings(environment: [variable[0]: "\(variable[1])://localhost:\(server.port)"])
        let web = WebClient(configuration)
        let scheme = variable[0] == "HTTP_PROXY" ? "http" : "https"
        let failed = Counter()
        try await withThrowingTaskGroup(of: Void.self) { group in
            for number in 0..<300 {
                if number >= 64 { try await group.next() }
                group.addTask {
                    let host = "f\(1_000_000 + number).test"
                    do {
                        try await web.get(
                            .init(HTTPURL(parsing: "\(scheme)://\(host)/")),
                            begin: { _ in },
                            receive: { _ in }
                        )
                    } catch {
                        _ = failed.next()
                        #expect("\(error)".contains(host), "\(number): \(error)")
                    }
                }
            }
            try await group.waitForAll()
        }
        #expect(failed.next() > 100)
        try await server.stop()
    }

    /// The answer to a request's head: another to each request that follows the first, and again the same for the same.
    private static func answer(to head: String, _ blob: [UInt8]) -> (bytes: [UInt8], staysOpen: Bool) {
        let target = head.split(separator: " ").dropFirst().first.map(String.init) ?? "/"
        let path = String(target.prefix { $0 != "?" })
        let seed = path.split { !$0.isNumber }.compactMap { UInt64($0) }.max() ?? 0
        var numbers = SeededNumbers(seed)
        for byte in head.prefix(while: { $0 != "\r" }).utf8 { numbers = SeededNumbers(numbers.next() ^ UInt64(byte)) }
        let content = path.contains("manifests") ? emptyManifest : blob
        let answer = HostileAnswer(numbers, host: host(in: head), path: path, content: content)
        return (answer.bytes, answer.staysOpen)
    }

    /// What a request says that the server is called.
    private static func host(in head: String) -> String {
        let line = head.split(separator: "\r\n").first { $0.lowercased().hasPrefix("host:") }
        return line.map { $0.dropFirst(5).trimmingPrefix(" ") }.map(String.init) ?? ""
    }

    /// One of the things that are asked of servers; what comes by digest must be right.
    private static func ask(
        _ number: Int,
        of host: String,
        _ client: RegistryClient,
        _ web: WebClient,
        _ blob: [UInt8]
    ) async throws {
        // The server takes the largest number in the path for the seed.
        let name = try reference("\(host)/x\(1_000_000 + number)")
        let repository = Repository(name)
        switch number % 6 {
        case 0:
            let digest = Digest.sha256(of: emptyManifest)
            let manifest = try await client.manifest(try reference("\(host)/x\(1_000_000 + number)@\(digest)"))
            #expect(manifest.bytes == emptyManifest)
        case 1: #expect(try await client.smallBlob(descriptor(of: blob), from: repository) == blob)
        case 2: _ = try await client.push(manifest: emptyManifest, mediaType: .ociManifest, to: name)
        case 3: _ = try await client.upload(BlobSource(blob), to: repository)
        case 4: _ = try await client.tags(of: repository)
        default:
            try await web.get(
                .init(HTTPURL(parsing: "http://\(host)/\(1_000_000 + number)")),
                begin: { _ in },
                receive: { _ in }
            )
        }
    }
}
