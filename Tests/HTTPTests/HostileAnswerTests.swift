import Fakes
import HTTP
import Proofs
import Synchronization
import Testing
import Text

/// Web servers that break the rules: each request ends in the right bytes or in an error that names the server.
@Suite(.timeLimit(.minutes(2))) struct `A hostile web server` {
    /// A client that asks once and does not wait long.
    private func web(idle: Duration = .milliseconds(500)) -> WebClient {
        var configuration = WebClient.Configuration()
        configuration.retries.maximumAttempts = 1
        configuration.patience.idle = idle
        return WebClient(configuration)
    }

    @Test(arguments: hostileViolations.indices)
    func `is told what is wrong with its answer`(index: Int) async throws {
        let (answer, reason) = hostileViolations[index]
        let server = try await RawServer.start { _ in (Array(answer.utf8), staysOpen: true) }
        let error = await #expect(throws: HTTPError.self) {
            try await web(idle: .seconds(60)).ask("http://\(server.host)/f")
        }
        let text = error.map { "\($0)" } ?? ""
        #expect(text.contains(server.host) && text.contains(reason), "\(text)")
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

    @Test(.proves("A14: a server that accepts connections and is silent"))
    func `that accepts connections and is silent is given up after the time of two handshakes`() async throws {
        let server = try await RawServer.start { _ in ([], staysOpen: true) }
        var configuration = WebClient.Configuration()
        #expect(configuration.patience.connect == .seconds(10))
        configuration.patience.connect = .seconds(1)
        let web = WebClient(configuration)
        let start = ContinuousClock.now
        let error = await #expect(throws: HTTPError.self) {
            try await web.ask("https://\(server.host)/f")
        }
        #expect(error?.description.contains("TLS handshake timed out: \(server.host) accepts connections") == true)
        #expect(ContinuousClock.now - start < .seconds(5))
    }

    @Test func `never makes the client trap or hang, whatever it sends`() async throws {
        let server = try await RawServer.start { head in
            let answer = HostileAnswer(to: head) { _ in data(3000) }
            return (answer.bytes, answer.staysOpen)
        }
        let web = web()
        let (successes, failures) = await outcomes(1000) { number in
            try await web.ask("http://\(server.host)/\(1_000_000 + number)")
        }
        // Both kinds of ending were met.
        #expect(successes > 20 && failures.count > 200, "\(successes) and \(failures.count)")
        #expect(failures.filter { !$0.value.contains(server.host) } == [:])
        try await server.stop()
    }

    /// What is sent through a proxy that breaks the rules: each of its three kinds is asked by clients of another kind.
    @Test(arguments: ["HTTPS_PROXY=http", "HTTP_PROXY=http", "HTTPS_PROXY=socks5"])
    func `does neither as a proxy`(kind: String) async throws {
        let variable = kind.split(separator: "=").map(String.init)
        let calls = Counter()
        let server = try await RawServer.start { head in
            guard variable[1] == "socks5" else {
                let answer = HostileAnswer(to: head) { _ in data(3000) }
                return (answer.bytes, answer.staysOpen)
            }
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
        let (_, failures) = await outcomes(300) { number in
            try await web.ask("\(scheme)://f\(1_000_000 + number).test/")
        }
        #expect(failures.filter { !$0.value.contains("f\(1_000_000 + $0.key).test") } == [:])
        #expect(failures.count > 100)
        try await server.stop()
    }
}

extension WebClient {
    /// Reads an address and drops what comes.
    fileprivate func ask(_ address: String) async throws {
        try await get(.init(HTTPURL(parsing: address)), begin: { _ in }, receive: { _ in })
    }
}
