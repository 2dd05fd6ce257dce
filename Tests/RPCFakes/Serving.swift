package import NIOCore
package import RPC

/// Runs a server as long as `body` does.
/// - Parameters:
///   - services: what the server answers.
///   - web: what it answers over HTTP/1.1.
///   - messageLimit: the largest message that it takes.
///   - listeners: where it takes connections.
///   - body: is told the addresses.
/// - Returns: what `body` returns.
/// - Throws: what `body` throws; `ListenerError` if the server cannot listen.
package func withServer<Value: Sendable>(
    _ services: [any RPCService] = [],
    web: WebDoor = WebDoor(),
    messageLimit: Int = RPCServer.messageLimit,
    at listeners: [RPCListener],
    _ body: ([SocketAddress?]) async throws -> Value
) async throws -> Value {
    let server = RPCServer(services: services, web: web, grace: .zero, messageLimit: messageLimit) {
        RPCFailure(.unknown, "\($0)")
    }
    return try await server.whileServing(listeners, body)
}
