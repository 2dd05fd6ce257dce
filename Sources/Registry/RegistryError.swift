package import HTTP
package import OCI
package import Settings

/// Why a registry, its configuration or its credentials could not be used; the texts are docker's where users know them.
package enum RegistryError: Error, Hashable, Sendable, CustomStringConvertible {
    /// What was being done to a repository when access was refused.
    package enum Action: String, Sendable, Hashable { case pull, push }

    /// The registry does not let this user, or nobody in particular, use the repository.
    case accessDenied(repository: String, action: Action, detail: String?)
    /// The registry wants a user name and a password, and none is stored for it.
    case authenticationRequired(host: String)
    /// The stored or given credentials were refused.
    case credentialsRefused(host: String, user: String?, detail: String?)
    case manifestUnknown(reference: String, detail: String?)
    case repositoryUnknown(repository: String, detail: String?)
    case blobUnknown(repository: String, digest: Digest)
    /// No usable connection; `url` is what was asked for.
    case connectionFailed(url: String, host: String, failure: ConnectionFailure)
    /// A mirror and the origin both failed; `isMissing` says that one of them does not have what was asked for.
    case everyHostFailed(mirrors: [String], last: String, isMissing: Bool = false)
    case untrustedRealm(host: String, realm: String, reason: String)
    case unsafeRedirect(from: String, to: String, reason: String)
    case http(HTTPError)
    case settings(SettingsError)
    /// More bytes than the limit (in bytes) or than the descriptor says.
    case tooLarge(what: String, limit: Int64)
    case sizeMismatch(what: String, expected: Int64, actual: Int64)
    case digestMismatch(what: String, expected: Digest, actual: Digest)
    /// Any other answer that is an error; `code` is the distribution specification's.
    case refused(url: String, status: Int, code: String?, message: String?)
    /// 429; `delay` is the seconds that the registry asks to wait, where it says so.
    case rateLimited(host: String, delay: Int64?, message: String?)
    case invalidResponse(url: String, reason: String)
    case invalidURL(String, reason: String)

    package var description: String {
        switch self {
        case .accessDenied(let repository, let action, let detail):
            "\(action.rawValue) access denied for \(repository), repository does not exist or may require 'slipway login'"
                + Self.suffix(detail)
        case .authenticationRequired(let host):
            "unauthorized: authentication required by \(host): log in with 'slipway login \(host)'"
        case .credentialsRefused(let host, let user, let detail):
            "unauthorized: incorrect username or password" + (user.map { " for user \"\($0)\"" } ?? "") + " at \(host)"
                + Self.suffix(detail)
        case .manifestUnknown(let reference, let detail):
            "manifest for \(reference) not found: manifest unknown" + Self.suffix(detail)
        case .repositoryUnknown(let repository, let detail):
            "repository \(repository) not found: name unknown" + Self.suffix(detail)
        case .blobUnknown(let repository, let digest):
            "blob \(digest) not found in repository \(repository): blob unknown"
        case .connectionFailed(let url, let host, let failure):
            "cannot reach registry: \(url): \(failure.text(registry: host))"
        case .everyHostFailed(let mirrors, let last, _):
            ([last] + mirrors.map { "mirror \($0)" }).joined(separator: "; ")
        case .untrustedRealm(let host, let realm, let reason):
            "registry \(host) asks for its credentials to be sent to \"\(realm)\": \(reason); "
                + "if this is right, allow it with auth_hosts in [registry.\"\(host)\"] of slipway.toml"
        case .unsafeRedirect(let from, let to, let reason): "\(from) redirects to \"\(to)\": \(reason)"
        case .http(let error): error.description
        case .settings(let error): error.description
        case .tooLarge(let what, let limit): "\(what) is larger than \(limit) bytes"
        case .sizeMismatch(let what, let expected, let actual): "\(what) has \(actual) bytes, not \(expected)"
        case .digestMismatch(let what, let expected, let actual): "\(what) has digest \(actual), not \(expected)"
        case .refused(let url, let status, let code, let message): Self.refusal(url, status, code, message)
        case .rateLimited(let host, let delay, let message):
            "toomanyrequests: registry \(host) limits the rate of requests" + Self.suffix(message)
                + (delay.map { "; try again in \($0) seconds" } ?? "") + ", or log in with 'slipway login \(host)'"
        case .invalidResponse(let url, let reason): "unexpected answer from \(url): \(reason)"
        case .invalidURL(let text, let reason): "invalid URL \"\(text)\": \(reason)"
        }
    }

    private static func suffix(_ detail: String?) -> String { detail.map { ": \($0)" } ?? "" }

    private static func refusal(_ url: String, _ status: Int, _ code: String?, _ message: String?) -> String {
        let name = code.map { "\($0.lowercased().replacing("_", with: " ")): " } ?? ""
        return "\(name)\(message ?? "unexpected status") (\(status) from \(url))"
    }
}

extension RegistryError {
    /// Whether a registry or a mirror says that it does not have what was asked for.
    package var isMissing: Bool {
        switch self {
        case .manifestUnknown, .repositoryUnknown, .blobUnknown, .refused(_, status: 404, _, _): true
        case .everyHostFailed(_, _, let isMissing): isMissing
        default: false
        }
    }
}

extension ConnectionFailure {
    /// The failure in words, with what may help where the host is a registry.
    fileprivate func text(registry host: String) -> String {
        switch self {
        case .refused: "connection refused: is the registry at \(host) running, and is the port right?"
        case .untrustedCertificate(let reason):
            "x509: certificate not trusted (\(reason)): name its authority with ca = [\"…\"] in "
                + "[registry.\"\(host)\"] of slipway.toml"
        case .handshake(let reason):
            "TLS handshake failed (\(reason)): if \(host) speaks plain HTTP, set http = true in "
                + "[registry.\"\(host)\"] of slipway.toml"
        case .unknownHost, .unreachable, .timedOut, .handshakeTimedOut, .closed, .stalled, .protocolViolation:
            text(host: host)
        }
    }
}
