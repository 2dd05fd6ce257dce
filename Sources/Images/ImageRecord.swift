package import OCI
package import Storage

/// One image of the local store with everything that is known of it.
package struct ImageRecord: Sendable, Hashable, Identifiable {
    /// The digest of the configuration's bytes.
    package let id: Digest
    package let configuration: ImageConfiguration
    /// Lowest first; as many as the configuration has diff ids.
    package let layers: [LayerID]
    /// All names with a tag, sorted.
    package let names: [ImageReference]
    /// All names by digest, sorted: what was pulled or pushed.
    package let repositoryDigests: [ImageReference]
    /// Seconds since 1970 from the configuration; nil where it says nothing.
    package let created: Int64?
    /// When the image came into this store, in seconds since 1970.
    package let stored: Int64
    /// When it last got a name, in seconds since 1970.
    package let lastTagged: Int64?
    /// Bytes of the files of all layers; of a layer that was never unpacked, of its blob.
    package let size: Int64
    /// The manifest that it was pulled or pushed with, a blob of the store.
    package let manifest: ManifestOrigin?

    /// Whether no name with a tag leads to the image.
    package var isDangling: Bool { names.isEmpty }
}

/// Where the manifest of an image came from.
package struct ManifestOrigin: Sendable, Hashable {
    package let digest: Digest
    package let mediaType: MediaType
    /// The index or manifest list that named the manifest.
    package let index: Digest?

    package init(digest: Digest, mediaType: MediaType, index: Digest? = nil) {
        self.digest = digest
        self.mediaType = mediaType
        self.index = index
    }
}

/// An image that is to be kept: built, pulled, loaded or imported.
package struct NewImage: Sendable {
    /// The bytes of the configuration; their digest becomes the image's id.
    package var configuration: [UInt8]
    /// Lowest first; rows of `layers` that the caller's lease holds.
    package var layers: [LayerID]
    /// Names it gets; who had one of them before loses it.
    package var names: [ImageReference] = []
    /// Names by digest: repository and digest.
    package var repositoryDigests: [ImageReference] = []
    /// Its manifest, a blob that is in the store already.
    package var manifest: ManifestOrigin?

    package init(configuration: [UInt8], layers: [LayerID], names: [ImageReference] = []) {
        self.configuration = configuration
        self.layers = layers
        self.names = names
    }
}

/// An image as a list shows it; cheap to read for ten thousand images.
package struct ImageSummary: Sendable, Hashable, Identifiable {
    package let id: Digest
    package let names: [ImageReference]
    package let repositoryDigests: [ImageReference]
    /// Seconds since 1970; nil where the configuration says nothing.
    package let created: Int64?
    package let stored: Int64
    /// Bytes of the files of all layers.
    package let size: Int64
    /// Bytes of those layers that other images have too.
    package let sharedSize: Int64
    /// How many containers were made of it.
    package let containers: Int
    package let labels: [String: String]
    package let platform: Platform

    package var isDangling: Bool { names.isEmpty }
    package var uniqueSize: Int64 { size - sharedSize }
}
