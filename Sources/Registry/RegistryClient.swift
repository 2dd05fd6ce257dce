internal import AsyncHTTPClient
package import HTTP
package import Logging
internal import NIOHTTP1
internal import OCI
package import Settings
internal import Synchronization
package import SystemPackage
internal import Text

/// Speaks the OCI distribution protocol with any number of registries over shared connections.
///
/// Reads go to the configured mirrors in their order and then to the registry; writes go to the registry only. Transient faults are
/// retried, redirects are followed without credentials, and everything read by digest is checked against it.
package final class RegistryClient: Sendable {
    /// What a client needs to know of the world.
    package struct Configuration: Sendable {
        package var endpoints: EndpointResolver
        package var credentials: any CredentialSource
        package var patience = NetworkPatience()
        package var retries = RetryPolicy()
        package var timekeeper: Timekeeper = .real
        /// A PEM file instead of the system's authorities.
        package var systemAuthorities: FilePath?
        package var proxies = ProxySettings()

        package init(endpoints: EndpointResolver, credentials: any CredentialSource) {
            self.endpoints = endpoints
            self.credentials = credentials
        }
    }

    private let configuration: Configuration
    let endpoints: EndpointResolver
    let transport: HTTPTransport
    let authorizer: Authorizer
    let retrier: Retrier
    let timekeeper: Timekeeper
    let logger: Logger
    /// Which scheme a host that may have several turned out to speak.
    private let schemes = Mutex<[Authority: HTTPURL.Scheme]>([:])

    package init(_ configuration: Configuration, logger: Logger) {
        self.configuration = configuration
        endpoints = configuration.endpoints
        timekeeper = configuration.timekeeper
        self.logger = logger
        retrier = Retrier(policy: configuration.retries, timekeeper: configuration.timekeeper)
        transport = HTTPTransport(
            patience: configuration.patience,
            timekeeper: configuration.timekeeper,
            systemAuthorities: configuration.systemAuthorities,
            proxies: configuration.proxies
        )
        authorizer = Authorizer(
            transport: transport,
            credentials: configuration.credentials,
            retrier: retrier,
            timekeeper: configuration.timekeeper
        )
    }

    /// A client that speaks with one registry also without TLS, or with a certificate of an unknown authority.
    package func trusting(_ domain: String) -> RegistryClient {
        var configuration = configuration
        configuration.endpoints = configuration.endpoints.trusting(domain)
        return RegistryClient(configuration, logger: logger)
    }

    /// One request to a registry, before it is known at which address.
    struct Request {
        var method: HTTPMethod
        var endpoint: Endpoint
        /// The path in the mirrored registry; nil for the API's root.
        var repository: String?
        var rest: String
        var query: [(name: String, value: String)] = []
        /// An address that the registry itself gave, instead of one made of the fields above.
        var location: HTTPURL?
        var headers = HTTPHeaders()
        var body: HTTPClientRequest.Body?
        var scopes: [AccessScope]
        /// Statuses that are an answer; any other one is a failure.
        var accepting: Set<Int>
        var isUpload = false

        init(
            _ method: HTTPMethod,
            _ endpoint: Endpoint,
            _ repository: Repository?,
            _ rest: String,
            push: Bool = false,
            accepting: Set<Int>
        ) {
            self.method = method
            self.endpoint = endpoint
            self.repository = repository?.path
            self.rest = rest
            self.accepting = accepting
            scopes = repository.map { [AccessScope(repository: endpoint.path(of: $0.path), mayPush: push)] } ?? []
        }
    }

    /// Makes one attempt: finds the scheme, authenticates, follows redirects.
    /// - Throws: `AttemptFailure` for a failure that a retry may cure or that the caller words; `RegistryError` for the rest.
    func attempt(_ request: Request) async throws -> HTTPTransport.Answer {
        try await withScheme(request) { try await self.authorizedAttempt(request, $0) }
    }

    /// Makes one attempt that presents no credentials and answers no challenge.
    func unauthenticated(_ request: Request) async throws -> HTTPTransport.Answer {
        try await withScheme(request) { scheme in
            let registry = request.endpoint.url(scheme, repository: nil, "")
            let answer = try await self.followingRedirects(request, registry, registry, nil)
            guard request.accepting.contains(answer.status) else { throw await answer.failure() }
            return answer
        }
    }

    /// Does something with the schemes that a host may speak until one of them is the right one.
    private func withScheme(
        _ request: Request,
        _ body: (HTTPURL.Scheme) async throws -> HTTPTransport.Answer
    ) async throws -> HTTPTransport.Answer {
        let schemes = knownScheme(request.endpoint).map { [$0] } ?? request.endpoint.schemes
        var refusal: AttemptFailure?
        for scheme in schemes {
            do {
                let answer = try await body(scheme)
                remember(scheme, for: request.endpoint)
                return answer
            } catch let failure as AttemptFailure {
                switch failure.reason {
                case .status:
                    remember(scheme, for: request.endpoint)
                    throw failure
                case .connection(let reason):
                    guard scheme != schemes.last, case .http = schemes.last, reason.mayBePlainHTTP else {
                        throw failure
                    }
                    logger.debug("no TLS, trying plain HTTP", metadata: ["host": "\(request.endpoint.domain)"])
                    refusal = failure
                }
            }
        }
        throw refusal
            ?? AttemptFailure(
                url: request.endpoint.url(.https, repository: request.repository, request.rest),
                reason: .connection(.unreachable("it must not have a scheme"))
            )
    }

    private func knownScheme(_ endpoint: Endpoint) -> HTTPURL.Scheme? {
        guard endpoint.schemes.count > 1 else { return nil }
        return schemes.withLock { $0[endpoint.authority] }
    }

    private func remember(_ scheme: HTTPURL.Scheme, for endpoint: Endpoint) {
        guard endpoint.schemes.count > 1 else { return }
        schemes.withLock { $0[endpoint.authority] = scheme }
    }

    private func authorizedAttempt(_ request: Request, _ scheme: HTTPURL.Scheme) async throws -> HTTPTransport.Answer {
        let registry = request.endpoint.url(scheme, repository: nil, "")
        let url = request.location ?? request.endpoint.url(scheme, repository: request.repository, request.rest)
        let address = url.adding(query: request.query)
        var authorization = await authorizer.known(request.endpoint, scopes: request.scopes)
        // At most: what was known, what the challenge asked for, and once more where that had just expired.
        for round in 0..<3 {
            let answer = try await followingRedirects(request, address, registry, authorization)
            if request.accepting.contains(answer.status) { return answer }
            let failure = await answer.failure()
            guard answer.status == 401, round < 2, answer.url.hasSameOrigin(as: registry) else { throw failure }
            let next = try await authorizer.answer(
                Challenge.parse(answer.headers["WWW-Authenticate"]),
                for: Authorizer.Demand(endpoint: request.endpoint, registry: registry, scopes: request.scopes),
                rejected: authorization
            )
            guard let next, next != authorization else { throw failure }
            authorization = next
        }
        throw AttemptFailure(url: address, reason: .connection(.protocolViolation("endless authentication")))
    }

    private func followingRedirects(
        _ request: Request,
        _ address: HTTPURL,
        _ registry: HTTPURL,
        _ authorization: Secret?
    ) async throws -> HTTPTransport.Answer {
        let policy = RedirectPolicy(origin: registry)
        var url = address
        var isRegistry = url.hasSameOrigin(as: registry)
        for _ in 0...RedirectPolicy.maximum {
            var message = HTTPTransport.Request(method: request.method, url: url, headers: request.headers)
            message.body = request.body
            message.isUpload = request.isUpload
            if isRegistry {
                message.trust = request.endpoint.trust
                if let authorization { message.headers.add(name: "Authorization", value: authorization.reveal()) }
            } else {
                message.trust = try trust(of: url)
            }
            let answer = try await transport.send(message)
            guard [301, 302, 303, 307, 308].contains(answer.status), !request.accepting.contains(answer.status),
                let location = answer.header("Location")
            else { return answer }
            guard request.method == .GET || request.method == .HEAD else {
                throw RegistryError.unsafeRedirect(
                    from: url.redacted,
                    to: location,
                    reason: "only reads are redirected"
                )
            }
            let next = try policy.follow(from: url, location: location)
            url = next.url
            // Once away from the registry, nothing that a stranger says brings credentials back into play.
            isRegistry = isRegistry && next.isOrigin
        }
        throw RegistryError.invalidResponse(
            url: address.redacted,
            reason: "more than \(RedirectPolicy.maximum) redirects"
        )
    }

    /// How TLS is spoken to a host that a registry sends us to: by that host's own table.
    private func trust(of url: HTTPURL) throws(RegistryError) -> TLSTrust {
        let name = url.port == 443 ? url.host : "\(url.host):\(url.port)"
        guard Authority(parsing: name) != nil else { return TLSTrust() }
        return try endpoints.originEndpoint(for: name).trust
    }
}

