import NIOCore
import RPC
import RPCFakes
import Testing

/// Answers after which a connection is no more HTTP's, and answers that begin late.
@Suite struct `An answer` {
    private struct Refusal: Error {}

    private static let web = WebDoor(answer: { question in
        var answer: WebAnswer
        switch question.path {
        case "/plain":
            let body = (try? await question.body.bytes(limit: 100)) ?? []
            answer = WebAnswer(
                status: 101,
                headers: [("Connection", "Upgrade"), ("Upgrade", "tcp")],
                connection: { stream in
                    try await stream.write(body + [0x3a])
                }
            )
        case "/fails":
            answer = WebAnswer(status: 200, stream: { _ in throw Refusal() })
        case "/fails/late":
            answer = WebAnswer(
                status: 200,
                stream: { writer in
                    try await writer.begin()
                    throw Refusal()
                }
            )
        default: answer = WebAnswer(status: 200, stream: { try await $0.write(Array("late".utf8)) })
        }
        answer.failure = { _ in WebAnswer(status: 418, body: Array("refused".utf8)) }
        return answer
    })

    private func answer(to request: String, then bytes: String = "") async throws -> String {
        var text = ""
        try await withSocket { socket in
            text = try await withServer(web: Self.web, at: [socket]) { addresses in
                try await exchange(Array((request + bytes).utf8), with: addresses[0])
            }
        }
        return text
    }

    @Test func `has the connection carry plain bytes after an upgrade`() async throws {
        let request =
            "POST /plain HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n"
        let answer = try await answer(to: request)
        #expect(answer.hasPrefix("HTTP/1.1 101 "))
        #expect(answer.hasSuffix("\r\n\r\n:"))
        #expect(!answer.lowercased().contains("content-length"))
    }

    @Test func `hands over nothing where the client asks for no upgrade`() async throws {
        let answer = try await answer(
            to: "POST /plain HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n",
            then: "GET / HTTP/1.1\r\n\r\n"
        )
        #expect(answer.isEmpty)
    }

    @Test func `that fails before its first byte is another one`() async throws {
        let answer = try await answer(to: "GET /fails HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        #expect(answer.hasPrefix("HTTP/1.1 418 "))
        #expect(answer.hasSuffix("\r\n\r\nrefused"))
    }

    @Test func `that fails later has no end`() async throws {
        let answer = try await answer(to: "GET /fails/late HTTP/1.1\r\nHost: x\r\n\r\n")
        #expect(answer.hasPrefix("HTTP/1.1 200 "))
        #expect(!answer.contains("\r\n0\r\n"))
    }

    @Test func `begins with its first byte`() async throws {
        let answer = try await answer(to: "GET /late HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        #expect(answer.hasPrefix("HTTP/1.1 200 "))
        #expect(answer.contains("late"))
        #expect(answer.hasSuffix("0\r\n\r\n"))
    }
}
