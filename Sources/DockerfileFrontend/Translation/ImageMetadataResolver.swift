package import OCI

/// Finds out what a base image is, without fetching its layers.
package protocol ImageMetadataResolver: Sendable {
    /// Resolves a name with a tag or a digest.
    /// - Throws: whatever stands in the way; the frontend adds the place in the Dockerfile and a suggestion.
    func resolve(_ reference: ImageReference, platform: Platform) async throws -> ResolvedBase

    /// Resolves an image, by its digest, of a layout directory that the request gave a name.
    func resolve(_ reference: ImageReference, inLayout name: [UInt8], platform: Platform) async throws -> ResolvedBase
}

extension ImageMetadataResolver {
    /// The default: looks among all images.
    package func resolve(
        _ reference: ImageReference,
        inLayout name: [UInt8],
        platform: Platform
    ) async throws -> ResolvedBase {
        try await resolve(reference, platform: platform)
    }
}

/// A base image as far as a plan needs it.
package struct ResolvedBase: Sendable, Hashable {
    /// Pins the image: what the source in the plan names.
    ///
    /// Nil where the name itself is as good as a digest.
    package var digest: Digest?
    package var configuration: ImageConfiguration
    /// The image that was taken instead of the one that was asked for; nil where it is that one.
    package var reference: ImageReference?

    package init(digest: Digest?, configuration: ImageConfiguration) {
        self.digest = digest
        self.configuration = configuration
    }
}
