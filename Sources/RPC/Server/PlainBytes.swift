internal import NIOCore
internal import NIOHTTP1

/// Has a connection of HTTP/1.1 carry plain bytes from some moment on, in the pieces that bodies of HTTP have.
///
/// It stands behind all handlers that know HTTP, and removes them then.
final class PlainBytes: ChannelDuplexHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = HTTPServerRequestPart
    typealias OutboundIn = HTTPServerResponsePart
    typealias OutboundOut = ByteBuffer

    /// The event that begins it, before the head of the answer: from then on the client may send anything, and end it.
    struct Begin: Sendable {}

    private var isPlain = false

    func triggerUserOutboundEvent(context: ChannelHandlerContext, event: Any, promise: EventLoopPromise<Void>?) {
        guard event is Begin else { return context.triggerUserOutboundEvent(event, promise: promise) }
        isPlain = true
        let pipeline = context.pipeline.syncOperations
        func remove<Handler: RemovableChannelHandler>(_ type: Handler.Type) -> EventLoopFuture<Void>? {
            (try? pipeline.context(handlerType: type)).map { pipeline.removeHandler(context: $0) }
        }
        // The decoder last: bytes that it has and did not read pass the place of the others.
        let removals = [
            remove(RequestGuard.self), remove(UpgradeSorter.self), remove(HTTPServerProtocolErrorHandler.self),
            remove(NIOHTTPResponseHeadersValidator.self), remove(HTTPResponseEncoder.self),
            remove(ByteToMessageHandler<HTTPRequestDecoder>.self),
        ]
        let gate = try? pipeline.handler(type: BytesGate.self)
        gate?.close()
        let removed = EventLoopFuture.andAllSucceed(removals.compactMap(\.self), on: context.eventLoop)
        removed.assumeIsolated().whenComplete { _ in gate?.open() }
        removed.cascade(to: promise)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard isPlain else { return context.fireChannelRead(data) }
        // The decoder reads nothing after a request for an upgrade, and only after one this begins.
        context.fireChannelRead(wrapInboundOut(.body(unwrapInboundIn(data))))
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        guard isPlain else { return context.write(data, promise: promise) }
        switch unwrapOutboundIn(data) {
        case .body(.byteBuffer(let bytes)): context.write(wrapOutboundOut(bytes), promise: promise)
        case .head(let head):
            var text = "\(head.version) \(head.status.code) \(head.status.reasonPhrase)\r\n"
            for (name, value) in head.headers { text += "\(name): \(value)\r\n" }
            context.write(wrapOutboundOut(ByteBuffer(string: text + "\r\n")), promise: promise)
        case .body(.fileRegion), .end: promise?.succeed(())
        }
    }
}

/// Holds back what arrives while the handlers of HTTP go: the decoder would read it as a request.
final class BytesGate: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer

    private var held: [NIOAny] = []
    private var isClosed = false
    private var context: ChannelHandlerContext?

    func handlerAdded(context: ChannelHandlerContext) { self.context = context }

    func handlerRemoved(context: ChannelHandlerContext) { self.context = nil }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        if isClosed { held.append(data) } else { context.fireChannelRead(data) }
    }

    func close() { isClosed = true }

    func open() {
        isClosed = false
        let pieces = held
        held = []
        for piece in pieces { context?.fireChannelRead(piece) }
        if !pieces.isEmpty { context?.fireChannelReadComplete() }
    }
}
