import Foundation
import HTTP
import OCI
import Proofs
import Synchronization
import Testing
import Text

/// ADD of what a web server has.
@Suite(.requires(.root, .program("crun"), .program("python3")))
struct `Adding from a web server` {
    private let scratch: TemporaryDirectory
    private let slipway: Slipway
    private let store: TemporaryDirectory

    init() throws {
        scratch = try TemporaryDirectory()
        (slipway, store) = try Slipway.isolated()
    }

    private func build(_ dockerfile: String, _ options: String...) async throws -> ProgramResult {
        try await slipway.build(dockerfile, options, in: scratch)
    }

    @Test(.proves("ADD of URLs")) func `a file has the name of the address, mode 600 and the server's time`()
        async throws
    {
        let server = try await WebServer.start()
        try server.put("hello\n", at: "a file.txt")
        let files = try await slipway.listing(
            of: """
                FROM scratch
                ADD \(server.address)/a%20file.txt?x=1 /in/
                ADD --chmod=751 --chown=12:34 \(server.address)/named/evil%2F..%2Fname/a%20file.txt /out
                """,
            in: scratch
        )
        #expect(files.contains("-rw------- 0/0 6 2020-02-02 02:02:02 in/a file.txt"))
        #expect(files.contains("-rwxr-x--x 12/34 6 2020-02-02 02:02:02 out"))
    }

    @Test(.proves("ADD of URLs", "ADD of a URL"))
    func `a file that did not change is asked for once and not sent again`() async throws {
        let server = try await WebServer.start()
        try server.put("one", at: "f")
        let dockerfile = "FROM scratch\nADD \(server.address)/f /f\n"
        #expect(try await build(dockerfile).status == 0)
        let second = try await build(dockerfile)
        #expect(second.status == 0)
        #expect(second.errorText.contains("CACHED"))
        let seen = try server.requests()
        #expect(seen.map(\.status) == [200, 304])
        #expect(seen.last?.header("If-None-Match") != nil)
        try server.put("two", at: "f")
        let third = try await build(dockerfile, "-o", "type=local,dest=../out")
        #expect(third.status == 0)
        #expect(try String(contentsOf: scratch.url.appending(path: "out/f"), encoding: .utf8) == "two")
    }

    @Test func `a file that a server sends again under the same tag is not awaited`() async throws {
        let server = try await WebServer.start()
        try server.put("one", at: "f")
        let dockerfile = "FROM scratch\nADD \(server.address)/stubborn/f /f\n"
        #expect(try await build(dockerfile).status == 0)
        let second = try await build(dockerfile)
        #expect(second.status == 0 && second.errorText.contains("CACHED"), "\(second.errorText)")
        #expect(try server.requests().map(\.status) == [200, 200])
        try server.put("two", at: "f")
        #expect(try await build(dockerfile, "-o", "type=local,dest=../out").status == 0)
        #expect(try String(contentsOf: scratch.url.appending(path: "out/f"), encoding: .utf8) == "two")
    }

    @Test(.proves("C8: ADD of what is served with Content-Encoding: gzip"))
    func `a file that the server compresses for the transfer is the file, and its checksum too`() async throws {
        let server = try await WebServer.start()
        let text = String(repeating: "text\n", count: 100_000)
        try server.put(text, at: "f")
        let digest = Digest.sha256(of: Array(text.utf8))
        for flag in ["", "--checksum=\(digest) "] {
            let dockerfile = "FROM scratch\nADD \(flag)\(server.address)/gzip/f /f\n"
            let built = try await build(dockerfile, "-o", "type=local,dest=../out")
            try #require(built.status == 0, "\(built.errorText)")
            #expect(try String(contentsOf: scratch.url.appending(path: "out/f"), encoding: .utf8) == text)
        }
        let seen = try server.requests()
        #expect(seen.first?.header("Accept-Encoding") == "gzip")
        let again = try await build("FROM scratch\nADD \(server.address)/gzip/f /f\n")
        #expect(again.errorText.contains("CACHED"))
        #expect(try server.requests().last?.status == 304)
    }

    @Test(.proves("C12: an address with an empty port"))
    func `an address without a port after the colon has the scheme's own`() async throws {
        let built = try await build("FROM scratch\nADD http://127.0.0.1:/f /f\n")
        #expect(built.status == 1 && built.errorText.contains("127.0.0.1/f"), "\(built.errorText)")
        #expect(!built.errorText.contains("invalid"), "\(built.errorText)")
    }