extension ConnectionFailure {
    /// Whether the peer may be one that speaks no TLS at all.
    fileprivate var mayBePlainHTTP: Bool {
        switch self {
        case .handshake, .closed, .protocolViolation: true
        case .refused, .unknownHost, .unreachable, .timedOut, .handshakeTimedOut, .stalled, .untrustedCertificate: false
        }
    }
}

extension RegistryClient {
    /// Tries something at each host that answers for a registry, until one succeeds.
    ///
    /// A mirror's failure of any kind leads to the next host; the last one's failure is what the user sees, with the mirrors' beside it.
    func reading<Value>(
        _ repository: Repository,
        naming: ImageReference? = nil,
        _ body: (Endpoint) async throws -> Value
    ) async throws -> Value {
        var failures: [String] = []
        var isMissing = false
        for endpoint in try endpoints.pullEndpoints(for: repository.domain) {
            do {
                return try await body(endpoint)
            } catch is CancellationError {
                throw CancellationError()
            } catch let error as ReceiverFailure {
                throw error.underlying
            } catch {
                let worded = Self.worded(error, repository, .pull, naming)
                if let error = worded as? RegistryError, error.isMissing { isMissing = true }
                if endpoint.isMirror {
                    logger.debug("mirror failed", metadata: ["mirror": "\(endpoint.domain)", "reason": "\(worded)"])
                    failures.append("\(endpoint.domain): \(worded)")
                    continue
                }
                guard failures.isEmpty else {
                    throw RegistryError.everyHostFailed(mirrors: failures, last: "\(worded)", isMissing: isMissing)
                }
                throw worded
            }
        }
        throw RegistryError.invalidURL(repository.domain, reason: "no host serves it")
    }

