package import AsyncHTTPClient
internal import LinuxSystem
package import NIOCore
package import NIOHTTP1
internal import NIOPosix
internal import NIOSSL
internal import Synchronization
package import SystemPackage
internal import Text

/// How long to wait for a peer.
package struct NetworkPatience: Sendable, Hashable {
    /// Until a connection is there, with its TLS handshake.
    package var connect: Duration = .seconds(10)
    /// Without a byte either way; see also `RateGuard`.
    package var idle: Duration = .seconds(30)
    /// Without an answer while a registry commits an upload.
    package var commit: Duration = .seconds(300)

    package init() {}
}

/// A request that got no complete answer, or one that asks to come again.
package struct AttemptFailure: Error {
    package enum Reason: Sendable {
        case connection(ConnectionFailure)
        case status(Int, retryAfter: Duration?, ErrorDocument, challenged: Bool)
    }

    package let url: HTTPURL
    package let reason: Reason

    package init(url: HTTPURL, reason: Reason) {
        self.url = url
        self.reason = reason
    }

    /// What the retry policy decides on.
    package var retryCase: RetryPolicy.Failure {
        switch reason {
        case .connection(let failure): .connection(failure)
        case .status(let code, let retryAfter, _, _): .status(code, retryAfter: retryAfter)
        }
    }
}

/// Sends single HTTP requests over pooled connections; knows nothing of registries, credentials or redirects.
package final class HTTPTransport: Sendable {
    package struct Request {
        package var method: HTTPMethod
        package var url: HTTPURL
        package var headers: HTTPHeaders
        package var body: HTTPClientRequest.Body?
        /// nil is what any host of the internet gets: the system's authorities and no client certificate.
        package var trust: TLSTrust?
        /// Whether the server may think for long once it has everything.
        package var isUpload = false

        package init(
            method: HTTPMethod,
            url: HTTPURL,
            headers: HTTPHeaders = HTTPHeaders(),
            body: HTTPClientRequest.Body? = nil,
            trust: TLSTrust? = nil
        ) {
            self.method = method
            self.url = url
            self.headers = headers
            self.body = body
            self.trust = trust
        }
    }

    package struct Answer: Sendable {
        package let url: HTTPURL
        package let status: Int
        package let headers: HTTPHeaders
        let body: HTTPClientResponse.Body
        let timekeeper: Timekeeper
    }

    /// What tells one pool of connections from another.
    private struct ClientKey: Hashable {
        let isUpload: Bool
        let proxy: ProxySettings.Server?
    }

    private let patience: NetworkPatience
    private let proxies: ProxySettings
    private let clients = Mutex<[ClientKey: HTTPClient]>([:])
    private let timekeeper: Timekeeper
    private let systemAuthorities: FilePath?
    private let tlsConfigurations = Mutex<[TLSTrust: TLSConfiguration]>([:])

    /// - Parameters:
    ///   - patience: time limits.
    ///   - timekeeper: the clock.
    ///   - systemAuthorities: a PEM file instead of the system's own (`SSL_CERT_FILE`).
    ///   - proxies: through which some hosts are reached.
    package init(
        patience: NetworkPatience,
        timekeeper: Timekeeper,
        systemAuthorities: FilePath?,
        proxies: ProxySettings = ProxySettings()
    ) {
        self.patience = patience
        self.proxies = proxies
        self.timekeeper = timekeeper
        self.systemAuthorities = systemAuthorities
    }

    deinit {
        for client in clients.withLock({ $0.values }) {
            let _: Void = client.shutdown { _ in }
        }
    }

    private func client(for request: Request) throws(HTTPError) -> HTTPClient {
        let key = ClientKey(isUpload: request.isUpload, proxy: try proxies.server(for: request.url))
        return clients.withLock { clients in
            if let client = clients[key] { return client }
            let client = makeClient(key)
            clients[key] = client
            return client
        }
    }

    private func makeClient(_ key: ClientKey) -> HTTPClient {
        let idle = key.isUpload ? max(patience.commit, patience.idle) : patience.idle
        var configuration = HTTPClient.Configuration()
        configuration.redirectConfiguration = .disallow
        // One connection a transfer: a stalled one holds up no other, and each has the kernel's own window.
        configuration.httpVersion = .http1Only
        configuration.timeout = HTTPClient.Configuration.Timeout(
            connect: TimeAmount(patience.connect),
            read: TimeAmount(idle),
            write: TimeAmount(patience.idle)
        )
        configuration.connectionPool.retryConnectionEstablishment = false
        configuration.connectionPool.concurrentHTTP1ConnectionsPerHostSoftLimit = 16
        configuration.proxy = key.proxy?.configuration
        AnswerGuard.watch(connectionsOf: &configuration)
        return HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
    }

    /// Sends one request and returns when the head of its answer is there.
    /// - Throws: `AttemptFailure`, `HTTPError.unusableSetting` for unreadable certificates, `CancellationError`.
    package func send(_ request: Request) async throws -> Answer {
        var message = HTTPClientRequest(url: request.url.description)
        message.method = request.method
        message.headers = request.headers
        if !message.headers.contains(name: "User-Agent") { message.headers.add(name: "User-Agent", value: "slipway") }
        message.body = request.body
        if request.url.scheme == .https {
            message.tlsConfiguration = try await tlsConfiguration(for: request.trust ?? TLSTrust())
        }
        let client = try client(for: request)
        do {
            let response = try await client.execute(message, deadline: .distantFuture)
            return Answer(
                url: request.url,
                status: Int(response.status.code),
                headers: response.headers,
                body: response.body,
                timekeeper: timekeeper
            )
        } catch {
            throw try attemptFailure(error, url: request.url)
        }
    }

    private func tlsConfiguration(for trust: TLSTrust) async throws -> TLSConfiguration {
        if let known = tlsConfigurations.withLock({ $0[trust] }) { return known }
        let systemAuthorities = systemAuthorities
        let configuration = try await onBlockingPool { try Self.makeTLSConfiguration(trust, systemAuthorities) }
        tlsConfigurations.withLock { $0[trust] = configuration }
        return configuration
    }

    private static func makeTLSConfiguration(
        _ trust: TLSTrust,
        _ systemAuthorities: FilePath?
    ) throws -> TLSConfiguration {
        var configuration = TLSConfiguration.makeClientConfiguration()
        configuration.minimumTLSVersion = .tlsv12
        if !trust.verifies { configuration.certificateVerification = .none }
        if let systemAuthorities { configuration.trustRoots = .file(systemAuthorities.string) }
        for file in trust.authorities {
            do {
                configuration.additionalTrustRoots.append(.certificates(try NIOSSLCertificate.fromPEMFile(file.string)))
            } catch {
                throw unreadable(file, "certificates", error)
            }
        }
        // The protocol takes one client certificate; the first pair is it, as for docker.
        if let pair = trust.keyPairs.first {
            do {
                configuration.certificateChain = try NIOSSLCertificate.fromPEMFile(pair.certificate.string)
                    .map { .certificate($0) }
            } catch {
                throw unreadable(pair.certificate, "certificates", error)
            }
            do {
                configuration.privateKey = .privateKey(try NIOSSLPrivateKey(file: pair.key.string, format: .pem))
            } catch {
                throw unreadable(pair.key, "a private key", error)
            }
        }
        return configuration
    }

    private static func unreadable(_ file: FilePath, _ content: String, _ error: any Error) -> HTTPError {
        .unusableSetting(
            place: escapedForDisplay(file.bytes),
            key: nil,
            reason: "expected a PEM file with \(content) (\(error))"
        )
    }
}