    @Test(.proves("ADD --checksum")) func `a checksum is checked before the file is used and spares the question`()
        async throws
    {
        let server = try await WebServer.start()
        try server.put("content", at: "f")
        let right = Digest.sha256(of: "content")
        let wrong = Digest.sha256(of: "other")
        let refused = try await build("FROM scratch\nADD --checksum=\(wrong) \(server.address)/f /f\n")
        #expect(refused.status == 1)
        #expect(refused.errorText.contains("Dockerfile:2"))
        #expect(refused.errorText.contains(">>> ADD --checksum"))
        #expect(refused.errorText.contains("\(wrong)") && refused.errorText.contains("\(right)"))
        let dockerfile = "FROM scratch\nADD --checksum=\(right) \(server.address)/f /f\n"
        #expect(try await build(dockerfile).status == 0)
        let asked = try server.requests().count
        #expect(try await build(dockerfile).status == 0)
        #expect(try server.requests().count == asked)
    }

    @Test(.proves("ADD of URLs")) func `archives are unpacked only where that is asked for`() async throws {
        let server = try await WebServer.start()
        let made = try await runProgram(
            "sh",
            ["-c", "mkdir d && echo x > d/f && echo y > d/g && tar -czf a.tgz d"],
            in: server.directory
        )
        try #require(made.status == 0)
        let files = try await slipway.listing(
            of: """
                FROM scratch
                ADD \(server.address)/a.tgz /packed/
                ADD --unpack=true \(server.address)/a.tgz /unpacked/
                """,
            in: scratch
        )
        #expect(files.contains { $0.hasSuffix(" packed/a.tgz") })
        #expect(files.contains { $0.hasSuffix(" unpacked/d/f") })
        #expect(!files.contains { $0.hasSuffix(" unpacked/a.tgz") })
    }

    @Test func `an error of the server is shown at the line of the Dockerfile`() async throws {
        let server = try await WebServer.start()
        let result = try await build("FROM scratch\n\nADD \(server.address)/missing /f\n")
        #expect(result.status == 1)
        #expect(result.errorText.contains("Dockerfile:3"))
        #expect(result.errorText.contains("invalid response status 404 from \(server.address)/missing"))
        let redirected = try await build("FROM scratch\nADD \(server.address)/to/file%3A%2F%2F%2Fetc%2Fpasswd /f\n")
        #expect(redirected.status == 1)
        #expect(redirected.errorText.contains("redirects to \"file:///etc/passwd\""))
    }

    @Test func `an answer without end is cut off`() async throws {
        let server = try await WebServer.start()
        var configuration = WebClient.Configuration()
        configuration.maximumSize = 10 << 20
        let client = WebClient(configuration)
        let url = try HTTPURL(parsing: "\(server.address)/endless")
        let received = Mutex(0)
        await #expect(throws: HTTPError.tooLarge(url: url.description, limit: 10 << 20)) {
            try await client.get(WebClient.Request(url)) { _ in
            } receive: { bytes in
                received.withLock { $0 += bytes.count }
            }
        }
        #expect((1...(10 << 20)).contains(received.withLock { $0 }))
    }

    @Test func `credentials of an address are sent to its host alone and shown nowhere`() async throws {
        let server = try await WebServer.start()
        let other = try await WebServer.start()
        try other.put("x", at: "f")
        let target = "\(other.address)/f".addingPercentEncoding(withAllowedCharacters: .alphanumerics) ?? ""
        let result = try await build(
            "FROM scratch\nADD http://canary-user:canary-password@127.0.0.1:\(server.port)/to/\(target) /f\n",
            "-t",
            "credentials"
        )
        try #require(result.status == 0, "\(result.errorText)")
        let token = Data("canary-user:canary-password".utf8).base64EncodedString()
        #expect(try server.requests().map { $0.header("Authorization") } == ["Basic \(token)"])
        #expect(try other.requests().map { $0.header("Authorization") } == [nil])
        #expect(!result.errorText.contains("canary"))
        let history = try await slipway.succeed("history", "--no-trunc", "credentials")
        #expect(history.contains("xxxxx:xxxxx@") && !history.contains("canary"))
    }
}
