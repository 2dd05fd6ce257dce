import Fakes
import NIOCore
import RPC
import RPCFakes
import SwiftProtobuf
import Synchronization
import SystemPackage
import Tasks
import Testing

@Suite struct `A connection of gRPC` {
    @Test func `bears a thousand PINGs between its messages`() async throws {
        let answers = Mutex(0)
        try await withSocket { socket in
            try await withServer([TestService()], at: [socket]) { addresses in
                let channel = try await connect(to: addresses[0]) { PingSender { answers.withLock { $0 += 1 } } }
                try await RPCConnection.over(channel) { connection in
                    for number in 0..<1000 { try await connection.expectEcho("\(number)") }
                }
            }
        }
        #expect(answers.withLock { $0 } >= 1000)
    }

    @Test func `that ends cancels what the server does for it`() async throws {
        let service = TestService()
        try await withSocket { socket in
            try await withServer([service], at: [socket]) { addresses in
                let channel = try await connect(to: addresses[0])
                try await RPCConnection.over(channel) { connection in
                    async let failed = failure {
                        let _: Text = try await connection.unary(TestService.name, "Hang", Text())
                    }
                    await service.hasBegun.value()
                    channel.close(promise: nil)
                    let code = try await failed?.code
                    #expect(code == .unavailable)
                    await service.isCancelled.value()
                }
            }
        }
    }

    @Test func `refuses a method that there is not`() async throws {
        try await withSocket { socket in
            try await withServer([TestService()], at: [socket]) { addresses in
                try await withConnection(to: addresses[0]) { connection in
                    let failed = try await failure {
                        let _: Text = try await connection.unary(TestService.name, "Nothing", Text())
                    }
                    #expect(failed?.code == .unimplemented)
                    #expect(try await connection.echo("still there") == "still there")
                }
            }
        }
    }

    @Test func `refuses a message that is too large, and says how large one may be`() async throws {
        let limit = 1 << 20
        try await withSocket { socket in
            try await withServer([TestService()], messageLimit: limit, at: [socket]) { addresses in
                try await withConnection(to: addresses[0]) { connection in
                    func count(_ size: Int) async throws -> String {
                        let message = Bytes.with { $0.value = .init(repeating: 1, count: size) }
                        let answer: Text = try await connection.unary(TestService.name, "Count", message)
                        return answer.value
                    }
                    let failed = try await failure { _ = try await count(limit) }
                    #expect(failed?.code == .resourceExhausted)
                    #expect(failed?.message == "the message has \(limit + 4) bytes; at most \(limit) are allowed")
                    #expect(try await failure { _ = try await count(3 * limit) }?.code == .unavailable)
                    #expect(try await count(limit - 4) == "\(limit - 4)")
                }
            }
        }
    }
}

/// Sends a PING after each burst of frames, as grpc-go does, and counts the answers.
private final class PingSender: ChannelDuplexHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let answered: () -> Void
    /// RFC 9113, section 6.7.
    private static let ping: [UInt8] = [0, 0, 8, 6, 0, 0, 0, 0, 0] + Array("pingping".utf8)
    private static let answer: [UInt8] = [0, 0, 8, 6, 1, 0, 0, 0, 0] + Array("pingping".utf8)

    init(_ answered: @escaping () -> Void) { self.answered = answered }

    func flush(context: ChannelHandlerContext) {
        context.write(wrapOutboundOut(ByteBuffer(bytes: Self.ping)), promise: nil)
        context.flush()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        // The handler of HTTP/2 at this end would not bear so many answers to questions that it did not ask.
        var rest = Array(unwrapInboundIn(data).readableBytesView)[...]
        var others: [UInt8] = []
        while !rest.isEmpty {
            if rest.starts(with: Self.answer) {
                answered()
                rest = rest.dropFirst(Self.answer.count)
            } else {
                others.append(rest.removeFirst())
            }
        }
        context.fireChannelRead(wrapInboundOut(ByteBuffer(bytes: others)))
    }
}

/// Lends a place for a socket.
func withSocket(_ body: (RPCListener) async throws -> Void) async throws {
    try await withTemporaryDirectory { directory in
        try await body(.unix(directory.appending("s"), group: nil, mode: 0o600))
    }
}
