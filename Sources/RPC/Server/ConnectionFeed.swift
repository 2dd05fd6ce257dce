internal import GRPCCore
internal import GRPCNIOTransportCore
internal import NIOCore
internal import Synchronization

/// Gives gRPC's server its connections, wherever they come from, and ends them.
///
/// gRPC drops a connection that it has been given and does not serve with a trap. So it is never cancelled, and hears of the
/// end only when every connection that is being set up has been given to it.
final class ConnectionFeed: HTTP2ServerTransport.ListenerFactory {
    typealias Connection = HTTP2ServerTransport.ConnectionConfigurator.ConnectionChannel

    private struct State {
        var configurator: HTTP2ServerTransport.ConnectionConfigurator?
        var listeners: (any ConnectionSource)?
        var connections: [ObjectIdentifier: any Channel] = [:]
        /// Connections that are being set up.
        var pending = 0
        var isStopping = false
        var isAtEnd: Bool { isStopping && pending == 0 }
    }

    let eventLoopGroup: any EventLoopGroup
    private let arrivals: MemoryChannel<Connection>
    private let state = Mutex(State())

    init(_ group: any EventLoopGroup) {
        eventLoopGroup = group
        arrivals = MemoryChannel(eventLoop: group.next())
    }

    /// Says what opens when the server begins to serve.
    func take(from listeners: any ConnectionSource) {
        state.withLock { $0.listeners = listeners }
    }

    func makeListeningChannel(
        listenerConfigurator: HTTP2ServerTransport.ListenerConfigurator,
        connectionConfigurator: HTTP2ServerTransport.ConnectionConfigurator
    ) async throws -> NIOAsyncChannel<Connection, Never> {
        let listeners = state.withLock { state in
            state.configurator = connectionConfigurator
            return state.listeners
        }
        try await listeners?.open()
        let channel = try await arrivals.eventLoop.submit { [arrivals] in
            let channel = try NIOAsyncChannel<Connection, Never>(wrappingChannelSynchronously: arrivals)
            arrivals.activate()
            return channel
        }.get()
        listeners?.takeConnections()
        return channel
    }

    /// Counts a channel among those that end with the server.
    func watch(_ channel: any Channel) {
        state.withLock { $0.connections[ObjectIdentifier(channel)] = channel }
        channel.closeFuture.whenComplete { _ in
            _ = self.state.withLock { $0.connections.removeValue(forKey: ObjectIdentifier(channel)) }
        }
    }

    /// Makes a connection of the server's out of a channel, whose handlers so far see to what stands before HTTP/2.
    func adopt(_ channel: any Channel, isSecure: Bool) -> EventLoopFuture<Void> {
        guard channel.eventLoop.inEventLoop else {
            return channel.eventLoop.flatSubmit { self.adopt(channel, isSecure: isSecure) }
        }
        let configurator = state.withLock { state -> HTTP2ServerTransport.ConnectionConfigurator? in
            guard !state.isStopping, let configurator = state.configurator else { return nil }
            state.pending += 1
            return configurator
        }
        guard let configurator else {
            channel.close(promise: nil)
            return channel.eventLoop.makeFailedFuture(ChannelError.ioOnClosedChannel)
        }
        watch(channel)
        return channel.eventLoop.makeCompletedFuture {
            try channel.pipeline.syncOperations.addHandlers(
                PingResponder(at: .server),
                DataFrameJoiner(at: .server, limit: HTTP2Sizes.frame)
            )
        }.flatMap {
            configurator.configure(channel: channel, tls: isSecure ? .configured(requireALPN: false) : .none)
        }.map { connection in
            self.arrivals.enqueue(connection, size: 1)
        }.always { _ in
            self.endSetUp()
        }
    }

    /// Takes no more connections and no more calls.
    func stop() {
        let (connections, isAtEnd) = state.withLock { state in
            guard !state.isStopping else { return ([any Channel](), false) }
            state.isStopping = true
            return (Array(state.connections.values), state.isAtEnd)
        }
        for connection in connections {
            connection.pipeline.fireUserInboundEventTriggered(ChannelShouldQuiesceEvent())
        }
        if isAtEnd { arrivals.finishDelivery() }
    }

    /// Waits until all connections that are there now have ended, or for as long as it may last.
    func connectionsEnded(within patience: Duration) async {
        let loop = eventLoopGroup.next()
        let over = loop.makePromise(of: Void.self)
        let timer = loop.scheduleTask(in: TimeAmount(patience)) { over.succeed() }
        let ends = state.withLock { $0.connections.values.map(\.closeFuture) }
        EventLoopFuture.andAllComplete(ends, on: loop).whenComplete { _ in
            timer.cancel()
            over.succeed()
        }
        try? await over.futureResult.get()
    }

    /// Ends the connections that are left.
    func closeAll() {
        for connection in state.withLock({ Array($0.connections.values) }) { connection.close(promise: nil) }
    }

    private func endSetUp() {
        let isAtEnd = state.withLock { state in
            state.pending -= 1
            return state.isAtEnd
        }
        if isAtEnd { arrivals.finishDelivery() }
    }
}

/// What opens when a server begins to serve, and gives it connections from then on.
protocol ConnectionSource: Sendable {
    /// Connections may wait from now on; none is given yet.
    func open() async throws
    func takeConnections()
}
