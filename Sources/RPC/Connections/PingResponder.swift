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

    /// RFC 9113, section 4.1.
    private static let headerLength = 9
    /// RFC 9113, section 3.4.
    private static let prefaceLength = 24
    private static let pingLength = 8

    /// The end of a connection that this handler stands at.
    package enum Side: Sendable {
        /// What comes begins with the client's preface.
        case server
        case client
    }

    package init(at side: Side) {
        switch side {
        case .server: rest = Self.prefaceLength
        case .client: rest = 0
        }
    }

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
            guard let header = Header(bytes, at: position) else { break }
            guard header.isPing else {
                position += Self.headerLength
                rest = header.length
                continue
            }
            let length = Self.headerLength + Self.pingLength
            guard available >= length, var answer = bytes.getSlice(at: position, length: length) else { break }
            pass(bytes, start..<position, context)
            answer.setInteger(Header.acknowledgement, at: answer.readerIndex + 4)
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

    /// What stands before each frame.
    private struct Header {
        let length: Int
        let isPing: Bool

        static let acknowledgement: UInt8 = 1

        /// Nil where it has not all come.
        init?(_ bytes: ByteBuffer, at index: Int) {
            guard index + PingResponder.headerLength <= bytes.writerIndex,
                let high = bytes.getInteger(at: index, as: UInt8.self),
                let low = bytes.getInteger(at: index + 1, as: UInt16.self),
                let kind = bytes.getInteger(at: index + 3, as: UInt8.self),
                let flags = bytes.getInteger(at: index + 4, as: UInt8.self)
            else { return nil }
            length = Int(high) << 16 | Int(low)
            isPing = kind == 6 && flags & Self.acknowledgement == 0 && length == PingResponder.pingLength
        }
    }
}
