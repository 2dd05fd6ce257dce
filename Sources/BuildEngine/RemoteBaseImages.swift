package import DockerfileFrontend
package import Images
package import OCI
package import Snapshots
import Synchronization

/// Base images of the local store and of registries: a name that the store has is taken from there, as docker takes it.
package final class RemoteBaseImages: BaseImages {
    private let images: RemoteImages
    /// What was resolved: the step that starts from it asks for the same thing again.
    private let trees = Mutex<[Pin: FileTree]>([:])

    /// An index is of images for several platforms: its digest alone does not say which.
    private struct Pin: Hashable {
        let digest: Digest
        let platform: Platform
    }

    package init(images: RemoteImages) { self.images = images }

    package func resolve(
        _ reference: ImageReference,
        platform: Platform,
        asksRegistry: Bool,
        isPlatformGiven: Bool
    ) async throws -> ResolvedBase {
        let image = try await images.resolve(
            reference,
            platform: platform,
            policy: asksRegistry ? .always : .missing,
            match: isPlatformGiven ? .unlessSingle : .unlessLocal
        )
        // A local image that came from no registry is pinned by its id.
        let digest = image.digest ?? image.id
        trees.withLock { trees in
            // The step may ask for the platform that the image turned out to be for.
            for platform in [platform, image.configuration.platform] {
                trees[Pin(digest: digest, platform: platform.normalized)] = image.tree
            }
        }
        return ResolvedBase(digest: digest, configuration: image.configuration)
    }

    package func tree(of reference: ImageReference, platform: Platform) async throws -> FileTree {
        if let digest = reference.digest {
            let pin = Pin(digest: digest, platform: platform.normalized)
            if let tree = trees.withLock({ $0[pin] }) { return tree }
        }
        return try await images.resolve(reference, platform: platform, policy: .missing, match: .unlessLocal).tree
    }
}