    /// Does something at the registry itself.
    func writing<Value>(
        _ repository: Repository,
        naming: ImageReference? = nil,
        _ body: (Endpoint) async throws -> Value
    ) async throws -> Value {
        do {
            return try await body(try endpoints.originEndpoint(for: repository.domain))
        } catch {
            throw Self.worded(error, repository, .push, naming)
        }
    }

    /// The failure as the user is told of it.
    static func worded(
        _ error: any Error,
        _ repository: Repository,
        _ action: RegistryError.Action,
        _ reference: ImageReference?
    ) -> any Error {
        if let error = error as? HTTPError { return RegistryError.http(error) }
        if let error = error as? SettingsError { return RegistryError.settings(error) }
        guard let failure = error as? AttemptFailure else { return error }
        switch failure.reason {
        case .connection(let reason):
            return RegistryError.connectionFailed(
                url: failure.url.redacted,
                host: failure.url.authority,
                failure: reason
            )
        case .status(let status, let retryAfter, let document, let challenged):
            let url = failure.url.redacted
            switch (status, document.code) {
            case (429, _):
                return RegistryError.rateLimited(
                    host: repository.domain,
                    delay: retryAfter?.components.seconds,
                    message: document.message
                )
            case (401, _) where !challenged: return RegistryError.authenticationRequired(host: repository.domain)
            case (401, _), (403, _), (_, "DENIED"?), (_, "UNAUTHORIZED"?):
                return RegistryError.accessDenied(
                    repository: repository.familiar,
                    action: action,
                    detail: document.text
                )
            case (404, "NAME_UNKNOWN"?):
                return RegistryError.repositoryUnknown(repository: repository.familiar, detail: document.message)
            case (404, _) where reference != nil && action == .pull:
                return RegistryError.manifestUnknown(reference: reference?.familiar ?? "", detail: document.message)
            default:
                return RegistryError.refused(url: url, status: status, code: document.code, message: document.message)
            }
        }
    }
}

/// What the receiver of a download threw: nobody's retry or mirror cures it.
struct ReceiverFailure: Error {
    let underlying: any Error
}
