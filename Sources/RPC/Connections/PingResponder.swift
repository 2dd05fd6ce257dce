package import NIOCore

/// Answers the PINGs of a peer before the HTTP/2 handler sees them.
///
/// grpc-go measures the path with a PING for about each burst of data that it receives. The HTTP/2 handler takes more
/// than 200 control frames in half a minute for an attack and closes the connection, and gRPC's own handler allows fewer
/// still. To answer one costs 17 bytes and no memory, so none is counted.
package final class PingResponder: ChannelInboundHandler {
    package typealias InboundIn = ByteBuffer
    package typealias InboundOut = ByteBuffer
    package typealias OutboundOut = ByteBuffer

    /// Bytes of the present frame that have not come yet.
    private var rest: Int
    /// The beginning of a frame whose header is not complete.
    private var held: ByteBuffer?
    private var hasAnswered = false

    private static let pingLength = 8
    private static let acknowledgement: UInt8 = 1

    package init(at side: ConnectionSide) { rest = side.prefaceLength }

    package func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var bytes = unwrapInboundIn(data)
        if var beginning = held {
            beginning.writeBuffer(&bytes)
            bytes = beginning
            held = nil
        }
        var start = bytes.readerIndex
        var position = start
        while position < bytes.writerIndex {
            let available = bytes.writerIndex - position
            if rest > 0 {
                let count = min(rest, available)
                rest -= count
                position += count
                continue
            }
            guard let header = FrameHeader(bytes, at: position) else { break }
            guard Self.asksForAnswer(header) else {
                position += FrameHeader.size
                rest = header.length
                continue
            }
            let length = FrameHeader.size + Self.pingLength
            guard available >= length, var answer = bytes.getSlice(at: position, length: length) else { break }
            pass(bytes, start..<position, context)
            answer.setInteger(Self.acknowledgement, at: answer.readerIndex + 4)
            context.write(wrapOutboundOut(answer), promise: nil)
            hasAnswered = true
            position += length
            start = position
        }
        pass(bytes, start..<position, context)
        if position < bytes.writerIndex {
            held = bytes.getSlice(at: position, length: bytes.writerIndex - position)
        }
    }

    package func channelReadComplete(context: ChannelHandlerContext) {
        // The HTTP/2 handler first: a flush that makes the channel writable again lets it send data, which it must not
        // do as long as it holds control frames back for the end of the read.
        context.fireChannelReadComplete()
        if hasAnswered {
            hasAnswered = false
            context.flush()
        }
    }

    private func pass(_ bytes: ByteBuffer, _ range: Range<Int>, _ context: ChannelHandlerContext) {
        guard !range.isEmpty, let part = bytes.getSlice(at: range.lowerBound, length: range.count) else { return }
        context.fireChannelRead(wrapInboundOut(part))
    }

    private static func asksForAnswer(_ header: FrameHeader) -> Bool {
        header.kind == .ping && header.flags & acknowledgement == 0 && header.length == pingLength
    }
}
