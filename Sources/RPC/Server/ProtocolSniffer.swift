internal import NIOCore

/// Decides by the first bytes of a connection what it speaks, and leaves.
///
/// A client of HTTP/2 begins with a preface that no request of HTTP/1.1 begins with.
final class ProtocolSniffer: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer

    /// RFC 9113, section 3.4.
    private static let preface = Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8)

    private let patience: TimeAmount
    private let speakHTTP2: (any Channel) -> EventLoopFuture<Void>
    private let speakHTTP1: (any Channel) -> EventLoopFuture<Void>
    private var held = ByteBuffer()
    private var isDecided = false
    private var deadline: Scheduled<Void>?

    /// - Parameters:
    ///   - patience: a client that has sent less than a preface after this time sends nothing.
    ///   - speakHTTP2: sets up a connection that speaks HTTP/2.
    ///   - speakHTTP1: sets up one that speaks HTTP/1.1.
    init(
        patience: TimeAmount,
        speakHTTP2: @escaping (any Channel) -> EventLoopFuture<Void>,
        speakHTTP1: @escaping (any Channel) -> EventLoopFuture<Void>
    ) {
        self.patience = patience
        self.speakHTTP2 = speakHTTP2
        self.speakHTTP1 = speakHTTP1
    }

    func handlerAdded(context: ChannelHandlerContext) {
        let channel = context.channel
        deadline = context.eventLoop.scheduleTask(in: patience) { channel.close(promise: nil) }
    }

    func handlerRemoved(context: ChannelHandlerContext) { deadline?.cancel() }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var bytes = unwrapInboundIn(data)
        held.writeBuffer(&bytes)
        guard !isDecided else { return }
        let isHTTP2 = zip(held.readableBytesView, Self.preface).allSatisfy(==)
        guard !isHTTP2 || held.readableBytes >= Self.preface.count else { return }
        isDecided = true
        let next = (isHTTP2 ? speakHTTP2 : speakHTTP1)(context.channel)
        let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
        next.hop(to: context.eventLoop).whenComplete { result in
            let (sniffer, context) = bound.value
            switch result {
            case .success: sniffer.leave(context)
            case .failure: context.close(promise: nil)
            }
        }
    }

    private func leave(_ context: ChannelHandlerContext) {
        if held.readableBytes > 0 {
            context.fireChannelRead(wrapInboundOut(held))
            context.fireChannelReadComplete()
            held = ByteBuffer()
        }
        context.pipeline.syncOperations.removeHandler(self, promise: nil)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        context.close(promise: nil)
    }
}
