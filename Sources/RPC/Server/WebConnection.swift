internal import NIOCore
internal import NIOHTTP1
internal import Synchronization

/// One connection of HTTP/1.1: its requests are read one after the other, and each is answered before the next is read.
///
/// It runs in a task that is cancelled when the client goes away.
struct WebConnection: Sendable {
    typealias Wrapped = NIOAsyncChannel<HTTPServerRequestPart, HTTPServerResponsePart>
    typealias Outbound = NIOAsyncChannelOutboundWriter<HTTPServerResponsePart>

    /// How much of a body that nothing has read is passed over to get at the next request.
    private static let skipLimit = 256 << 10

    let channel: Wrapped
    let answer: @Sendable (WebQuestion) async -> WebAnswer

    /// Answers requests until the client or an answer ends the connection.
    func serve() async throws {
        try await channel.executeThenClose { inbound, outbound in
            let parts = RequestParts(inbound)
            while let head = try await parts.nextHead() {
                try await enter(.answering)
                let body = WebBody { try await parts.nextPiece() }
                let answer = await answer(WebQuestion(head, body: body))
                if case .connection(let carry) = answer.body {
                    // The rest of this request does not belong to the stream, and after any other request the next may follow.
                    guard head.asksForUpgrade, try await body.isAtEnd(within: Self.skipLimit) else { return }
                    // Both before the client knows that it may send: what it sends and that it sends no more can come at once.
                    try await channel.channel.setOption(.allowRemoteHalfClosure, value: true).get()
                    try await channel.channel.triggerUserOutboundEvent(PlainBytes.Begin()).get()
                    try await writeHead(of: answer, to: head, outbound)
                    let stream = WebStream(
                        receive: { try await parts.nextRawPiece() },
                        send: { try await outbound.write(.body(.byteBuffer(ByteBuffer(bytes: $0)))) }
                    )
                    try await carry(stream)
                    // The end of the connection drops what has not reached the system.
                    return try await channel.channel.writeAndFlush(
                        HTTPServerResponsePart.body(.byteBuffer(ByteBuffer()))
                    ).get()
                }
                try await write(answer, to: head, outbound)
                guard head.isKeepAlive, try await body.isAtEnd(within: Self.skipLimit) else { return }
                try await enter(.waiting)
            }
        }
    }

    private func enter(_ phase: RequestGuard.Phase) async throws {
        try await channel.channel.triggerUserOutboundEvent(phase).get()
    }

    private func writeHead(of answer: WebAnswer, to head: HTTPRequestHead, _ outbound: Outbound) async throws {
        var headers = HTTPHeaders(answer.headers)
        if case .bytes(let bytes) = answer.body {
            headers.replaceOrAdd(name: "Content-Length", value: String(bytes.count))
        }
        if !head.isKeepAlive { headers.replaceOrAdd(name: "Connection", value: "close") }
        let status = HTTPResponseStatus(statusCode: answer.status)
        // Without a length NIO sends chunks, and to clients of HTTP/1.0 everything until the end of the connection.
        try await outbound.write(.head(HTTPResponseHead(version: head.version, status: status, headers: headers)))
    }

    private func write(_ answer: WebAnswer, to head: HTTPRequestHead, _ outbound: Outbound) async throws {
        switch answer.body {
        case .bytes(let bytes):
            try await writeHead(of: answer, to: head, outbound)
            if head.method != .HEAD, !bytes.isEmpty {
                try await outbound.write(.body(.byteBuffer(ByteBuffer(bytes: bytes))))
            }
        case .stream(let produce):
            let begun = Begun()
            let writer = WebWriter { bytes in
                if begun.isFirst() { try await writeHead(of: answer, to: head, outbound) }
                // An empty piece would be taken for the end.
                if !bytes.isEmpty { try await outbound.write(.body(.byteBuffer(ByteBuffer(bytes: bytes)))) }
            }
            do {
                if head.method != .HEAD { try await produce(writer) }
                try await begun.hasBegun ? () : writer.begin()
            } catch {
                guard !begun.hasBegun, let failure = answer.failure?(error) else { throw error }
                return try await write(failure, to: head, outbound)
            }
        case .connection: return
        }
        try await outbound.write(.end(nil))
    }
}

extension HTTPRequestHead {
    /// Whether the client speaks something else after this request: then the decoder reads nothing behind it.
    fileprivate var asksForUpgrade: Bool {
        headers.contains(name: UpgradeSorter.header)
    }
}

/// Whether the head of an answer was sent.
private final class Begun: Sendable {
    private let state = Mutex(false)

    var hasBegun: Bool { state.withLock { $0 } }

    /// True once.
    func isFirst() -> Bool {
        state.withLock { state in
            defer { state = true }
            return !state
        }
    }
}

/// The parts of the requests on a connection.
///
/// Not checked by the compiler: the iterator is used by one task at a time, that which answers the request.
private final class RequestParts: @unchecked Sendable {
    private var iterator: NIOAsyncChannelInboundStream<HTTPServerRequestPart>.AsyncIterator
    private var isInBody = false

    init(_ parts: NIOAsyncChannelInboundStream<HTTPServerRequestPart>) { iterator = parts.makeAsyncIterator() }

    /// The next request; nil when the client sends no more.
    func nextHead() async throws -> HTTPRequestHead? {
        while let part = try await iterator.next() {
            guard case .head(let head) = part else { continue }
            isInBody = true
            return head
        }
        return nil
    }

    /// The next piece of a connection that carries plain bytes; nil when the client sends no more.
    func nextRawPiece() async throws -> ByteBuffer? {
        while let part = try await iterator.next() {
            if case .body(let piece) = part { return piece }
        }
        return nil
    }

    /// The next piece of the request's body; nil at its end.
    func nextPiece() async throws -> ByteBuffer? {
        guard isInBody else { return nil }
        switch try await iterator.next() {
        case .body(let piece)?: return piece
        case .end?:
            isInBody = false
            return nil
        case .head?, nil: throw ChannelError.inputClosed
        }
    }
}

/// Closes a connection of HTTP/1.1 on which no request comes or takes for ever to come, or nonsense comes.
final class RequestGuard: ChannelDuplexHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundIn = HTTPServerResponsePart

    /// What goes on on the connection, as an event that the handler is sent.
    enum Phase: Sendable { case waiting, answering }

    private let patience: TimeAmount
    private var deadline: Scheduled<Void>?

    /// - Parameter patience: the time for a request, and between two of them.
    init(_ patience: TimeAmount) { self.patience = patience }

    func handlerAdded(context: ChannelHandlerContext) { restart(context) }

    func handlerRemoved(context: ChannelHandlerContext) { deadline?.cancel() }

    func triggerUserOutboundEvent(context: ChannelHandlerContext, event: Any, promise: EventLoopPromise<Void>?) {
        switch event as? Phase {
        case .waiting?: restart(context)
        // An answer may take as long as a build.
        case .answering?: deadline?.cancel()
        case nil: return context.triggerUserOutboundEvent(event, promise: promise)
        }
        promise?.succeed(())
    }

    /// The handlers before this one have answered.
    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }

    private func restart(_ context: ChannelHandlerContext) {
        deadline?.cancel()
        let channel = context.channel
        deadline = context.eventLoop.scheduleTask(in: patience) { channel.close(promise: nil) }
    }
}

/// Closes a connection on which nonsense came, after the answer to it.
final class ErrorCloser: ChannelInboundHandler {
    typealias InboundIn = NIOAny

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
}
