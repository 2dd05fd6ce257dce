internal import NIOCore
internal import NIOPosix

/// A server that sends bytes as they are, whatever it is asked.
package final class RawServer: Sendable {
    /// The bytes for a request's head, and whether the connection stays open after them.
    package typealias Handler = @Sendable (_ head: String) -> (bytes: [UInt8], staysOpen: Bool)

    private let channel: any Channel

    package var port: Int { channel.localAddress?.port ?? 0 }
    package var host: String { "127.0.0.1:\(port)" }

    private init(channel: any Channel) { self.channel = channel }

    /// A server that answers once or, with an interval, sends the same again after each.
    package static func start(repeatingEvery interval: Duration? = nil, _ handler: @escaping Handler) async throws
        -> RawServer
    {
        let channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .serverChannelOption(.backlog, value: 1024)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(Connection(handler, interval.map { TimeAmount($0) }))
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        return RawServer(channel: channel)
    }

    package func stop() async throws { try await channel.close() }

    private final class Connection: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer
        typealias OutboundOut = ByteBuffer

        private let handler: Handler
        private let interval: TimeAmount?
        private var received: [UInt8] = []
        private var hasAnswered = false

        init(_ handler: @escaping Handler, _ interval: TimeAmount?) {
            self.handler = handler
            self.interval = interval
        }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            received += unwrapInboundIn(data).readableBytesView
            let text = String(decoding: received, as: UTF8.self)
            // The other kind of request is the greeting of SOCKS.
            guard !hasAnswered, text.contains("\r\n\r\n") || received.first == 5 else { return }
            hasAnswered = true
            let (bytes, staysOpen) = handler(text)
            context.writeAndFlush(wrapOutboundOut(ByteBuffer(bytes: bytes)), promise: nil)
            if !staysOpen { return context.close(mode: .output, promise: nil) }
            guard let interval else { return }
            let channel = context.channel
            channel.eventLoop.scheduleRepeatedTask(initialDelay: interval, delay: interval) { task in
                guard channel.isActive else { return task.cancel() }
                channel.writeAndFlush(ByteBuffer(bytes: bytes), promise: nil)
            }
        }

        func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
    }
}

/// Answers that would stop the process or never end, and what is said of them.
package let hostileViolations: [(answer: String, reason: String)] = [
    ("HTTP/1.1 000 X\r\nContent-Length: 2\r\n\r\nok", "there is no status 000"),
    ("HTTP/1.1 099 X\r\nContent-Length: 2\r\n\r\nok", "there is no status 099"),
    ("HTTP/1.1 099 X\r\n\r\n", "there is no status 099"),
    ("HTTP/1.1 001 X\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "there is no status 001"),
    ("HTTP/1.1 101 Up\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n", "switches to a protocol"),
    (String(repeating: "HTTP/1.1 103 Early\r\n\r\n", count: 5000), "more than 32 interim answers"),
]
