import Images
import OCI
import Snapshots

/// What was built for one platform.
struct BuiltImage: Sendable {
    let image: NewImage
    let tree: FileTree
    let platform: Platform

    /// Where its files go among those of other platforms: `linux_arm64`.
    var directory: String { platform.description.replacing("/", with: "_") }
}

/// What a build made: one image, or those of several platforms under one index.
struct BuildOutcome: Sendable {
    enum Content: Sendable {
        case image(NewImage)
        case index(NewImageIndex)
    }

    /// Of the configuration, or of the index.
    let id: Digest
    let content: Content
    /// One for each platform, in the order of the request.
    let images: [BuiltImage]
    let names: [ImageReference]
    /// Of the index where there is one.
    let index: Descriptor?

    var isIndex: Bool { index != nil }

    /// - Parameters:
    ///   - images: what was built, one image at least.
    ///   - request: says whether one image is an image of several platforms.
    ///   - layers: know the layers of the images.
    /// - Throws: what keeps `layers` from naming the manifests that an index lists.
    init(_ images: [BuiltImage], of request: BuildRequest, layers: any ImageLayers) async throws {
        self.images = images
        names = request.names.map(\.withDefaultTag)
        guard request.isMultiPlatform else {
            id = Digest.sha256(of: images[0].image.configuration)
            content = .image(images[0].image)
            index = nil
            return
        }
        let made = try await layers.index(of: images.map { ($0.image, $0.platform) })
        let (index, bytes) = try made.encoded()
        id = index.id
        content = .index(made)
        self.index = Descriptor(mediaType: .ociIndex, digest: index.id, size: Int64(bytes.count))
    }
}
