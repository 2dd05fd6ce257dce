import Fakes
import HTTP
import NIOHTTP1
import Synchronization
import Testing
import Text

@Suite struct `Reading from web servers` {
    /// Reads an address whole.
    private func read(
        _ address: String,
        limit: Int64? = nil,
        clock: PatientClock = PatientClock(),
        _ change: (inout WebClient.Request) -> Void = { _ in }
    ) async throws -> (head: WebClient.Head, body: [UInt8]) {
        var configuration = WebClient.Configuration()
        configuration.timekeeper = clock.timekeeper
        var request = WebClient.Request(try HTTPURL(parsing: address))
        change(&request)
        let body = Mutex<[UInt8]>([])
        let head = try await WebClient(configuration).get(request, limit: limit) { _ in
            body.withLock { $0 = [] }
        } receive: { bytes in
            body.withLock { $0 += bytes }
        }
        return (head, body.withLock { $0 })
    }

    @Test func `a transfer that breaks off starts over`() async throws {
        let counter = Counter()
        let content = data(100_000)
        let server = try await FaultServer.start { _ in
            var answer = ServerAnswer(body: content)
            if counter.next() < 3 { answer.cutAfter = 50_000 }
            return answer
        }
        let clock = PatientClock()
        #expect(try await read("http://\(server.host)/f", clock: clock).body == content)
        #expect(server.requests.count == 3)
        #expect(clock.waited.withLock { $0 }.count == 2)
    }

    @Test func `busy servers are asked again, missing files are not`() async throws {
        let counter = Counter()
        let server = try await FaultServer.start { request in
            request.path == "/busy" && counter.next() < 3 ? .text(503) : .text(request.path == "/busy" ? 200 : 404)
        }
        _ = try await read("http://\(server.host)/busy")
        #expect(server.requests.count == 3)
        await #expect(throws: HTTPError.refused(url: "http://\(server.host)/none", status: 404, message: nil)) {
            try await read("http://\(server.host)/none?signature=secret")
        }
        #expect(server.requests.count == 4)
    }

    @Test func `an answer that declares too many bytes is not read`() async throws {
        let server = try await FaultServer.start { _ in ServerAnswer(body: data(300_000)) }
        await #expect(throws: HTTPError.tooLarge(url: "http://\(server.host)/f", limit: 100_000)) {
            try await read("http://\(server.host)/f", limit: 100_000)
        }
        #expect(server.requests.count == 1)
    }

    @Test(arguments: [301, 302, 303, 307, 308])
    func `credentials and headers stay with the host they are for`(status: Int) async throws {
        let other = try await FaultServer.start { _ in .text(200, "x") }
        let server = try await FaultServer.start { request in
            request.path == "/first"
                ? .text(status, "", [("Location", "/second")])
                : .text(status, "", [("Location", "http://\(other.host)/third")])
        }
        let (head, _) = try await read("http://\(server.host)/first") { request in
            request.authorization = Secret("Bearer canary")
            request.headers = [("X-Token", "canary"), ("If-None-Match", "\"tag\"")]
        }
        #expect(head.url.description == "http://\(other.host)/third")
        #expect(server.requests.map { $0.header("Authorization") } == ["Bearer canary", "Bearer canary"])
        #expect(server.requests.map { $0.header("X-Token") } == ["canary", "canary"])
        #expect(other.requests.map { $0.header("Authorization") } == [nil])
        #expect(other.requests.map { $0.header("X-Token") } == [nil])
        #expect(other.requests.map { $0.header("If-None-Match") } == ["\"tag\""])
    }

    @Test func `redirects in a circle end`() async throws {
        let server = try await FaultServer.start { _ in .text(302, "", [("Location", "/again")]) }
        await #expect(throws: HTTPError.tooManyRedirects(url: "http://\(server.host)/f", limit: 5)) {
            try await read("http://\(server.host)/f")
        }
        #expect(server.requests.count == 6)
    }

    @Test(arguments: [
        "file:///etc/passwd", "unix:///run/x", "http://user@127.0.0.1/x", "http:///", "//\u{e9}.example/",
    ])
    func `redirects to anything but a web address are refused`(location: String) async throws {
        let server = try await FaultServer.start { _ in .text(302, "", [("Location", location)]) }
        await #expect(throws: HTTPError.self) { try await read("http://\(server.host)/f") }
        #expect(server.requests.count == 1)
    }
}
