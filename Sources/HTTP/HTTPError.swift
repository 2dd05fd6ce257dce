/// Why something could not be read over HTTP.
package enum HTTPError: Error, Hashable, Sendable, CustomStringConvertible {
    case connectionFailed(url: String, host: String, failure: ConnectionFailure)
    /// Any status but success; `message` is what the server says to it.
    case refused(url: String, status: Int, message: String?)
    case tooManyRedirects(url: String, limit: Int)
    case tooLarge(url: String, limit: Int64)
    /// An answer that is read into memory, and what it was to be.
    case answerTooLarge(what: String, limit: Int64)
    case unsafeRedirect(from: String, to: String, reason: String)
    case invalidURL(String, reason: String)
    /// A setting that a connection needs: a proxy of the environment, a file with certificates.
    case unusableSetting(place: String, key: String?, reason: String)

    init(_ failure: AttemptFailure) {
        switch failure.reason {
        case .connection(let reason):
            self = .connectionFailed(url: failure.url.redacted, host: failure.url.authority, failure: reason)
        case .status(let status, _, let document, _):
            self = .refused(url: failure.url.redacted, status: status, message: document.text)
        }
    }

    package var description: String {
        switch self {
        case .connectionFailed(let url, let host, let failure): "cannot get \(url): \(failure.text(host: host))"
        case .refused(let url, let status, let message):
            "invalid response status \(status) from \(url)" + (message.map { ": \($0)" } ?? "") + Self.remedy(status)
        case .tooManyRedirects(let url, let limit): "\(url) redirects more than \(limit) times"
        case .tooLarge(let url, let limit): "\(url) has more than the \(limit) bytes that are allowed"
        case .answerTooLarge(let what, let limit): "\(what) is larger than \(limit) bytes"
        case .unsafeRedirect(let from, let to, let reason): "\(from) redirects to \"\(to)\": \(reason)"
        case .invalidURL(let text, let reason): "invalid URL \"\(text)\": \(reason)"
        case .unusableSetting(let place, let key, let reason): "\(place): \(key.map { "\($0): " } ?? "")\(reason)"
        }
    }

    private static func remedy(_ status: Int) -> String {
        switch status {
        case 401, 403: "; the server wants credentials"
        case 404, 410: "; there is no such file on the server: check the address"
        default: ""
        }
    }
}
