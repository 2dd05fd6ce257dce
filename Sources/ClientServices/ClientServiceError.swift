package import LinuxSystem
package import OCI
package import SystemPackage
internal import Text

/// Why a step does not get what it asks its client for, in the words that users of docker know.
package enum ClientServiceError: Error, Sendable, Hashable, CustomStringConvertible {
    case secretNotFound([UInt8])
    case secretUnreadable([UInt8], SystemCallError)
    case secretTooLarge([UInt8])
    /// Variables reach a process as text; the error does not show the bytes at fault.
    case secretIsNoText([UInt8])
    /// The same of headers.
    case secretIsNoHeader([UInt8])
    case noAgentForwarded([UInt8])
    case agentNotFound([UInt8])
    /// In the words of the client.
    case agentRefused([UInt8], reason: String)
    case agentUnreachable(FilePath, SystemCallError)
    case agentProgramMissing(String)
    case agentDidNotStart(reason: String)
    case keyRefused(FilePath, reason: String)
    case noContent(store: String)
    case blobMissing(Digest, store: String)
    case wrongBlob(Digest, store: String, reason: String)
    /// What came for an agent is no message of its protocol.
    case malformedAgentRequest

    package var description: String {
        switch self {
        case .secretNotFound(let id):
            "secret \(escapedForDisplay(id)): not found: give it with --secret id=\(escapedForDisplay(id)),src=FILE"
        case .secretUnreadable(let id, let error): "secret \(escapedForDisplay(id)): \(error)"
        case .secretTooLarge(let id):
            "secret \(escapedForDisplay(id)) too big. max size \(SecretSource.sizeLimit >> 10)KB"
        case .secretIsNoText(let id):
            "secret \(escapedForDisplay(id)) cannot be an environment variable: it is not valid UTF-8 without NUL bytes; mount it as a file"
        case .secretIsNoHeader(let id):
            "secret \(escapedForDisplay(id)) cannot be sent to a server: it is empty, or has line breaks or control characters in it"
        case .noAgentForwarded(let id):
            "no SSH key \"\(escapedForDisplay(id))\" forwarded from the client: give it with --ssh \(escapedForDisplay(id))"
        case .agentNotFound(let id):
            "unset ssh forward key \(escapedForDisplay(id)): give it with --ssh \(escapedForDisplay(id))=SOCKET|KEY"
        case .agentRefused(let id, let reason):
            "the client forwards no ssh agent \"\(escapedForDisplay(id))\": \(escapedForDisplay(Array(reason.utf8)))"
        case .agentUnreachable(let path, let error):
            "cannot reach the ssh agent at \(escapedForDisplay(path.bytes)): \(SystemCallError.text(of: error.errno))"
        case .agentProgramMissing(let name):
            "\(name) is not installed: it serves the keys of --ssh (Debian's package is openssh-client)"
        case .agentDidNotStart(let reason): "ssh-agent did not start: \(reason)"
        case .keyRefused(let path, let reason):
            "failed to parse \(escapedForDisplay(path.bytes)): \(reason); a key with a passphrase must be in a running agent"
        case .noContent(let store): "the client offers no content store \(escapedForDisplay(Array(store.utf8)))"
        case .blobMissing(let digest, let store):
            "\(digest) is not in the client's content store \(escapedForDisplay(Array(store.utf8)))"
        case .wrongBlob(let digest, let store, let reason):
            "\(digest) of the client's content store \(escapedForDisplay(Array(store.utf8))) \(reason)"
        case .malformedAgentRequest: "the request to the ssh agent is malformed: its length is out of range"
        }
    }
}

extension ClientServiceError: CausedError {
    package var cause: (any Error)? {
        switch self {
        case .secretUnreadable(_, let error), .agentUnreachable(_, let error): error
        case .secretNotFound, .secretTooLarge, .secretIsNoText, .secretIsNoHeader, .noAgentForwarded, .agentNotFound,
            .agentRefused, .agentProgramMissing, .agentDidNotStart, .keyRefused, .noContent, .blobMissing, .wrongBlob,
            .malformedAgentRequest:
            nil
        }
    }
}
