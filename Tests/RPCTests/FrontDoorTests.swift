import Fakes
import NIOCore
import RPC
import RPCFakes
import SystemPackage
import Tasks
import Testing

@Suite struct `A socket` {
    private let web = WebDoor(answer: { question in
        WebAnswer(status: 200, body: Array("\(question.method) \(question.unversionedPath)".utf8))
    })

    @Test func `takes HTTP/2, HTTP/1.1, and what becomes HTTP/2 after a request`() async throws {
        try await withSocket { socket in
            try await withServer([TestService()], web: web, at: [socket]) { addresses in
                try await withConnection(to: addresses[0]) { try await $0.expectEcho("one") }
                let request = "GET /v1.48/info HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
                let answer = try await exchange(Array(request.utf8), with: addresses[0])
                #expect(answer.hasPrefix("HTTP/1.1 200"))
                #expect(answer.hasSuffix("\r\n\r\nGET /info"))
                let (channel, status, resume) = try await upgrade(
                    addresses[0],
                    request: "POST /grpc HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n"
                )
                #expect(status.hasPrefix("HTTP/1.1 101"))
                try await RPCConnection.over(channel, configured: resume) { try await $0.expectEcho("two") }
            }
        }
    }

    @Test func `lets the server call a client that asks for it by POST /session`() async throws {
        let called = Promise<(String, RPCFailure?)>()
        let web = WebDoor(session: { question, connection in
            let failed = try? await failure { _ = try await connection.echo("over there") }
            called.keep((question.values("X-Docker-Expose-Session-Uuid").joined(), failed))
        })
        try await withSocket { socket in
            try await withServer(web: web, at: [socket]) { addresses in
                let (channel, status, _) = try await upgrade(
                    addresses[0],
                    request:
                        "POST /session HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n"
                        + "X-Docker-Expose-Session-Uuid: abc\r\n\r\n"
                )
                #expect(status.hasPrefix("HTTP/1.1 101"))
                // No server answers behind this end: the call fails when it closes.
                try await channel.close()
                let (id, failed) = await called.value()
                #expect(id == "abc")
                #expect(failed?.code == .unavailable)
            }
        }
    }

    @Test(
        arguments: [
            ("garbage", Array(repeating: 0xff, count: 4096)),
            ("a header without an end", Array("GET / HTTP/1.1\r\nX: \(String(repeating: "a", count: 1 << 20))".utf8)),
            ("headers without an end", Array(String(repeating: "X: y\r\n", count: 1 << 16).utf8)),
            (
                "a body without an end",
                Array("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n".utf8)
            ),
            (
                "a body that is too large",
                Array("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9000000\r\n\r\n".utf8)
                    + Array(repeating: 97, count: 5 << 20)
            ),
            (
                "HTTP/2 with a frame that is too large",
                Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8) + [0xff, 0xff, 0xff, 4, 0, 0, 0, 0, 0]
            ),
            (
                "HTTP/2 with headers that cannot be read",
                Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8) + [0, 0, 0, 4, 0, 0, 0, 0, 0]
                    + [0, 0, 4, 1, 4, 0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff]
            ),
        ] as [(String, [UInt8])]
    )
    func `closes the connection of a peer that sends nonsense, and serves others`(_: String, bytes: [UInt8])
        async throws
    {
        try await withSocket { socket in
            try await withServer([TestService()], web: web, at: [socket]) { addresses in
                try await withConnection(to: addresses[0]) { connection in
                    _ = try await exchange(bytes, with: addresses[0])
                    #expect(try await connection.echo("here") == "here")
                }
            }
        }
    }

    @Test(arguments: ["GET / HT", "GET / HTTP/1.1\r\nHost: x\r\n", "PRI * HTT"])
    func `closes the connection of a peer that does not finish its request`(bytes: String) async throws {
        let web = WebDoor(patience: .milliseconds(50))
        try await withSocket { socket in
            try await withServer(web: web, at: [socket]) { addresses in
                let answer = try await exchange(Array(bytes.utf8), with: addresses[0])
                #expect(answer == "")
            }
        }
    }
}
