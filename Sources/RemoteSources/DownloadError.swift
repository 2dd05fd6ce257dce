package import OCI

/// Why a download is not what it should be.
package enum DownloadError: Error, Hashable, Sendable, CustomStringConvertible {
    case digestMismatch(url: String, expected: Digest, actual: Digest)
    /// A server that answers "not modified" to a request without conditions.
    case unexpectedlyUnchanged(url: String)
    /// A file that is not signed as it must be.
    case signature(url: String, reason: String)

    package var description: String {
        switch self {
        case .digestMismatch(let url, let expected, let actual):
            "digest mismatch \(actual): \(expected) is expected of \(url)"
        case .signature(let url, let reason): "failed to verify pgp signature of \(url): \(reason)"
        case .unexpectedlyUnchanged(let url): "unexpected answer from \(url): 304 to a request without conditions"
        }
    }
}