extension HTTPTransport.Answer {
    package func header(_ name: String) -> String? { headers.first(name: name) }

    /// The whole body.
    /// - Throws: `AttemptFailure`; `HTTPError.answerTooLarge` as soon as the limit (in bytes) is passed.
    package func collect(limit: Int, what: @autoclosure () -> String) async throws -> [UInt8] {
        if let length = header("Content-Length").flatMap({ Int($0) }), length > limit {
            throw HTTPError.answerTooLarge(what: what(), limit: Int64(limit))
        }
        var bytes: [UInt8] = []
        var isOver = false
        try await forEachPart { part in
            if bytes.count + part.readableBytes > limit {
                isOver = true
                return false
            }
            bytes.append(contentsOf: part.readableBytesView)
            return true
        }
        if isOver { throw HTTPError.answerTooLarge(what: what(), limit: Int64(limit)) }
        return bytes
    }

    /// The beginning of the body of an error, as far as it can be had.
    func errorDocument() async -> ErrorDocument {
        var bytes: [UInt8] = []
        do {
            try await forEachPart { part in
                bytes.append(contentsOf: part.readableBytesView.prefix(ErrorDocument.limit - bytes.count))
                return bytes.count < ErrorDocument.limit
            }
        } catch {
            // The status says enough; its explanation is a courtesy.
            return ErrorDocument(parsing: bytes)
        }
        return ErrorDocument(parsing: bytes)
    }

