import DockerfileFrontend
import Images
import LinuxSystem
import OCI
import Operations
import Snapshots
import Storage
import Synchronization
import Text

/// The images that the steps of one build start from: of the store, of registries, and of the request's layout
/// directories.
///
/// What was resolved is remembered: the step that starts from it asks for the same thing again.
final class BuildImages: ImageTrees {
    private struct Pin: Hashable {
        /// Nil for an image that is in no layout directory.
        var layout: [UInt8]?
        let digest: Digest
        /// An index is of images for several platforms: its digest alone does not say which.
        let platform: Platform
    }

    private struct State {
        /// By the names of their contexts.
        var layouts: [[UInt8]: LayoutImages] = [:]
        var trees: [Pin: FileTree] = [:]
        var images: [Pin: ResolvedImage] = [:]
    }

    private let bases: any BaseImages
    private let lease: Lease
    /// Whether registries are asked for what the store has under a name.
    private let asksRegistries: Bool
    private let state = Mutex(State())

    init(bases: any BaseImages, lease: Lease, asksRegistries: Bool = false) {
        self.asksRegistries = asksRegistries
        self.bases = bases
        self.lease = lease
    }

    /// Finds a base image.
    func resolve(_ question: BaseQuestion) async throws -> ResolvedBase {
        let image = try await bases.resolve(question, in: lease)
        guard let digest = image.base.digest else { return image.base }
        state.withLock { state in
            // The step may ask for the platform that the image turned out to be for.
            for platform in [question.platform, image.base.configuration.platform] {
                state.trees[Pin(digest: digest, platform: platform.normalized)] = image.tree
            }
        }
        return image.base
    }

    /// The layers of an image; those of one of a layout directory are in the store from now on.
    func tree(of reference: ImageReference, layout: [UInt8]?, platform: Platform) async throws -> FileTree {
        if let layout {
            let image = try await image(reference, in: layout, platform)
            try await images(layout).fetchLayers(of: image, in: lease)
            return image.tree
        }
        if let digest = reference.digest {
            let pin = Pin(digest: digest, platform: platform.normalized)
            if let tree = state.withLock({ $0.trees[pin] }) { return tree }
        }
        let question = BaseQuestion(
            reference: reference,
            platform: platform,
            asksRegistry: asksRegistries && reference.digest == nil
        )
        return try await bases.resolve(question, in: lease).tree
    }

    // MARK: Layout directories

    func add(_ images: LayoutImages, as name: [UInt8]) { state.withLock { $0.layouts[name] = images } }

    /// Finds an image of a layout directory by its digest.
    func resolve(_ reference: ImageReference, in layout: [UInt8], platform: Platform) async throws -> ResolvedBase {
        let image = try await image(reference, in: layout, platform)
        return ResolvedBase(digest: image.digest, configuration: image.configuration)
    }

    private func image(
        _ reference: ImageReference,
        in layout: [UInt8],
        _ platform: Platform
    ) async throws -> ResolvedImage {
        guard let digest = reference.digest else {
            throw BuildError.namedContext(escapedForDisplay(layout), reason: "\(reference) has no digest")
        }
        let pin = Pin(layout: layout, digest: digest, platform: platform.normalized)
        if let known = state.withLock({ $0.images[pin] }) { return known }
        let found = try await images(layout).resolve(reference, digest, platform: platform, in: lease)
        state.withLock { $0.images[pin] = found }
        return found
    }

    private func images(_ layout: [UInt8]) throws(BuildError) -> LayoutImages {
        guard let images = state.withLock({ $0.layouts[layout] }) else {
            throw .namedContext(escapedForDisplay(layout), reason: "there is no layout of that name")
        }
        return images
    }
}
