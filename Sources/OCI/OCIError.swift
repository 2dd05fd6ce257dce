/// What is wrong with a value of the OCI formats.
package enum OCIError: Error, Hashable, Sendable, CustomStringConvertible {
    case invalidDigest(String, reason: String)
    /// A reference that the grammar refuses, with the reason in the words docker's users know.
    case invalidReference(String, reason: String)
    case invalidPlatform(String, reason: String)
    case invalidPlatformComponent(String, of: String)
    /// JSON that is damaged, ambiguous or over a limit; `offset` is in bytes.
    case invalidJSON(reason: String, offset: Int)
    /// A document that is valid JSON and yet no valid manifest, index or configuration.
    case invalidDocument(kind: String, reason: String)

    package var description: String {
        switch self {
        case .invalidDigest(let text, let reason): "invalid digest \"\(text)\": \(reason)"
        case .invalidReference(let text, let reason): "invalid reference format: \(reason): \"\(text)\""
        case .invalidPlatform(let text, let reason): "invalid platform \"\(text)\": \(reason)"
        // In containerd's words, which tools look for.
        case .invalidPlatformComponent(let part, let text):
            "\"\(part)\" is an invalid component of \"\(text)\": platform specifier component must match"
                + " \"^[A-Za-z0-9_.-]+$\": invalid argument"
        case .invalidJSON(let reason, let offset): "invalid JSON at byte \(offset): \(reason)"
        case .invalidDocument(let kind, let reason): "invalid \(kind): \(reason)"
        }
    }
}
