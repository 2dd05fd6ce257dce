package import NIOCore
internal import NIOPosix
package import NIOSSL
package import RPC

let loops = MultiThreadedEventLoopGroup.singleton

/// Opens a connection.
/// - Parameters:
///   - address: of a server.
///   - tls: how to speak TLS; nil for not at all.
///   - first: stands nearest to the socket.
/// - Returns: the connection; nothing has been read from it.
/// - Throws: what goes wrong on the way.
package func connect(
    to address: SocketAddress?,
    tls: TLSConfiguration? = nil,
    _ first: (@Sendable () -> any ChannelHandler)? = nil
) async throws -> any Channel {
    guard let address else { throw ChannelError.unknownLocalAddress }
    let context = try tls.map { try NIOSSLContext(configuration: $0) }
    return try await ClientBootstrap(group: loops).channelInitializer { channel in
        channel.eventLoop.makeCompletedFuture {
            if let context {
                let handler = try NIOSSLClientHandler(context: context, serverHostname: nil)
                try channel.pipeline.syncOperations.addHandler(handler)
            }
            if let first { try channel.pipeline.syncOperations.addHandler(first()) }
        }
    }.connect(to: address).get()
}

/// Calls a server over a connection of its own.
package func withConnection<Value: Sendable>(
    to address: SocketAddress?,
    tls: TLSConfiguration? = nil,
    _ body: (RPCConnection) async throws -> Value
) async throws -> Value {
    try await RPCConnection.over(try await connect(to: address, tls: tls), body)
}

/// Sends bytes as they are and reads what comes back.
/// - Parameters:
///   - bytes: what is sent.
///   - address: of a server.
///   - end: whether this answer is all that is waited for; else the server has to close the connection.
/// - Returns: the answer so far.
/// - Throws: what goes wrong on the way.
package func exchange(
    _ bytes: [UInt8],
    with address: SocketAddress?,
    until end: @Sendable @escaping (String) -> Bool = { _ in false }
) async throws -> String {
    guard let address else { throw ChannelError.unknownLocalAddress }
    let channel = try await ClientBootstrap(group: loops).connect(to: address) { channel in
        channel.eventLoop.makeCompletedFuture {
            try NIOAsyncChannel<ByteBuffer, ByteBuffer>(wrappingChannelSynchronously: channel)
        }
    }
    return try await channel.executeThenClose { inbound, outbound in
        // A server may close before it has read everything.
        try? await outbound.write(ByteBuffer(bytes: bytes))
        var answer: [UInt8] = []
        do {
            for try await part in inbound {
                answer += part.readableBytesView
                if end(String(decoding: answer, as: UTF8.self)) { break }
            }
        } catch is IOError {
            // It reset the connection.
        }
        return String(decoding: answer, as: UTF8.self)
    }
}

/// Asks a server over HTTP/1.1 to speak HTTP/2 on the same connection from now on.
/// - Returns: the connection after the answer, whose bytes wait for `resume`, and the answer's first line.
package func upgrade(
    _ address: SocketAddress?,
    request: String
) async throws -> (channel: any Channel, status: String, resume: @Sendable () -> Void) {
    let channel = try await connect(to: address)
    let answer = channel.eventLoop.makePromise(of: String.self)
    let reader = try await channel.eventLoop.submit {
        let reader = HeadReader(answer)
        try channel.pipeline.syncOperations.addHandler(reader)
        return NIOLoopBound(reader, eventLoop: channel.eventLoop)
    }.get()
    try await channel.writeAndFlush(ByteBuffer(string: request))
    let status = String(try await answer.futureResult.get().prefix { $0 != "\r\n" })
    return (channel, status, { reader.value.resume() })
}

/// Reads up to the end of a head of HTTP/1.1, and keeps what comes after it until it is asked for.
private final class HeadReader: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer

    private let answer: EventLoopPromise<String>
    private var held = ByteBuffer()
    private var context: ChannelHandlerContext?

    init(_ answer: EventLoopPromise<String>) { self.answer = answer }

    func handlerAdded(context: ChannelHandlerContext) { self.context = context }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var bytes = unwrapInboundIn(data)
        held.writeBuffer(&bytes)
        let end = Array("\r\n\r\n".utf8)
        let view = held.readableBytesView
        guard let start = view.indices.first(where: { view[$0...].starts(with: end) }) else { return }
        answer.succeed(held.readString(length: start - view.startIndex + end.count) ?? "")
    }

    func channelInactive(context: ChannelHandlerContext) {
        answer.fail(ChannelError.eof)
        context.fireChannelInactive()
    }

    func resume() {
        guard let context else { return }
        if held.readableBytes > 0 {
            context.fireChannelRead(wrapInboundOut(held))
            context.fireChannelReadComplete()
        }
        self.context = nil
        context.pipeline.syncOperations.removeHandler(self, promise: nil)
    }
}
