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
    /// The image of several platforms through which it was found; names and digests are that one's then.
    package let index: ImageIndex?

    /// The id that lists show for its names: of the image of several platforms where it belongs to one.
    package var listedID: Digest { index?.id ?? id }

    /// Whether no name with a tag leads to the image.
    package var isDangling: Bool { names.isEmpty }
}

/// Where the manifest of an image came from.
package struct ManifestOrigin: Sendable, Hashable {
    package let digest: Digest
    package let mediaType: MediaType
    /// The index or manifest list that named the manifest.
    package let index: Digest?

    /// The documents that it is read from.
    package var digests: [Digest] { [digest] + (index.map { [$0] } ?? []) }

    package init(digest: Digest, mediaType: MediaType, index: Digest? = nil) {
        self.digest = digest
        self.mediaType = mediaType
        self.index = index
    }
}

/// An image of several platforms: the images that one name leads to.
package struct ImageIndex: Sendable, Hashable, Identifiable {
    /// One image of several.
    package struct Member: Sendable, Hashable {
        /// The image's id.
        package let image: Digest
        package let platform: Platform
        /// As the index describes its manifest, a blob of the store.
        package let manifest: Descriptor
    }

    /// The digest of the index's bytes.
    package let id: Digest
    /// In the order of the index.
    package let members: [Member]
    package let annotations: [String: String]?
    /// OCI's or Docker's.
    package var mediaType = MediaType.ociIndex
    /// The manifests of what is said of its images, as the index describes them; blobs of the store.
    package var attestations: [Descriptor] = []

    /// The members that are for any of these platforms, in the order of the index; all if there are none.
    package func members(for platforms: [Platform]) -> [Member] {
        if platforms.isEmpty { return members }
        let chosen = Set(platforms.compactMap { member(for: $0)?.image })
        return members.filter { chosen.contains($0.image) }
    }

    /// The member for a platform, if there is one.
    package func member(for platform: Platform) -> Member? {
        let choice = PlatformChoice(wanted: platform).choose(among: members.map(\.manifest))
        return members.first { $0.manifest == choice }
    }

    /// The member that is taken where nobody asks for a platform: this machine's, else the first.
    package var usual: Member? { member(for: .current) ?? members.first }
}

/// An image of several platforms that is to be kept.
package struct NewImageIndex: Sendable {
    /// One image of it.
    package struct Member: Sendable {
        package var image: NewImage
        /// The bytes of a manifest of the image.
        package var manifest: [UInt8]
        package var mediaType = MediaType.ociManifest
        /// What the index says of it.
        package var platform: Platform
        /// What the index says of it besides.
        package var annotations: [String: String]?

        package init(image: NewImage, manifest: [UInt8], platform: Platform) {
            self.image = image
            self.manifest = manifest
            self.platform = platform
        }
    }

    /// What is said of an image of it: documents that are in the store already.
    package struct Attestation: Sendable {
        /// As the index describes it.
        package let manifest: Descriptor
        /// Everything that belongs to it.
        package let blobs: [Digest]

        package init(manifest: Descriptor, blobs: [Digest]) {
            self.manifest = manifest
            self.blobs = blobs
        }
    }

    package var members: [Member]
    package var attestations: [Attestation] = []
    /// Names it gets; who had one of them before loses it.
    package var names: [ImageReference] = []
    package var annotations: [String: String]?
    /// OCI's or Docker's.
    package var mediaType = MediaType.ociIndex

    package init(members: [Member], names: [ImageReference] = []) {
        self.members = members
        self.names = names
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
    /// Of an image of several platforms all of them; else the one.
    package let platforms: [Platform]

    package var isDangling: Bool { names.isEmpty }
    package var uniqueSize: Int64 { size - sharedSize }
}