    /// Hands on the body in the parts in which it arrives, until `body` returns false: then the connection is dropped.
    /// - Throws: `AttemptFailure`, and what `body` throws.
    package func forEachPart(_ body: (ByteBuffer) async throws -> Bool) async throws {
        var iterator = self.body.makeAsyncIterator()
        var guardian = RateGuard(start: timekeeper.now())
        while true {
            let part: ByteBuffer?
            do { part = try await iterator.next() } catch { throw try attemptFailure(error, url: url) }
            guard let part else { return }
            guard guardian.isFastEnough(adding: part.readableBytes, at: timekeeper.now()) else {
                throw AttemptFailure(url: url, reason: .connection(.stalled))
            }
            if try await !body(part) { return }
        }
    }
}

/// Notices a transfer that trickles: less than 1 kB/s over a minute.
struct RateGuard {
    static let window: Duration = .seconds(60)
    static let leastBytes = 60_000

    private var windowStart: ContinuousClock.Instant
    private var bytes = 0

    init(start: ContinuousClock.Instant) { windowStart = start }

    mutating func isFastEnough(adding count: Int, at now: ContinuousClock.Instant) -> Bool {
        bytes += count
        guard now - windowStart >= Self.window else { return true }
        let isFast = bytes >= Self.leastBytes
        bytes = 0
        windowStart = now
        return isFast
    }
}

extension TimeAmount {
    fileprivate init(_ duration: Duration) {
        let (seconds, attoseconds) = duration.components
        self = .nanoseconds(seconds * 1_000_000_000 + attoseconds / 1_000_000_000)
    }
}

/// What an error of the HTTP client means; cancellation and our own errors pass through.
private func attemptFailure(_ error: any Error, url: HTTPURL) throws -> AttemptFailure {
    if error is CancellationError || Task.isCancelled { throw CancellationError() }
    if let error = error as? HTTPError { throw error }
    if let error = error as? AttemptFailure { return error }
    return AttemptFailure(url: url, reason: .connection(connectionFailure(error)))
}

private func connectionFailure(_ error: any Error) -> ConnectionFailure {
    switch error {
    case let error as HTTPClientError:
        switch error {
        case .tlsHandshakeTimeout: return .handshakeTimedOut
        case .connectTimeout, .getConnectionFromPoolTimeout, .deadlineExceeded, .httpProxyHandshakeTimeout,
            .socksHandshakeTimeout:
            return .timedOut
        case .readTimeout, .writeTimeout: return .stalled
        case .remoteConnectionClosed, .uncleanShutdown, .requestStreamCancelled: return .closed
        default: return .protocolViolation("\(error)")
        }
    case let error as NIOConnectionError:
        guard let first = error.connectionErrors.first else { return .unknownHost }
        return connectionFailure(first.error)
    case let error as IOError: return connectionFailure(errno: Errno(rawValue: error.errnoCode), error)
    case let error as NIOSSLError:
        switch error {
        case .handshakeFailed(let reason): return handshakeFailure("\(reason)")
        case .uncleanShutdown: return .closed
        default: return .handshake("\(error)")
        }
    case is NIOSSLExtraError: return .untrustedCertificate("\(error)")
    case let error as BoringSSLError: return handshakeFailure("\(error)")
    case ChannelError.connectTimeout: return .timedOut
    case is ChannelError: return .closed
    case is SocketAddressError.UnknownHost: return .unknownHost
    default: return .protocolViolation("\(error)")
    }
}

private func connectionFailure(errno: Errno, _ error: IOError) -> ConnectionFailure {
    switch errno {
    case .connectionRefused: .refused
    case .connectionReset, .brokenPipe, .connectionAbort, .socketNotConnected: .closed
    case .timedOut: .timedOut
    default: .unreachable(SystemCallError.text(of: errno))
    }
}

private func handshakeFailure(_ text: String) -> ConnectionFailure {
    // BoringSSL's reason is the third part of its colon-separated text: "error:…:SSL routines:…:CERTIFICATE_VERIFY_FAILED".
    let reasons = [
        "CERTIFICATE_VERIFY_FAILED", "WRONG_VERSION_NUMBER", "HTTP_REQUEST", "UNSUPPORTED_PROTOCOL",
        "EOF during handshake",
    ]
    let reason = reasons.first { text.contains($0) }
    switch reason {
    case "CERTIFICATE_VERIFY_FAILED": return .untrustedCertificate("certificate verification failed")
    case "WRONG_VERSION_NUMBER", "HTTP_REQUEST": return .handshake("the server does not speak TLS")
    case "UNSUPPORTED_PROTOCOL": return .handshake("the server does not speak TLS 1.2 or later")
    default: return .handshake(reason ?? text)
    }
}
