package import DockerfileFrontend
import Images
package import OCI
package import Snapshots

/// Where base images come from: the local store, and registries.
package protocol BaseImages: Sendable {
    /// Finds what an image is, without fetching its layers.
    ///
    /// - Parameters:
    ///   - reference: as the Dockerfile names it.
    ///   - platform: which image of several.
    ///   - asksRegistry: whether the registry is asked although the store has the name (`--pull`).
    ///   - isPlatformGiven: whether somebody asked for the platform, or it is only this machine's.
    /// - Returns: the image's digest, where it pins what the name does not, and its configuration.
    /// - Throws: an error that names the image if nobody has it, or nobody has it for the platform.
    func resolve(
        _ reference: ImageReference,
        platform: Platform,
        asksRegistry: Bool,
        isPlatformGiven: Bool
    ) async throws -> ResolvedBase

    /// The layers of an image, known and neither fetched nor unpacked.
    func tree(of reference: ImageReference, platform: Platform) async throws -> FileTree
}
