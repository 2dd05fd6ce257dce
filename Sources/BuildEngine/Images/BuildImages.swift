import ClientServices
import DockerfileFrontend
import Images
import LLB
import LinuxSystem
import OCI
import Operations
import Snapshots
import Storage
import Synchronization
import Text

/// The images that the steps of one build start from: of the store, of registries, and of layouts, here or at the client.
///
/// What was resolved is remembered: the step that starts from it asks for the same thing again.
final class BuildImages: ImageTrees {
    private struct Pin: Hashable {
        /// Nil for an image that is in no layout.
        var layout: LayoutStore?
        let digest: Digest
        /// An index is of images for several platforms: its digest alone does not say which.
        let platform: Platform
    }

    private struct State {
        /// Those that the request names.
        var layouts: [LayoutStore: LayoutImages] = [:]
        var trees: [Pin: FileTree] = [:]
        var images: [Pin: ResolvedImage] = [:]
        var digests: [Name: Digest] = [:]
    }

    /// What an image is asked for by.
    private struct Name: Hashable {
        let reference: ImageReference
        let platform: Platform
    }

    private let bases: any BaseImages
    private var lease: Lease { snapshots.lease }
    /// Whether registries are asked for what the store has under a name.
    private let asksRegistries: Bool
    /// Where the layers of layouts go.
    private let snapshots: LeasedSnapshots
    /// Has layouts that the request does not name.
    private let client: (any RemoteClient)?
    private let state = Mutex(State())

    init(
        bases: any BaseImages,
        snapshots: LeasedSnapshots,
        client: (any RemoteClient)?,
        asksRegistries: Bool
    ) {
        self.bases = bases
        self.snapshots = snapshots
        self.client = client
        self.asksRegistries = asksRegistries
    }

    /// Finds a base image.
    func resolve(_ question: BaseQuestion) async throws -> ResolvedBase {
        let image = try await base(question)
        guard let digest = image.base.digest else { return image.base }
        let name = Name(reference: question.reference, platform: question.platform.normalized)
        state.withLock { state in
            state.digests[name] = digest
            // The step may ask for the platform that the image turned out to be for.
            for platform in [question.platform, image.base.configuration.platform] {
                state.trees[Pin(digest: digest, platform: platform.normalized)] = image.tree
            }
        }
        return image.base
    }

    /// What is attested of an image; nil where nothing can be.
    func attestations(of question: BaseQuestion, predicates: Set<String>) async throws -> AttestationChain? {
        try await bases.attestations(of: question, predicates: predicates, in: lease)
    }

    /// What an image is that was named without its digest.
    func digest(of reference: ImageReference, platform: Platform?) async throws -> Digest? {
        let question = BaseQuestion(
            reference: reference.withDefaultTag,
            platform: (platform ?? .current).normalized,
            asksRegistry: asksRegistries
        )
        let name = Name(reference: question.reference, platform: question.platform)
        if let known = state.withLock({ $0.digests[name] }) { return known }
        return try await resolve(question).digest
    }

    /// The layers of an image; those of one of a layout are in the store from now on.
    func tree(of reference: ImageReference, layout: LayoutStore?, platform: Platform) async throws -> FileTree {
        if let layout {
            let image = try await image(reference, in: layout, platform)
            try await images(of: layout).fetchLayers(of: image, in: lease)
            return image.tree
        }
        if let digest = reference.digest {
            let pin = Pin(digest: digest, platform: platform.normalized)
            if let tree = state.withLock({ $0.trees[pin] }) { return tree }
        }
        let image = try await base(question(reference, platform))
        if let digest = image.base.digest { note(digest, of: reference, platform) }
        return image.tree
    }

    func pinned(_ reference: ImageReference, platform: Platform) async throws -> ImageReference {
        if let digest = reference.digest {
            // Steps are keyed by the digest: that its repository has it must be known before one is found in the cache.
            if !isKnown(digest, in: reference.repository) { _ = try await resolve(question(reference, platform)) }
            return reference
        }
        guard let digest = try await resolve(question(reference, platform)).digest else { return reference }
        note(digest, of: reference, platform)
        return reference.replacing(digest: digest)
    }

    private func base(_ question: BaseQuestion) async throws -> BaseImage {
        let image = try await bases.resolve(question, in: lease)
        snapshots.origins.note(image.blobs, of: image.tree.layers)
        return image
    }

    private func isKnown(_ digest: Digest, in repository: String) -> Bool {
        state.withLock { state in
            state.digests.contains { $0.value == digest && $0.key.reference.repository == repository }
        }
    }

    private func note(_ digest: Digest, of reference: ImageReference, _ platform: Platform) {
        let name = Name(reference: reference.withDefaultTag, platform: platform.normalized)
        state.withLock { $0.digests[name] = digest }
    }

    private func question(_ reference: ImageReference, _ platform: Platform) -> BaseQuestion {
        BaseQuestion(
            reference: reference,
            platform: platform,
            asksRegistry: asksRegistries && reference.digest == nil
        )
    }

    func fetchBlob(_ source: ImageBlobSource) async throws {
        guard let layout = source.layout else {
            return try await bases.fetchBlob(source.digest, of: source.reference, in: lease)
        }
        try await images(of: layout).fetchBlob(source.digest, in: lease)
    }

    // MARK: Layouts

    /// Lets the request's own name for a layout lead to its images.
    func add(_ layout: any LayoutContent, as name: [UInt8]) {
        let images = LayoutImages(layout, snapshots: snapshots.snapshots)
        state.withLock { $0.layouts[LayoutStore(name: name)] = images }
    }

    /// Finds an image of a layout by its digest.
    func resolve(
        _ reference: ImageReference,
        in layout: LayoutStore,
        platform: Platform
    ) async throws -> ResolvedBase {
        let image = try await image(reference, in: layout, platform)
        return ResolvedBase(digest: image.digest, configuration: image.configuration)
    }

    private func image(
        _ reference: ImageReference,
        in layout: LayoutStore,
        _ platform: Platform
    ) async throws -> ResolvedImage {
        guard let digest = reference.digest else {
            throw BuildError.namedContext(escapedForDisplay(layout.name), reason: "\(reference) has no digest")
        }
        let pin = Pin(layout: layout, digest: digest, platform: platform.normalized)
        if let known = state.withLock({ $0.images[pin] }) { return known }
        let found = try await images(of: layout).resolve(reference, digest, platform: platform, in: lease)
        snapshots.origins.note(found.blobs, of: found.layers)
        state.withLock { $0.images[pin] = found }
        return found
    }

    private func images(of layout: LayoutStore) async throws -> LayoutImages {
        if let images = state.withLock({ $0.layouts[layout] }) { return images }
        guard let client else {
            throw BuildError.namedContext(escapedForDisplay(layout.name), reason: "there is no layout of that name")
        }
        let name = String(decoding: layout.name, as: UTF8.self)
        let session = layout.session.isEmpty ? nil : String(decoding: layout.session, as: UTF8.self)
        let content = try await client.content(Self.layoutPrefix + name, session: session)
        return LayoutImages(ClientLayout(content), snapshots: snapshots.snapshots)
    }

    /// How the names begin that BuildKit's clients give the content stores of layouts.
    static let layoutPrefix = "oci:"
}
