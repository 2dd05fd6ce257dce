internal import AsyncHTTPClient
internal import HTTP
internal import NIOHTTP1
internal import OCI
package import Settings
package import Text

extension RegistryClient {
    /// Tries this client's credentials at a registry.
    /// - Returns: the refresh token to store instead of the password, where the registry's token service gives one.
    /// - Throws: `RegistryError.credentialsRefused` where they are wrong.
    package func logIn(to domain: String) async throws -> Secret? {
        let endpoint = try endpoints.originEndpoint(for: domain)
        do {
            return try await retrier.run {
                let anonymous = Request(.GET, endpoint, nil, "", accepting: [200, 401])
                let answer = try await self.unauthenticated(anonymous)
                if answer.status == 200 { return nil }
                let challenges = Challenge.parse(answer.headers["WWW-Authenticate"])
                if let bearer = challenges.first(where: { $0.scheme == "bearer" }) {
                    let registry = HTTPURL(
                        scheme: answer.url.scheme,
                        host: answer.url.host,
                        port: answer.url.port,
                        target: "/v2/"
                    )
                    let demand = Authorizer.Demand(endpoint: endpoint, registry: registry, scopes: [])
                    return try await self.authorizer.identityToken(bearer, for: demand)
                }
                _ = try await self.attempt(Request(.GET, endpoint, nil, "", accepting: [200]))
                return nil
            }
        } catch let failure as AttemptFailure {
            switch failure.reason {
            case .connection(let reason):
                throw RegistryError.connectionFailed(
                    url: failure.url.redacted,
                    host: failure.url.authority,
                    failure: reason
                )
            case .status(401, _, let document, _), .status(403, _, let document, _):
                throw RegistryError.credentialsRefused(host: domain, user: nil, detail: document.text)
            case .status(let status, _, let document, _):
                throw RegistryError.refused(
                    url: failure.url.redacted,
                    status: status,
                    code: document.code,
                    message: document.message ?? "this is not a registry of the distribution protocol"
                )
            }
        }
    }
}

/// Logs in to registries and out of them, as `login` and `logout` do.
package struct RegistryLogin: Sendable {
    private let credentials: DockerCredentials
    private let makeClient: @Sendable (any CredentialSource) -> RegistryClient

    /// - Parameters:
    ///   - credentials: where logins are kept.
    ///   - makeClient: makes a client that uses the given credentials.
    package init(
        credentials: DockerCredentials,
        makeClient: @escaping @Sendable (any CredentialSource) -> RegistryClient
    ) {
        self.credentials = credentials
        self.makeClient = makeClient
    }

    /// Tries a user's name and password at a registry and keeps them, or the token given for them, if they are right.
    /// - Returns: where they are kept.
    /// - Throws: `RegistryError`; then nothing is kept.
    package func logIn(to domain: String, user: String, password: Secret) async throws -> DockerCredentials.Keeper {
        let given = Credential.password(user: user, password: password)
        do {
            let token = try await makeClient(GivenCredentials([domain: given])).logIn(to: domain)
            return try await credentials.store(token.map(Credential.identityToken) ?? given, for: domain)
        } catch RegistryError.credentialsRefused(let host, nil, let detail) {
            throw RegistryError.credentialsRefused(host: host, user: user, detail: detail)
        }
    }

    /// Tries what is stored for a registry.
    /// - Returns: whose login it is; nil where none is stored.
    /// - Throws: `RegistryError.credentialsRefused` where it is no longer right.
    package func logInWithStored(to domain: String) async throws -> Credential? {
        guard let stored = try await credentials.credential(for: domain) else { return nil }
        _ = try await makeClient(GivenCredentials([domain: stored])).logIn(to: domain)
        return stored
    }

    /// Forgets a registry's login.
    /// - Returns: whether there was one.
    package func logOut(of domain: String) async throws -> Bool { try await credentials.erase(for: domain) }
}
