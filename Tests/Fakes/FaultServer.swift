internal import NIOCore
package import NIOHTTP1
internal import NIOPosix
internal import Synchronization

/// One request as the server saw it.
package struct SeenRequest: Sendable {
    package let method: String
    /// Path and query.
    package let target: String
    package let headers: HTTPHeaders
    package let body: [UInt8]

    package var path: String { String(target.prefix { $0 != "?" }) }
    package func header(_ name: String) -> String? { headers.first(name: name) }
}

/// What the server does with a request.
package struct ServerAnswer: Sendable {
    package var status = 200
    package var headers: [(String, String)] = []
    package var body: [UInt8] = []
    /// Said in `Content-Length` instead of the body's own length.
    package var statedLength: Int?
    /// Closes the connection after this many bytes of the body.
    package var cutAfter: Int?
    /// Sends this many bytes of the body and then nothing more.
    package var stallAfter: Int?
    /// Closes the connection without any answer.
    package var closesAtOnce = false

    package init(
        status: Int = 200,
        headers: [(String, String)] = [],
        body: [UInt8] = [],
        statedLength: Int? = nil,
        cutAfter: Int? = nil
    ) {
        self.status = status
        self.headers = headers
        self.body = body
        self.statedLength = statedLength
        self.cutAfter = cutAfter
    }

    package static func text(_ status: Int, _ text: String = "", _ headers: [(String, String)] = []) -> ServerAnswer {
        ServerAnswer(status: status, headers: headers, body: Array(text.utf8))
    }

    package static func error(_ status: Int, _ code: String, _ message: String, _ headers: [(String, String)] = [])
        -> ServerAnswer
    {
        text(
            status,
            #"{"errors":[{"code":"\#(code)","message":"\#(message)"}]}"#,
            headers + [("Content-Type", "application/json")]
        )
    }
}

/// An HTTP server on a loopback port that injects faults; what it answers is a closure's decision.
package final class FaultServer: Sendable {
    package typealias Handler = @Sendable (SeenRequest) -> ServerAnswer

    private let channel: any Channel
    private let log: Log

    fileprivate final class Log: Sendable {
        let seen = Mutex<[SeenRequest]>([])
    }

    package var port: Int { channel.localAddress?.port ?? 0 }
    /// Its address and port: `127.0.0.1:port`.
    package var host: String { "127.0.0.1:\(port)" }
    package var requests: [SeenRequest] { log.seen.withLock { $0 } }

    private init(channel: any Channel, log: Log) {
        self.channel = channel
        self.log = log
    }

    package static func start(_ handler: @escaping Handler) async throws -> FaultServer {
        let log = Log()
        let channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.configureHTTPServerPipeline(withErrorHandling: false)
                    try channel.pipeline.syncOperations.addHandler(Connection(handler: handler, log: log))
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        return FaultServer(channel: channel, log: log)
    }

    package func stop() async throws { try await channel.close() }

    private final class Connection: ChannelInboundHandler {
        typealias InboundIn = HTTPServerRequestPart
        typealias OutboundOut = HTTPServerResponsePart

        let handler: Handler
        let log: Log
        var head: HTTPRequestHead?
        var body: [UInt8] = []

        init(handler: @escaping Handler, log: Log) {
            self.handler = handler
            self.log = log
        }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            switch unwrapInboundIn(data) {
            case .head(let head):
                self.head = head
                body = []
            case .body(let part): body += part.readableBytesView
            case .end:
                guard let head else { return }
                let seen = SeenRequest(
                    method: head.method.rawValue,
                    target: head.uri,
                    headers: head.headers,
                    body: body
                )
                log.seen.withLock { $0.append(seen) }
                send(handler(seen), to: head, context: context)
            }
        }

        func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }

        private func send(_ answer: ServerAnswer, to request: HTTPRequestHead, context: ChannelHandlerContext) {
            if answer.closesAtOnce { return context.close(promise: nil) }
            var headers = HTTPHeaders(answer.headers)
            let length = answer.statedLength ?? answer.body.count
            if answer.status != 204 && !headers.contains(name: "Content-Length") {
                headers.add(name: "Content-Length", value: "\(length)")
            }
            let head = HTTPResponseHead(version: .http1_1, status: .init(statusCode: answer.status), headers: headers)
            context.write(wrapOutboundOut(.head(head)), promise: nil)
            let isHead = request.method == .HEAD
            let limit = answer.cutAfter ?? answer.stallAfter ?? answer.body.count
            let body = isHead ? [] : Array(answer.body.prefix(limit))
            if !body.isEmpty {
                context.write(wrapOutboundOut(.body(.byteBuffer(ByteBuffer(bytes: body)))), promise: nil)
            }
            if answer.cutAfter != nil {
                let channel = context.channel
                context.flush()
                channel.eventLoop.scheduleTask(in: .milliseconds(20)) { channel.close(promise: nil) }
            } else if answer.stallAfter != nil {
                context.flush()
            } else {
                context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
            }
        }
    }
}
