internal import NIOCore
internal import NIOHTTP1

/// What a server answers over HTTP/1.1, beside the upgrade of `/grpc` to a connection of its own.
package struct WebDoor: Sendable {
    let answer: @Sendable (WebQuestion) async -> WebAnswer
    let session: (@Sendable (WebQuestion, RPCConnection) async -> Void)?
    let patience: Duration

    /// - Parameters:
    ///   - patience: how long a client may take for a request, and may wait between two of them.
    ///   - session: what is done with a client that asked to be called over its own connection (`POST /session`); the
    ///     connection ends when this returns.
    ///   - answer: the answers to all other requests.
    package init(
        patience: Duration = .seconds(120),
        session: (@Sendable (WebQuestion, RPCConnection) async -> Void)? = nil,
        answer: @escaping @Sendable (WebQuestion) async -> WebAnswer = { _ in .notFound }
    ) {
        self.patience = patience
        self.session = session
        self.answer = answer
    }
}

extension WebDoor {
    /// Sets up a connection that speaks HTTP/1.1.
    /// - Parameters:
    ///   - channel: the connection, on whose loop this is called.
    ///   - adopt: makes a connection of gRPC's out of it, after an upgrade.
    /// - Returns: when bytes may come.
    func configure(
        _ channel: any Channel,
        adopt: @escaping @Sendable (any Channel) -> EventLoopFuture<Void>
    ) -> EventLoopFuture<Void> {
        channel.eventLoop.makeCompletedFuture {
            let upgrade = NIOTypedHTTPServerUpgradeConfiguration<Void>(
                upgraders: [ClearTextUpgrade(session: session, adopt: adopt)],
                notUpgradingCompletionHandler: { [answer] channel in
                    channel.eventLoop.makeCompletedFuture {
                        let wrapped = try WebConnection.Wrapped(wrappingChannelSynchronously: channel)
                        let connection = WebConnection(channel: wrapped, answer: answer)
                        // Not a child, for no task waits for it: it ends with its connection.
                        let task = Task { try await connection.serve() }
                        channel.closeFuture.whenComplete { _ in task.cancel() }
                    }
                }
            )
            var settings = NIOUpgradableHTTPServerPipelineConfiguration(upgradeConfiguration: upgrade)
            // Requests are read one at a time as it is; the handler for that would not see clients go away.
            settings.enablePipelining = false
            settings.decoderConfiguration.maxHeaderFieldSize = 16 << 10
            settings.decoderConfiguration.maxHeaderListSize = 64 << 10
            settings.decoderConfiguration.maxHeaderFieldCount = 256
            let upgraded = try channel.pipeline.syncOperations.configureUpgradableHTTPServerPipeline(
                configuration: settings
            )
            let sorter = UpgradeSorter { ClearTextUpgrade.isTaken($0, hasSessions: session != nil) }
            let handler = try channel.pipeline.syncOperations.handler(type: NIOTypedHTTPServerUpgradeHandler<Void>.self)
            try channel.pipeline.syncOperations.addHandler(sorter, position: .before(handler))
            try channel.pipeline.syncOperations.addHandler(RequestGuard(TimeAmount(patience)))
            upgraded.whenFailure { _ in channel.close(promise: nil) }
            try channel.pipeline.syncOperations.addHandler(ErrorCloser())
            try channel.pipeline.syncOperations.addHandler(PlainBytes())
            try channel.pipeline.syncOperations.addHandler(BytesGate(), position: .first)
        }
    }
}

/// The upgrade of a connection to HTTP/2, which clients before HTTP/2's prior knowledge ask for.
private struct ClearTextUpgrade: NIOTypedHTTPServerProtocolUpgrader {
    let session: (@Sendable (WebQuestion, RPCConnection) async -> Void)?
    let adopt: @Sendable (any Channel) -> EventLoopFuture<Void>

    var supportedProtocol: String { "h2c" }
    var requiredUpgradeHeaders: [String] { [] }

    /// Whether a request is one for this.
    static func isTaken(_ request: HTTPRequestHead, hasSessions: Bool) -> Bool {
        let path = WebQuestion(request).unversionedPath
        return request.method == .POST && (path == "/grpc" || path == "/session" && hasSessions)
            && request.headers[canonicalForm: "upgrade"].contains { $0.lowercased() == "h2c" }
    }

    func buildUpgradeResponse(
        channel: any Channel,
        upgradeRequest: HTTPRequestHead,
        initialResponseHeaders: HTTPHeaders
    ) -> EventLoopFuture<HTTPHeaders> {
        guard Self.isTaken(upgradeRequest, hasSessions: session != nil) else {
            return channel.eventLoop.makeFailedFuture(ChannelError.operationUnsupported)
        }
        return channel.eventLoop.makeSucceededFuture(initialResponseHeaders)
    }

    func upgrade(channel: any Channel, upgradeRequest: HTTPRequestHead) -> EventLoopFuture<Void> {
        let question = WebQuestion(upgradeRequest)
        let deadline = channel.eventLoop.makeCompletedFuture {
            let handler = try channel.pipeline.syncOperations.handler(type: RequestGuard.self)
            channel.pipeline.syncOperations.removeHandler(handler, promise: nil)
        }
        guard question.unversionedPath == "/session", let session else { return deadline.flatMap { adopt(channel) } }
        let ready = channel.eventLoop.makePromise(of: Void.self)
        // Not a child, for no task waits for it: it ends when its connection does, at the latest with the server.
        Task {
            do {
                try await RPCConnection.over(channel, configured: { ready.succeed(()) }) { connection in
                    await session(question, connection)
                }
            } catch {
                ready.fail(error)
            }
        }
        return deadline.flatMap { ready.futureResult }
    }
}
