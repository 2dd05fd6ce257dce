package import Text

/// What a registry accepts as proof of who asks.
package enum Credential: Hashable, Sendable {
    case password(user: String, password: Secret)
    /// A refresh token that a token service gave at login.
    case identityToken(Secret)
    /// A bearer token for the registry itself.
    case registryToken(Secret)

    /// Whom it belongs to, for messages.
    package var user: String? {
        guard case .password(let user, _) = self else { return nil }
        return user
    }
}

/// Where credentials come from.
package protocol CredentialSource: Sendable {
    /// The credential for a registry as image names spell it (`docker.io`, `localhost:5000`); nil where there is none.
    func credential(for domain: String) async throws -> Credential?

    /// A token that the owner of the credentials gets itself, so as not to give them away; nil for one who does not.
    func token(for question: TokenQuestion) async throws -> IssuedToken?
}

extension CredentialSource {
    package func token(for question: TokenQuestion) async throws -> IssuedToken? { nil }
}

/// What a registry's challenge asks a token for.
package struct TokenQuestion: Hashable, Sendable {
    /// The registry as image names spell it.
    package var domain: String
    /// The address of the token service.
    package var realm: String
    package var service: String?
    package var scopes: [String]

    package init(domain: String, realm: String, service: String?, scopes: [String]) {
        self.domain = domain
        self.realm = realm
        self.service = service
        self.scopes = scopes
    }
}

/// What a token service gave.
package struct IssuedToken: Hashable, Sendable {
    package var token: Secret
    /// In seconds; nil where nothing was said.
    package var lifetime: Int64?

    package init(token: Secret, lifetime: Int64?) {
        self.token = token
        self.lifetime = lifetime
    }
}

/// Credentials given by the caller, for a login that is not stored yet or a request that carries its own.
package struct GivenCredentials: CredentialSource {
    private let byDomain: [String: Credential]

    package init(_ byDomain: [String: Credential] = [:]) { self.byDomain = byDomain }

    package func credential(for domain: String) -> Credential? { byDomain[domain] }
}
