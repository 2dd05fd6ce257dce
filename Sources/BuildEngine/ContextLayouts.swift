import DockerfileFrontend
import Images
import LinuxSystem
import OCI
import Operations
import Snapshots
import Synchronization
internal import Text

/// The layout directories of a request, by the names of their contexts.
final class ContextLayouts: Sendable {
    private struct Image: Hashable {
        let layout: [UInt8]
        let digest: Digest
        let platform: Platform
    }

    private struct State {
        var layouts: [[UInt8]: LayoutImages] = [:]
        /// What was resolved: the step that starts from it asks for the same thing again.
        var images: [Image: ResolvedImage] = [:]
    }

    private let state = Mutex(State())

    func add(_ images: LayoutImages, as name: [UInt8]) { state.withLock { $0.layouts[name] = images } }

    func resolve(_ reference: ImageReference, in layout: [UInt8], platform: Platform) async throws -> ResolvedBase {
        let image = try await image(reference, in: layout, platform)
        return ResolvedBase(digest: image.digest, configuration: image.configuration)
    }

    /// The layers of an image, which the store has from now on.
    func tree(of reference: ImageReference, in layout: [UInt8], platform: Platform) async throws -> FileTree {
        let image = try await image(reference, in: layout, platform)
        try await images(layout).fetchLayers(of: image)
        return image.tree
    }

    private func image(
        _ reference: ImageReference,
        in layout: [UInt8],
        _ platform: Platform
    ) async throws -> ResolvedImage {
        guard let digest = reference.digest else {
            throw BuildError.namedContext(escapedForDisplay(layout), reason: "\(reference) has no digest")
        }
        let key = Image(layout: layout, digest: digest, platform: platform.normalized)
        if let known = state.withLock({ $0.images[key] }) { return known }
        let found = try await images(layout).resolve(reference, digest, platform: platform)
        state.withLock { $0.images[key] = found }
        return found
    }

    private func images(_ layout: [UInt8]) throws(BuildError) -> LayoutImages {
        guard let images = state.withLock({ $0.layouts[layout] }) else {
            throw .namedContext(escapedForDisplay(layout), reason: "there is no layout of that name")
        }
        return images
    }
}

/// The images that the steps of one build start from.
struct BuildImages: ImageTrees {
    let bases: any BaseImages
    let layouts: ContextLayouts

    func tree(of reference: ImageReference, layout: [UInt8]?, platform: Platform) async throws -> FileTree {
        if let layout { return try await layouts.tree(of: reference, in: layout, platform: platform) }
        return try await bases.tree(of: reference, platform: platform)
    }
}
