package import OCI

/// Why a download is not what it should be.
package enum DownloadError: Error, Hashable, Sendable, CustomStringConvertible {
    case digestMismatch(url: String, expected: Digest, actual: Digest)
    /// A server that answers "not modified" to a request without conditions.
    case unexpectedlyUnchanged(url: String)

    package var description: String {
        switch self {
        case .digestMismatch(let url, let expected, let actual):
            "digest mismatch \(actual): \(expected) is expected of \(url)"
        case .unexpectedlyUnchanged(let url): "unexpected answer from \(url): 304 to a request without conditions"
        }
    }
}
