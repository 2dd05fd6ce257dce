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

/// Standard base64, as Basic authentication and docker's configuration use it.
///
/// See RFC 4648, section 4.
enum Base64 {
    private static let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)

    /// The bytes, or nil for text that is no base64; padding may be missing.
    static func decode(_ text: String) -> [UInt8]? {
        var bytes: [UInt8] = []
        var word: UInt32 = 0
        var bits: UInt32 = 0
        var isPadded = false
        for character in text.utf8 {
            if character == UInt8(ascii: "=") {
                isPadded = true
                continue
            }
            guard !isPadded, let value = alphabet.firstIndex(of: character) else { return nil }
            word = word << 6 | UInt32(value)
            bits += 6
            if bits >= 8 {
                bits -= 8
                bytes.append(UInt8(truncatingIfNeeded: word >> bits))
                word &= (1 << bits) - 1
            }
        }
        return bytes
    }
}
