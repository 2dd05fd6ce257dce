internal import LinuxSystem
package import OCI
package import SystemPackage
internal import Text

/// Why a build cache could not be read or written.
package enum RemoteCacheError: Error, Hashable, Sendable, CustomStringConvertible {
    /// What the cache says makes no sense, or could do harm.
    case invalid(reason: String)
    /// The name refers to something other than a cache.
    case notACache(reason: String)
    /// Nothing of the name is there.
    case missing(what: String)
    /// A cache has more than anybody's has.
    case overLimit(what: String, limit: Int)
    /// An image that is not to be kept with the cache in it.
    case inlineTooLarge(bytes: Int, limit: Int)
    /// A directory of a cache cannot be used.
    case directory(FilePath, reason: String)
    /// A bucket refused, or could not be reached.
    case bucket(address: String, reason: String)
    case blobMissing(Digest)
    case layerFailed(Digest, reason: String)

    package var description: String {
        switch self {
        case .invalid(let reason): "invalid build cache: \(reason)"
        case .notACache(let reason): "no build cache: \(reason)"
        case .missing(let what): "\(what): not found"
        case .overLimit(let what, let limit): "the build cache has more than \(limit) \(what)"
        case .inlineTooLarge(let bytes, let limit):
            "the inline cache of \(bytes) bytes does not fit into an image's configuration of at most \(limit); export it with --cache-to type=registry"
        case .directory(let path, let reason): "\(escapedForDisplay(path.bytes)): \(reason)"
        case .bucket(let address, let reason): "\(address): \(reason)"
        case .blobMissing(let digest): "blob \(digest): not found"
        case .layerFailed(let digest, let reason): "error writing layer blob \(digest): \(reason)"
        }
    }
}
