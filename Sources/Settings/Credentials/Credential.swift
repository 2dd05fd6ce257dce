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
}

/// Credentials given by the caller, for a login that is not stored yet or a request that carries its own.
package struct GivenCredentials: CredentialSource {
    private let byDomain: [String: Credential]

    package init(_ byDomain: [String: Credential] = [:]) { self.byDomain = byDomain }

    package func credential(for domain: String) -> Credential? { byDomain[domain] }
}
