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

/// A request of HTTP/1.1.
package struct WebQuestion: Sendable {
    package var method: String
    /// Without the query.
    package var path: String
    package var query: String
    package var headers: [(name: String, value: String)]
    package var body: [UInt8]

    /// The values of a header, in their order, whatever the case of its name.
    package func values(_ name: String) -> [String] {
        headers.filter { $0.name.lowercased() == name.lowercased() }.map(\.value)
    }

    /// The path without the version of the API that Docker's clients put before it: `/v1.48/info` is `/info`.
    package var unversionedPath: String {
        let parts = path.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: true)
        guard let first = parts.first, first.first == "v", first.dropFirst().allSatisfy({ $0.isNumber || $0 == "." }),
            first.count > 1
        else { return path }
        return "/" + (parts.count > 1 ? parts[1] : "")
    }
}

/// The answer to one.
package struct WebAnswer: Sendable {
    package var status: Int
    package var headers: [(name: String, value: String)]
    package var body: [UInt8]

    package init(status: Int, headers: [(name: String, value: String)] = [], body: [UInt8] = []) {
        self.status = status
        self.headers = headers
        self.body = body
    }

    /// An answer in JSON, with the bytes of its text.
    package static func json(_ status: Int, _ text: [UInt8]) -> WebAnswer {
        WebAnswer(status: status, headers: [("Content-Type", "application/json")], body: text)
    }

    /// What Docker's engine answers where it has nothing.
    package static let notFound = json(404, Array(#"{"message":"page not found"}"#.utf8))
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
                        try channel.pipeline.syncOperations.addHandler(WebAnswerer(answer))
                    }
                }
            )
            var settings = NIOUpgradableHTTPServerPipelineConfiguration(upgradeConfiguration: upgrade)
            settings.decoderConfiguration.maxHeaderFieldSize = 16 << 10
            settings.decoderConfiguration.maxHeaderListSize = 64 << 10
            settings.decoderConfiguration.maxHeaderFieldCount = 256
            let upgraded = try channel.pipeline.syncOperations.configureUpgradableHTTPServerPipeline(
                configuration: settings
            )
            try channel.pipeline.syncOperations.addHandler(RequestGuard(TimeAmount(patience)))
            upgraded.whenFailure { _ in channel.close(promise: nil) }
            try channel.pipeline.syncOperations.addHandler(ErrorCloser())
        }
    }
}

/// The upgrade of a connection to HTTP/2, which clients before HTTP/2's prior knowledge ask for.
private struct ClearTextUpgrade: NIOTypedHTTPServerProtocolUpgrader {
    let session: (@Sendable (WebQuestion, RPCConnection) async -> Void)?
    let adopt: @Sendable (any Channel) -> EventLoopFuture<Void>

    var supportedProtocol: String { "h2c" }
    var requiredUpgradeHeaders: [String] { [] }

    func buildUpgradeResponse(
        channel: any Channel,
        upgradeRequest: HTTPRequestHead,
        initialResponseHeaders: HTTPHeaders
    ) -> EventLoopFuture<HTTPHeaders> {
        let path = WebQuestion(upgradeRequest).unversionedPath
        guard upgradeRequest.method == .POST, path == "/grpc" || path == "/session" && session != nil else {
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

extension WebQuestion {
    init(_ head: HTTPRequestHead, body: [UInt8] = []) {
        let parts = head.uri.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
        self.init(
            method: head.method.rawValue,
            path: String(parts.first ?? ""),
            query: String(parts.dropFirst().first ?? ""),
            headers: head.headers.map { ($0.name, $0.value) },
            body: body
        )
    }
}
