internal import GRPCCore
internal import GRPCNIOTransportCore
package import NIOCore
internal import NIOPosix
internal import Synchronization

/// A server of gRPC on any number of sockets, each of which understands HTTP/2 and HTTP/1.1.
package final class RPCServer: Sendable {
    private let feed: ConnectionFeed
    private let server: GRPCServer<HTTP2ServerTransport.Custom<ConnectionFeed>>
    private let web: WebDoor
    private let grace: Duration
    private let group: any EventLoopGroup
    private let door = Mutex<FrontDoor?>(nil)

    /// The largest message that is taken.
    ///
    /// BuildKit's own limit is 16 MiB; definitions of large builds come near.
    package static let messageLimit = 64 << 20

    /// - Parameters:
    ///   - services: what the server answers.
    ///   - web: what it answers over HTTP/1.1.
    ///   - grace: how long calls may go on after `stop`.
    ///   - messageLimit: the largest message that is taken, in bytes.
    ///   - failure: what clients are told of an error; a `RPCFailure` goes out as it is.
    package init(
        services: [any RPCService],
        web: WebDoor = WebDoor(),
        grace: Duration = .seconds(10),
        messageLimit: Int = RPCServer.messageLimit,
        failure: @escaping @Sendable (any Error) -> RPCFailure
    ) {
        self.web = web
        self.grace = grace
        group = MultiThreadedEventLoopGroup.singleton
        feed = ConnectionFeed(group)
        var table = MethodTable()
        for service in services { service.register(in: &table) }
        var settings = HTTP2ServerTransport.Custom<ConnectionFeed>.Config.defaults
        settings.http2.targetWindowSize = HTTP2Sizes.window
        settings.http2.maxFrameSize = HTTP2Sizes.frame
        // The transport resets the stream of a larger one without a word; up to here the reason is told.
        settings.rpc.maxRequestPayloadSize = 2 * messageLimit
        // A peer whose machine is gone sends no end of its connection.
        settings.connection.keepalive.time = .seconds(60)
        let batched = Set(table.entries.filter(\.takesBatches).map { "/\($0.descriptor.fullyQualifiedMethod)" })
        settings.channelDebuggingCallbacks.onAcceptHTTP2Stream = { stream in
            stream.eventLoop.makeCompletedFuture {
                let batcher = MessageBatcher(limit: messageLimit, paths: batched)
                try stream.pipeline.syncOperations.addHandler(batcher, position: .first)
            }
        }
        server = GRPCServer(
            transport: HTTP2ServerTransport.Custom(listenerFactory: feed, config: settings),
            services: [MethodTableService(table: table, messageLimit: messageLimit, failure: failure)]
        )
    }

    /// Serves until `stop` is called or the task is cancelled, and then for as long as the calls go on that run, up to the
    /// grace period.
    /// - Parameters:
    ///   - listeners: where clients connect.
    ///   - ready: is told the addresses, in the order of the listeners, when all of them take connections.
    /// - Throws: `ListenerError` if one of them cannot be opened.
    package func serve(
        _ listeners: [RPCListener],
        ready: @escaping @Sendable ([NIOCore.SocketAddress?]) -> Void = { _ in }
    ) async throws {
        let door = FrontDoor(listeners: listeners, group: group, feed: feed, web: web, ready: ready)
        feed.take(from: door)
        self.door.withLock { $0 = door }
        // Not a child, for gRPC must not be cancelled; see `ConnectionFeed`. It is waited for here.
        let serving = Task { try await self.server.serve() }
        let result = await withTaskCancellationHandler {
            await serving.result
        } onCancel: {
            stop()
        }
        await door.close()
        do {
            try result.get()
        } catch {
            throw (error as? RuntimeError)?.cause ?? error
        }
    }

    /// Takes no more connections; those that are there go on.
    package func stopListening() { door.withLock { $0 }?.stopListening() }

    /// Waits until all connections that are there now have ended, or for as long as it may last.
    package func connectionsEnded(within patience: Duration) async { await feed.connectionsEnded(within: patience) }

    /// Ends every connection at once, with the calls on it.
    package func closeConnections() { feed.closeAll() }

    /// Takes no more connections and no more calls, and closes those that go on after the grace period.
    package func stop() {
        stopListening()
        feed.stop()
        group.next().scheduleTask(in: TimeAmount(grace)) { [feed] in feed.closeAll() }
    }

    /// Makes a connection of this server's out of a channel that something else has opened.
    package func adopt(_ channel: any Channel) -> EventLoopFuture<Void> { feed.adopt(channel, isSecure: false) }
}

/// The sizes that both sides of our connections use.
enum HTTP2Sizes {
    /// The largest amount on its way in one direction: with HTTP/2's 64 KiB a build context takes seven times as long.
    static let window = 8 << 20
    static let frame = 1 << 20
}
