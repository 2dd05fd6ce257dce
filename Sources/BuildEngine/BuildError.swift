internal import DockerfileSyntax
package import LLB
internal import LinuxSystem
package import OCI
package import SystemPackage
internal import Text

/// Why a build could not be done, apart from a step that failed.
package enum BuildError: Error, CustomStringConvertible {
    /// A scanner image without a command.
    case scannerWithoutCommand(String)
    case contextNotFound(FilePath)
    case contextIsNoDirectory(FilePath)
    /// A context that is neither an archive nor a Dockerfile.
    case contextIsEmpty
    case ambiguousDockerfile
    case contextAddress(String, reason: String)
    case namedContext(String, reason: String)
    case notAllowed(Entitlement)
    /// An image that its registry does not have; with more of the reason where there is more to say.
    case imageNotFound(ImageReference, reason: String?)
    /// A policy has another kind of source in place of an image.
    case notAnImage(ImageReference, Source)
    case dockerfileNotFound(String)
    case dockerfileIsNoFile(String)
    case dockerfileTooLarge(String, limit: Int)

    package var description: String {
        switch self {
        case .scannerWithoutCommand(let image):
            "scanner \(image) does not have cmd; name another one with --sbom generator=IMAGE"
        case .contextNotFound(let path):
            "unable to prepare context: path \(quoted(path.bytes).displayText) not found"
        case .contextIsNoDirectory(let path):
            "unable to prepare context: path \(quoted(path.bytes).displayText) is not a directory; give the directory that holds the files to COPY, and the Dockerfile with -f"
        case .contextIsEmpty:
            "unable to prepare context: standard input is empty; pipe an archive of the files, or a Dockerfile, into it"
        case .ambiguousDockerfile:
            "ambiguous Dockerfile source: both stdin and flag correspond to Dockerfiles"
        case .contextAddress(let address, let reason):
            "unable to prepare context: \(address): \(reason)"
        case .namedContext(let name, let reason): "failed to load build context \(name): \(reason)"
        case .imageNotFound(let reference, let reason):
            "\(reference): not found\(reason.map { ": \($0)" } ?? "")"
        case .notAnImage(let reference, let source):
            "the source policy has \(escapedForDisplay(withoutCredentials(source.identifier))) in place of \(reference), which is not an image"
        case .dockerfileNotFound(let name):
            "failed to read dockerfile: open \(name): no such file or directory; name another one with -f"
        case .dockerfileIsNoFile(let name):
            "failed to read dockerfile: \(name) is not a regular file"
        case .dockerfileTooLarge(let name, let limit):
            "failed to read dockerfile: \(name) is larger than \(limit) bytes"
        case .notAllowed(let entitlement):
            "\(entitlement.rawValue) is not allowed; allow it with --allow \(entitlement.rawValue)"
        }
    }
}
