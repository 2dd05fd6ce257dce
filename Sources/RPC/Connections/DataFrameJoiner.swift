package import NIOCore

/// Makes one DATA frame of several of the same stream that come one after another, before the HTTP/2 handler sees them.
///
/// grpc-go sends each message in a frame of its own, and a context of 20,000 files is as many messages of 60 bytes. The
/// HTTP/2 handler takes some microseconds for a frame, whatever its size. To its peer nothing changes: flow control counts
/// the bytes that frames carry, and those stay the same.
package final class DataFrameJoiner: ChannelInboundHandler {
    package typealias InboundIn = ByteBuffer
    package typealias InboundOut = ByteBuffer

    /// Frames of one stream, all in the buffer at hand.
    private struct Run {
        let stream: UInt32
        /// From the header of the first to the end of the last.
        var range: Range<Int>
        var frames = 1
        /// Bytes without headers.
        var length: Int
    }

    /// The largest frame that is made: no larger than what the connection allows.
    private let limit: Int
    /// Bytes of a frame that began in an earlier buffer.
    private var rest: Int
    /// The beginning of a frame whose header is not complete.
    private var held: ByteBuffer?

    package init(at side: ConnectionSide, limit: Int) {
        self.limit = limit
        rest = side.prefaceLength
    }

    package func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var bytes = unwrapInboundIn(data)
        if var beginning = held {
            held = nil
            beginning.writeBuffer(&bytes)
            bytes = beginning
        }
        let skipped = min(rest, bytes.readableBytes)
        rest -= skipped
        // What passes as it came, up to the frame that is looked at.
        var start = bytes.readerIndex
        var position = start + skipped
        var run: Run?
        while rest == 0, let header = FrameHeader(bytes, at: position) {
            let end = position + FrameHeader.size + header.length
            guard end <= bytes.writerIndex else {
                rest = end - bytes.writerIndex
                position = bytes.writerIndex
                break
            }
            if header.kind == .data, header.flags == 0 {
                if var current = run, current.stream == header.stream, current.length + header.length <= limit {
                    current.range = current.range.lowerBound..<end
                    current.frames += 1
                    current.length += header.length
                    run = current
                } else {
                    start = pass(run, bytes, from: start, context)
                    run = Run(stream: header.stream, range: position..<end, length: header.length)
                }
            } else {
                start = pass(run, bytes, from: start, context)
                run = nil
            }
            position = end
        }
        start = pass(run, bytes, from: start, context)
        pass(bytes, start..<position, context)
        if position < bytes.writerIndex {
            held = bytes.getSlice(at: position, length: bytes.writerIndex - position)
        }
    }

    /// Passes a run on as one frame, after what stands before it; one of a single frame passes with what follows.
    /// - Returns: where what has not been passed on begins.
    private func pass(_ run: Run?, _ bytes: ByteBuffer, from start: Int, _ context: ChannelHandlerContext) -> Int {
        guard let run, run.frames > 1 else { return start }
        pass(bytes, start..<run.range.lowerBound, context)
        var frame = context.channel.allocator.buffer(capacity: FrameHeader.size + run.length)
        frame.writeInteger(UInt8(run.length >> 16))
        frame.writeInteger(UInt16(truncatingIfNeeded: run.length))
        frame.writeInteger(FrameHeader.Kind.data.rawValue)
        frame.writeInteger(0 as UInt8)
        frame.writeInteger(run.stream)
        var position = run.range.lowerBound
        while position < run.range.upperBound, let header = FrameHeader(bytes, at: position) {
            position += FrameHeader.size
            if let content = bytes.viewBytes(at: position, length: header.length) { frame.writeBytes(content) }
            position += header.length
        }
        context.fireChannelRead(wrapInboundOut(frame))
        return run.range.upperBound
    }

    private func pass(_ bytes: ByteBuffer, _ range: Range<Int>, _ context: ChannelHandlerContext) {
        guard !range.isEmpty, let part = bytes.getSlice(at: range.lowerBound, length: range.count) else { return }
        context.fireChannelRead(wrapInboundOut(part))
    }
}
