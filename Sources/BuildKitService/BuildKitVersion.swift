import Attestations
import BuildKitProto

/// The release of BuildKit whose API the daemon speaks: clients decide by it what they may ask for.
package enum BuildKitVersion {
    package static let package = "github.com/moby/buildkit"
    package static let version = "v0.32.2"
    /// What web servers are told that builds of the daemon take files from.
    package static let userAgent = "buildkit/\(version)"
    /// Of the Dockerfile's frontend that is built in.
    package static let dockerfile = Provenance.dockerfileVersion
}
