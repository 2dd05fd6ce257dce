internal import AsyncHTTPClient
internal import FoundationEssentials
internal import HTTP
internal import NIOHTTP1
internal import OCI
internal import Settings
internal import Text

/// Answers a registry's challenges, and remembers what it accepted.
actor Authorizer {
    /// Which access is wanted, and to which registry.
    struct Demand {
        let endpoint: Endpoint
        /// The address that the endpoint was asked at.
        let registry: HTTPURL
        let scopes: [AccessScope]
    }

    /// Who gives out tokens, as a challenge names it.
    private struct TokenService {
        let realm: HTTPURL
        let name: String?
    }

    private struct Key: Hashable {
        let domain: String
        let scopes: [AccessScope]
    }

    private struct Token {
        let header: Secret
        let expires: ContinuousClock.Instant
    }

    private struct TokenAnswer: Decodable {
        var token: String?
        var access_token: String?
        var refresh_token: String?
        var expires_in: Int64?
    }

    /// How a token service's answer is limited, in bytes.
    static let tokenLimit = 1 << 20

    private let transport: HTTPTransport
    private let credentials: any CredentialSource
    private let retrier: Retrier
    private let timekeeper: Timekeeper
    private var tokens: [Key: Token] = [:]
    private var basic: [String: Secret] = [:]

    init(transport: HTTPTransport, credentials: any CredentialSource, retrier: Retrier, timekeeper: Timekeeper) {
        self.transport = transport
        self.credentials = credentials
        self.retrier = retrier
        self.timekeeper = timekeeper
    }

    /// The `Authorization` that was accepted before for these scopes, if it still holds.
    func known(_ endpoint: Endpoint, scopes: [AccessScope]) -> Secret? {
        if let header = basic[endpoint.domain] { return header }
        let wanted = Set(scopes)
        for (key, token) in tokens where key.domain == endpoint.domain && wanted.isSubset(of: key.scopes) {
            if token.expires > timekeeper.now() { return token.header }
        }
        return nil
    }

    /// Gets an `Authorization` that answers a 401.
    /// - Parameters:
    ///   - challenges: what the registry offers.
    ///   - demand: what is needed, of the host that asked.
    ///   - rejected: the header that was just refused, if there was one.
    /// - Returns: the header's value; nil where nothing more can be offered.
    /// - Throws: `RegistryError`: `.credentialsRefused` if they were sent and not accepted, `.authenticationRequired` if there are none.
    func answer(_ challenges: [Challenge], for demand: Demand, rejected: Secret?) async throws -> Secret? {
        forget(rejected)
        if let bearer = challenges.first(where: { $0.scheme == "bearer" }) {
            return try await token(bearer, for: demand)
        }
        let endpoint = demand.endpoint
        guard challenges.contains(where: { $0.scheme == "basic" }) else { return nil }
        switch try await credentials.credential(for: endpoint.domain) {
        case .password(let user, let password):
            let header = Self.basicHeader(user, password)
            if header == rejected {
                throw RegistryError.credentialsRefused(host: endpoint.domain, user: user, detail: nil)
            }
            basic[endpoint.domain] = header
            return header
        case .registryToken(let token): return Secret("Bearer \(token.reveal())")
        case .identityToken, nil: throw RegistryError.authenticationRequired(host: endpoint.domain)
        }
    }

    private func forget(_ rejected: Secret?) {
        guard let rejected else { return }
        tokens = tokens.filter { $0.value.header != rejected }
        basic = basic.filter { $0.value != rejected }
    }

    private static func basicHeader(_ user: String, _ password: Secret) -> Secret {
        Secret("Basic " + base64("\(user):\(password.reveal())"))
    }

    private func token(_ challenge: Challenge, for demand: Demand) async throws -> Secret {
        let domain = demand.endpoint.domain
        if let issued = try await issuedToken(challenge, for: demand) {
            return try keep(issued.token.reveal(), lifetime: issued.lifetime, challenge, demand)
        }
        let credential = try await credentials.credential(for: domain)
        if case .registryToken(let token)? = credential { return Secret("Bearer \(token.reveal())") }
        let answer = try await fetchToken(challenge, credential, for: demand, offline: false)
        return try keep(answer.token ?? answer.access_token, lifetime: answer.expires_in, challenge, demand)
    }

    /// A token that the owner of the credentials gets itself.
    private func issuedToken(_ challenge: Challenge, for demand: Demand) async throws -> IssuedToken? {
        guard let realm = challenge.parameters["realm"] else { return nil }
        // The owner sends them to whatever host the registry names.
        let policy = RealmPolicy(registry: demand.registry, allowedHosts: demand.endpoint.authHosts)
        guard policy.refusalOfCredentials(to: try HTTPURL(parsing: realm)) == nil else { return nil }
        let question = TokenQuestion(
            domain: demand.endpoint.domain,
            realm: realm,
            service: challenge.parameters["service"],
            scopes: demand.scopes.sorted().map(\.description)
        )
        return try await credentials.token(for: question)
    }

    private func keep(
        _ text: String?,
        lifetime: Int64?,
        _ challenge: Challenge,
        _ demand: Demand
    ) throws -> Secret {
        let domain = demand.endpoint.domain
        guard let text, !text.isEmpty, text.utf8.allSatisfy({ (0x21...0x7e).contains($0) }) else {
            throw RegistryError.invalidResponse(url: challenge.parameters["realm"] ?? "", reason: "it has no token")
        }
        let header = Secret("Bearer \(text)")
        // The token protocol's default is a minute; a little less, so that one does not expire on its way.
        let life = min(max(lifetime ?? 60, 60), 86_400)
        tokens[Key(domain: domain, scopes: demand.scopes)] = Token(
            header: header,
            expires: timekeeper.now() + .seconds(life - min(10, life / 10))
        )
        return header
    }

    /// Asks the token service for a refresh token, which is what `login` stores; nil where it gives none.
    func identityToken(_ challenge: Challenge, for demand: Demand) async throws -> Secret? {
        let credential = try await credentials.credential(for: demand.endpoint.domain)
        let answer = try await fetchToken(challenge, credential, for: demand, offline: true)
        return answer.refresh_token.flatMap { $0.isEmpty ? nil : Secret($0) }
    }

    private func fetchToken(
        _ challenge: Challenge,
        _ credential: Credential?,
        for demand: Demand,
        offline: Bool
    ) async throws -> TokenAnswer {
        let registry = demand.registry
        guard let text = challenge.parameters["realm"] else {
            throw RegistryError.invalidResponse(url: registry.redacted, reason: "its challenge does not name a realm")
        }
        let realm = try HTTPURL(parsing: text)
        let policy = RealmPolicy(registry: registry, allowedHosts: demand.endpoint.authHosts)
        if let reason = credential == nil ? policy.refusal(of: realm) : policy.refusalOfCredentials(to: realm) {
            throw RegistryError.untrustedRealm(host: demand.endpoint.domain, realm: realm.redacted, reason: reason)
        }
        let service = TokenService(realm: realm, name: challenge.parameters["service"])
        let request = tokenRequest(service, credential, for: demand, offline: offline)
        let bytes: [UInt8]
        do {
            bytes = try await retrier.run { [transport] in
                let answer = try await Self.follow(request, transport)
                guard answer.status == 200 else { throw await answer.failure() }
                return try await answer.collect(limit: Self.tokenLimit, what: "the token of \(realm.redacted)")
            }
        } catch let failure as AttemptFailure {
            throw Self.refusal(failure, of: credential, for: demand)
        }
        do {
            return try JSONDecoder().decode(TokenAnswer.self, from: Data(bytes))
        } catch {
            throw RegistryError.invalidResponse(url: realm.redacted, reason: "it is not a token")
        }
    }

    private func tokenRequest(
        _ service: TokenService,
        _ credential: Credential?,
        for demand: Demand,
        offline: Bool
    ) -> HTTPTransport.Request {
        let realm = service.realm
        // A token service on the registry's own host shares its certificate authority.
        let trust = realm.host == demand.registry.host ? demand.endpoint.trust : nil
        let scopeTexts = demand.scopes.sorted().map(\.description)
        if case .identityToken(let token)? = credential {
            var fields = [("grant_type", "refresh_token"), ("client_id", "slipway"), ("refresh_token", token.reveal())]
            if let name = service.name { fields.append(("service", name)) }
            if !scopeTexts.isEmpty { fields.append(("scope", scopeTexts.joined(separator: " "))) }
            let form = fields.map { "\(percentEncoded($0.0))=\(percentEncoded($0.1))" }.joined(separator: "&")
            var request = HTTPTransport.Request(method: .POST, url: realm, trust: trust)
            request.headers.add(name: "Content-Type", value: "application/x-www-form-urlencoded")
            request.body = .bytes(Array(form.utf8))
            return request
        }
        var query: [(name: String, value: String)] = []
        if let name = service.name { query.append(("service", name)) }
        query += scopeTexts.map { ("scope", $0) }
        if offline { query += [("offline_token", "true"), ("client_id", "slipway")] }
        var headers = HTTPHeaders()
        if case .password(let user, let password)? = credential {
            query.append(("account", user))
            headers.add(name: "Authorization", value: Self.basicHeader(user, password).reveal())
        }
        return HTTPTransport.Request(method: .GET, url: realm.adding(query: query), headers: headers, trust: trust)
    }

    /// Follows redirects of a token service, but only on its own origin: its requests carry passwords.
    private static func follow(
        _ request: HTTPTransport.Request,
        _ transport: HTTPTransport
    ) async throws -> HTTPTransport.Answer {
        var request = request
        for _ in 0..<RedirectPolicy.maximum {
            let answer = try await transport.send(request)
            guard [301, 302, 303, 307, 308].contains(answer.status), let location = answer.header("Location") else {
                return answer
            }
            let next = try RedirectPolicy(origin: request.url).follow(from: request.url, location: location)
            guard next.isOrigin, request.method == .GET else {
                throw RegistryError.unsafeRedirect(
                    from: request.url.redacted,
                    to: next.url.redacted,
                    reason: "a token service must not hand a login on to another host"
                )
            }
            request.url = next.url
        }
        throw RegistryError.invalidResponse(url: request.url.redacted, reason: "too many redirects")
    }

    private static func refusal(
        _ failure: AttemptFailure,
        of credential: Credential?,
        for demand: Demand
    ) -> any Error {
        guard case .status(let status, _, let document, _) = failure.reason,
            status == 401 || status == 403 || status == 400
        else {
            return failure
        }
        guard let credential else {
            // Left to the caller, who knows the name that the user gave.
            return AttemptFailure(url: failure.url, reason: .status(401, retryAfter: nil, document, challenged: true))
        }
        return RegistryError.credentialsRefused(
            host: demand.endpoint.domain,
            user: credential.user,
            detail: document.text
        )
    }
}
