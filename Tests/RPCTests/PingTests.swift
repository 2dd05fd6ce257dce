import NIOCore
import NIOEmbedded
import RPC
import Testing

@Suite struct `Pings` {
    private final class Reader: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer
        typealias OutboundOut = ByteBuffer

        var received: [UInt8] = []
        /// What has left when a read ends.
        var isFlushed = false

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            received += Array(unwrapInboundIn(data).readableBytesView)
        }

        func channelReadComplete(context: ChannelHandlerContext) {
            let channel = context.channel as? EmbeddedChannel
            isFlushed = (try? channel?.readOutbound(as: ByteBuffer.self)) != nil
            // Leaves with the answers.
            context.write(wrapOutboundOut(ByteBuffer(string: "held")), promise: nil)
        }
    }

    @Test func `are answered after what comes before them, when the handlers above have seen the end of the read`()
        throws
    {
        let reader = Reader()
        let channel = EmbeddedChannel(handlers: [PingResponder(at: .client), reader])
        let settings: [UInt8] = [0, 0, 0, 4, 0, 0, 0, 0, 0]
        let ping: [UInt8] = [0, 0, 8, 6, 0, 0, 0, 0, 0] + Array(1...8)
        try channel.writeInbound(ByteBuffer(bytes: settings + ping))
        #expect(reader.received == settings)
        #expect(!reader.isFlushed)
        let answer: [UInt8] = [0, 0, 8, 6, 1, 0, 0, 0, 0] + Array(1...8)
        #expect(try channel.readOutbound(as: ByteBuffer.self) == ByteBuffer(bytes: answer))
        #expect(try channel.readOutbound(as: ByteBuffer.self) == ByteBuffer(string: "held"))
    }
}
