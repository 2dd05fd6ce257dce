package import BuildKitProto
import OCI

/// Reads the parts of a step that clients send by themselves, for processes that are no steps.
package enum ProcessMessages {
    private static let decoder = OperationDecoder(digest: Digest.sha256(of: []), inputs: [])

    /// A mount, without the tree that it is of.
    package static func mount(_ message: Pb_Mount) throws(LLBError) -> Mount {
        var message = message
        message.input = -1
        message.output = -1
        return try decoder.decode(message)
    }

    package static func process(_ message: Pb_Meta) -> Process { decoder.decode(message) }

    package static func network(_ mode: Pb_NetMode) throws(LLBError) -> NetworkMode { try decoder.decode(mode) }

    package static func security(_ mode: Pb_SecurityMode) throws(LLBError) -> SecurityMode { try decoder.decode(mode) }
}
