package import DockerfileFrontend
package import Images
package import OCI
import Registry
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
    /// What its registry has the layers as; empty for an image of the local store.
    package let blobs: [Descriptor]

    package init(base: ResolvedBase, tree: FileTree, blobs: [Descriptor] = []) {
        self.base = base
        self.tree = tree
        self.blobs = blobs
    }
}

/// Where base images come from: the local store, and registries.
package protocol BaseImages: Sendable {
    /// Finds what an image is, without fetching its layers; the lease holds them.
    /// - Throws: an error that names the image if nobody has it, or nobody has it for the platform.
    func resolve(_ question: BaseQuestion, in lease: Lease) async throws -> BaseImage

    /// Makes sure that a blob of an image's repository is in the store; the lease holds it.
    /// - Throws: an error that names the blob if the repository does not have it.
    func fetchBlob(_ digest: Digest, of image: ImageReference, in lease: Lease) async throws

    /// Finds what is attested of an image, with the contents of some kinds of attestations; its registry is asked.
    /// - Returns: nil for an image of which nothing can be attested.
    /// - Throws: an error that names the image if its registry does not have it, or not for the platform.
    func attestations(
        of question: BaseQuestion,
        predicates: Set<String>,
        in lease: Lease
    ) async throws -> AttestationChain?
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
        let image: ResolvedImage
        do { image = try await images.resolve(lookup, in: lease) } catch let error as RegistryError
            where error.isMissing
        {
            throw Self.notFound(question, error)
        }
        // A local image that came from no registry is pinned by its id.
        let base = ResolvedBase(digest: image.digest ?? image.id, configuration: image.configuration)
        return BaseImage(base: base, tree: image.tree, blobs: image.blobs)
    }

    package func fetchBlob(_ digest: Digest, of image: ImageReference, in lease: Lease) async throws {
        try await images.fetchBlob(digest, of: image, in: lease)
    }

    package func attestations(
        of question: BaseQuestion,
        predicates: Set<String>,
        in lease: Lease
    ) async throws -> AttestationChain? {
        let (name, platform) = (question.reference, question.platform)
        do {
            return try await images.attestations(of: name, platform: platform, predicates: predicates, in: lease)
        } catch let error as RegistryError where error.isMissing {
            throw Self.notFound(question, error)
        }
    }

    /// In BuildKit's words; a registry that was not asked may have it.
    private static func notFound(_ question: BaseQuestion, _ error: RegistryError) -> BuildError {
        let reason: String? = if case .everyHostFailed = error { "\(error)" } else { nil }
        return .imageNotFound(question.reference, reason: reason)
    }
}
