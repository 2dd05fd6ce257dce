package import OCI

/// Why a build definition is refused.
package enum LLBError: Error, Hashable, Sendable, CustomStringConvertible {
    /// Bytes that are no protobuf message of the expected kind.
    case malformed(what: String)
    case tooLarge(what: String, size: Int, limit: Int)
    /// An operation with impossible values; `digest` is nil while it is being made.
    case invalidOperation(digest: Digest?, reason: String)
    case unsupportedOperation(digest: Digest?, kind: String)
    case missingInput(digest: String, of: Digest)
    case noSuchResult(index: Int64, of: Digest, by: Digest?)
    /// Operations that need each other's results.
    case cycle(through: Digest)
    case invalidSource([UInt8], reason: String)

    package var description: String {
        switch self {
        case .malformed(let what): "invalid LLB definition: \(what) is malformed"
        case .tooLarge(let what, let size, let limit):
            "invalid LLB definition: \(what) has a size of \(size), more than the \(limit) allowed"
        case .invalidOperation(let digest, let reason): "invalid LLB operation\(Self.name(digest)): \(reason)"
        case .unsupportedOperation(let digest, let kind):
            "unsupported LLB operation\(Self.name(digest)): \(kind) operations are not available in this builder"
        case .missingInput(let input, let digest):
            "invalid LLB definition: input digest \(input) of \(digest) not found"
        case .noSuchResult(let index, let digest, let user):
            "invalid LLB definition: \(digest) has no result \(index)" + (user.map { ", which \($0) asks for" } ?? "")
        case .cycle(let digest): "invalid LLB definition: \(digest) needs its own result"
        case .invalidSource(let identifier, let reason):
            "invalid source \(String(decoding: identifier, as: UTF8.self).debugDescription): \(reason)"
        }
    }

    private static func name(_ digest: Digest?) -> String { digest.map { " \($0)" } ?? "" }
}
