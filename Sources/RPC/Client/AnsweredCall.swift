internal import GRPCCore
package import NIOCore
internal import NIOPosix
internal import Tasks

extension RPCServer {
    /// Serves for as long as `body` runs.
    /// - Parameters:
    ///   - listeners: where clients connect.
    ///   - body: is told the addresses, in the order of the listeners.
    /// - Returns: what `body` returns.
    /// - Throws: what `body` throws; `ListenerError` if the server cannot listen.
    package func whileServing<Value: Sendable>(
        _ listeners: [RPCListener],
        _ body: ([NIOCore.SocketAddress?]) async throws -> Value
    ) async throws -> Value {
        let ready = Promise<Result<[NIOCore.SocketAddress?], any Error>>()
        async let _: Void = serve(listeners, ready)
        defer { stop() }
        return try await body(try await ready.value().get())
    }

    private func serve(
        _ listeners: [RPCListener],
        _ ready: Promise<Result<[NIOCore.SocketAddress?], any Error>>
    ) async {
        do {
            try await serve(listeners) { ready.keep(.success($0)) }
        } catch {
            ready.keep(.failure(error))
        }
    }
}

/// How a call ended.
package struct CallEnd: Sendable {
    fileprivate let promise = Promise<RPCFailure?>()

    /// Waits, once, until the call has ended: with a failure, or nil.
    package func value() async -> RPCFailure? { await promise.value() }
}

/// Is a server at the other end of a call that carries a connection, as BuildKit's clients are, for as long as `body` runs.
/// - Parameters:
///   - services: what the server answers.
///   - connection: is called.
///   - method: the service and the name of the call.
///   - metadata: is sent with the call.
///   - body: is told when the call ends.
/// - Returns: what `body` returns.
/// - Throws: what `body` throws.
package func answering<Value: Sendable>(
    _ services: [any RPCService],
    over connection: RPCConnection,
    _ method: (service: String, name: String),
    metadata: [(key: String, value: String)] = [],
    _ body: (CallEnd) async throws -> Value
) async throws -> Value {
    let server = RPCServer(services: services, grace: .zero) { RPCFailure(.unknown, "\($0)") }
    return try await server.whileServing([]) { _ in
        let channel = MemoryChannel<ByteBuffer>(eventLoop: MultiThreadedEventLoopGroup.singleton.next())
        try await server.adopt(channel).get()
        try await channel.eventLoop.submit { channel.activate() }.get()
        let end = CallEnd()
        async let _: Void = carry(channel, over: connection, method, metadata, end)
        defer { channel.abandon() }
        return try await body(end)
    }
}

private func carry(
    _ channel: MemoryChannel<ByteBuffer>,
    over connection: RPCConnection,
    _ method: (service: String, name: String),
    _ metadata: [(key: String, value: String)],
    _ end: CallEnd
) async {
    do {
        try await connection.byteStream(
            method.service,
            method.name,
            metadata: metadata,
            send: { output in
                while let piece = await channel.nextPiece() { try await output.write(piece) }
            },
            receive: { input in
                defer {
                    channel.finishDelivery()
                    channel.abandon()
                }
                for try await bytes in input { await channel.deliver(bytes, size: bytes.readableBytes) }
            }
        )
        end.promise.keep(nil)
    } catch {
        end.promise.keep(error as? RPCFailure ?? RPCFailure(.unknown, "\(error)"))
    }
}
