/// Why a git repository could not be read.
package enum GitError: Error, Hashable, Sendable, CustomStringConvertible {
    case failed(command: String, reason: String)
    /// With the address of the repository.
    case unreachable(repository: String, reason: String)
    case invalidReference(String)
    case noSuchReference(String, repository: String)
    case invalidChecksum(String)
    case checksumMismatch(expected: String, actual: String)
    case subdirectory(String, reason: String)
    /// A commit or tag that is not signed as it must be.
    case signature(repository: String, reason: String)

    package var description: String {
        switch self {
        case .failed(let command, let reason): "git \(command) failed: \(reason)"
        case .unreachable(let repository, let reason): "failed to fetch remote \(repository): \(reason)"
        case .invalidReference(let name): "invalid git reference \"\(name)\""
        case .noSuchReference(let name, let repository): "repository does not contain ref \(name): \(repository)"
        case .invalidChecksum(let text): "invalid checksum \(text) for Git URL, expected hex commit hash"
        case .checksumMismatch(let expected, let actual): "expected checksum to match \(expected), got \(actual)"
        case .signature(let repository, let reason): "failed to verify the signature of \(repository): \(reason)"
        case .subdirectory(let path, let reason): "invalid subdirectory \"\(path)\" of the repository: \(reason)"
        }
    }
}
