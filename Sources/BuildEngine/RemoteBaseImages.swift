package import DockerfileFrontend
package import Images
package import OCI
package import Snapshots
import Synchronization

/// Base images of the local store and of registries: a name that the store has is taken from there, as docker takes it.
package final class RemoteBaseImages: BaseImages {
    private let images: RemoteImages
    /// What was resolved, by its pinned name: the step that starts from it asks for the same thing again.
    private let trees = Mutex<[String: FileTree]>([:])

    package init(images: RemoteImages) { self.images = images }

    package func resolve(
        _ reference: ImageReference,
        platform: Platform,
        asksRegistry: Bool
    ) async throws -> ResolvedBase {
        let image = try await images.resolve(reference, platform: platform, policy: asksRegistry ? .always : .missing)
        // A local image that came from no registry is pinned by its id.
        let digest = image.digest ?? image.id
        trees.withLock { $0[digest.description] = image.tree }
        return ResolvedBase(digest: digest, configuration: image.configuration)
    }

    package func tree(of reference: ImageReference, platform: Platform) async throws -> FileTree {
        if let digest = reference.digest, let tree = trees.withLock({ $0[digest.description] }) { return tree }
        return try await images.resolve(reference, platform: platform, policy: .missing).tree
    }
}
