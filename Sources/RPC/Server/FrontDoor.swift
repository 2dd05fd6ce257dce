internal import NIOCore
internal import Synchronization

/// The listeners of a server while it serves.
final class FrontDoor: ConnectionSource {
    private let listeners: [RPCListener]
    private let group: any EventLoopGroup
    private let feed: ConnectionFeed
    private let web: WebDoor
    private let ready: @Sendable ([SocketAddress?]) -> Void
    private let opened = Mutex<[OpenListener]>([])

    init(
        listeners: [RPCListener],
        group: any EventLoopGroup,
        feed: ConnectionFeed,
        web: WebDoor,
        ready: @escaping @Sendable ([SocketAddress?]) -> Void
    ) {
        self.listeners = listeners
        self.group = group
        self.feed = feed
        self.web = web
        self.ready = ready
    }

    func open() async throws {
        for listener in listeners {
            let opened = try await listener.open(on: group) { self.accept($0, isSecure: listener.isSecure) }
            self.opened.withLock { $0.append(opened) }
        }
    }

    func takeConnections() {
        let opened = opened.withLock { $0 }
        for listener in opened { listener.takeConnections() }
        ready(opened.map(\.channel.localAddress))
    }

    /// Takes no more connections; those that are there go on.
    func stopListening() {
        for listener in opened.withLock({ $0 }) { listener.channel.close(promise: nil) }
    }

    /// The same, and removes the sockets.
    func close() async {
        let opened = opened.withLock { opened in
            defer { opened = [] }
            return opened
        }
        for listener in opened { await listener.close() }
    }

    private func accept(_ channel: any Channel, isSecure: Bool) -> EventLoopFuture<Void> {
        feed.watch(channel)
        return channel.eventLoop.makeCompletedFuture { [feed, web] in
            let sniffer = ProtocolSniffer(
                patience: TimeAmount(web.patience),
                speakHTTP2: { feed.adopt($0, isSecure: isSecure) },
                speakHTTP1: { web.configure($0) { feed.adopt($0, isSecure: isSecure) } }
            )
            try channel.pipeline.syncOperations.addHandler(sniffer)
        }
    }
}
