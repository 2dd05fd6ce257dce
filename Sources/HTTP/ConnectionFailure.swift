/// Why no answer came from a host.
package enum ConnectionFailure: Hashable, Sendable {
    case refused
    case unknownHost
    case unreachable(String)
    case timedOut
    /// The server accepted the connection, and then sent nothing.
    case handshakeTimedOut
    /// The connection was closed or reset before the answer was complete.
    case closed
    /// No byte for longer than the idle limit, or less than the least rate.
    case stalled
    case untrustedCertificate(String)
    /// The TLS handshake failed: most often a server that speaks plain HTTP.
    case handshake(String)
    case protocolViolation(String)

    /// Whether another attempt may well succeed.
    package var isTransient: Bool {
        switch self {
        case .timedOut, .handshakeTimedOut, .closed, .stalled, .protocolViolation: true
        case .refused, .unknownHost, .unreachable, .untrustedCertificate, .handshake: false
        }
    }

    /// Whether each attempt that fails like this takes as long as the caller is willing to wait.
    package var isTimeout: Bool {
        switch self {
        case .timedOut, .handshakeTimedOut, .stalled: true
        default: false
        }
    }

    /// The failure in words, with what may help.
    package func text(host: String) -> String {
        switch self {
        case .refused: "connection refused: is there a server at \(host), and is the port right?"
        // In Go's words, which users of docker look for.
        case .unknownHost:
            "dial tcp: lookup \(host.prefix { $0 != ":" }): no such host: check the name and the DNS settings"
        case .unreachable(let reason): "\(reason): check the network route to \(host)"
        case .timedOut: "connection timed out: check the network and proxy settings for \(host)"
        case .handshakeTimedOut:
            "TLS handshake timed out: \(host) accepts connections and does not answer; check the server"
        case .closed: "the connection was closed before the answer was complete"
        case .stalled: "the transfer stalled"
        case .untrustedCertificate(let reason):
            "x509: certificate not trusted (\(reason)): name its authority with SSL_CERT_FILE"
        case .handshake(let reason): "TLS handshake failed (\(reason))"
        case .protocolViolation(let reason): "malformed HTTP answer: \(reason)"
        }
    }
}
