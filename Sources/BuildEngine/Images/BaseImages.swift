package import DockerfileFrontend
package import Images
package import OCI
package import Snapshots
package import Storage

/// What is asked of a base image.
package struct BaseQuestion: Sendable {
    /// As the Dockerfile names it.
    package private(set) var reference: ImageReference
    /// Which image of several.
    package let platform: Platform
    /// Whether the registry is asked although the store has the name (`--pull`).
    package var asksRegistry = false
    /// Whether the request named the platform; otherwise it is this machine's.
    package var isPlatformGiven = false

    package init(
        reference: ImageReference,
        platform: Platform,
        asksRegistry: Bool = false,
        isPlatformGiven: Bool = false
    ) {
        self.reference = reference
        self.platform = platform
        self.asksRegistry = asksRegistry
        self.isPlatformGiven = isPlatformGiven
    }

    /// The same of another image.
    func asking(for other: ImageReference) -> BaseQuestion {
        var question = self
        question.reference = other
        return question
    }
}

/// A base image: what a plan needs of it, and its layers, known and neither fetched nor unpacked.
package struct BaseImage: Sendable {
    /// Its digest, where it pins what the name does not, and its configuration.
    package let base: ResolvedBase
    package let tree: FileTree

    package init(base: ResolvedBase, tree: FileTree) {
        self.base = base
        self.tree = tree
    }
}

/// Where base images come from: the local store, and registries.
package protocol BaseImages: Sendable {
    /// Finds what an image is, without fetching its layers; the lease holds them.
    /// - Throws: an error that names the image if nobody has it, or nobody has it for the platform.
    func resolve(_ question: BaseQuestion, in lease: Lease) async throws -> BaseImage
}

/// Base images of the local store and of registries: a name that the store has is taken from there, as docker takes it.
package struct RemoteBaseImages: BaseImages {
    private let images: RemoteImages

    package init(images: RemoteImages) { self.images = images }

    package func resolve(_ question: BaseQuestion, in lease: Lease) async throws -> BaseImage {
        let lookup = ImageLookup(
            question.reference,
            platform: question.platform,
            policy: question.asksRegistry ? .always : .missing,
            match: question.isPlatformGiven ? .unlessSingle : .unlessLocal
        )
        let image = try await images.resolve(lookup, in: lease)
        // A local image that came from no registry is pinned by its id.
        let base = ResolvedBase(digest: image.digest ?? image.id, configuration: image.configuration)
        return BaseImage(base: base, tree: image.tree)
    }
}
