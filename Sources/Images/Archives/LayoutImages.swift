package import OCI
internal import Registry
package import Snapshots
package import Storage
internal import Tasks

/// The images of a layout as bases of builds.
package struct LayoutImages: Sendable {
    private let layout: any LayoutContent
    private let snapshots: SnapshotStore
    private var store: Store { snapshots.store }

    /// How many layers are taken in at once.
    private static let parallelCopies = 2

    package init(_ layout: any LayoutContent, snapshots: SnapshotStore) {
        self.layout = layout
        self.snapshots = snapshots
    }

    /// Finds an image: its manifest and configuration are read, its layers are not.
    /// - Parameters:
    ///   - name: what messages call the image; its digest is the one that is looked for.
    ///   - digest: of a manifest or an index.
    ///   - platform: which image of several.
    ///   - lease: what holds the layers.
    /// - Returns: the image.
    /// - Throws: `ImageError.invalidLayout`, `ClientServiceError`, `RemoteImageError`, `OCIError`, `StorageError`.
    package func resolve(
        _ name: ImageReference,
        _ digest: Digest,
        platform: Platform,
        in lease: Lease
    ) async throws -> ResolvedImage {
        let bytes = try await layout.document(digest, size: nil)
        guard let type = try ImageSearch.statedType(of: bytes) else {
            throw RemoteImageError.notAnImage(reference: name.familiar, mediaType: "unknown")
        }
        let search = ImageSearch(name: name.familiar, platform: platform, match: .unlessSingle)
        let top = FetchedManifest(bytes: bytes, mediaType: type, digest: digest, host: "")
        let (manifest, origin) = try await search.manifest(from: top) { entry in
            let bytes = try await document(entry)
            return FetchedManifest(bytes: bytes, mediaType: entry.mediaType, digest: entry.digest, host: "")
        }
        let configurationBytes = try await document(manifest.config)
        let configuration = try search.configuration(configurationBytes, of: manifest, isOfIndex: origin.index != nil)
        var layers: [LayerID] = []
        for (diffID, blob) in zip(configuration.rootFileSystem.diffIDs, manifest.layers) {
            layers.append(try await snapshots.layer(diffID: diffID, blob: blob, isChecked: false, in: lease))
        }
        return ResolvedImage(
            reference: name,
            digest: digest,
            manifest: origin,
            id: manifest.config.digest,
            configuration: configuration,
            configurationBytes: configurationBytes,
            layers: layers,
            blobs: manifest.layers,
            isLocal: false
        )
    }

    /// Takes the layers of an image into the store, verified: what is built on it may be used when the layout is gone.
    /// - Throws: `ImageError.invalidLayout`, `ClientServiceError`, `StorageError`.
    package func fetchLayers(of image: ResolvedImage, in lease: Lease) async throws {
        try await Set(image.blobs).forEachConcurrently(limit: Self.parallelCopies) { try await take($0, lease) }
    }

    /// Takes a blob into the store, verified.
    /// - Throws: `ImageError.invalidLayout`, `ClientServiceError`, `StorageError`.
    package func fetchBlob(_ digest: Digest, in lease: Lease) async throws {
        let size = try await layout.size(of: digest)
        try await take(
            Descriptor(mediaType: MediaType(rawValue: "application/octet-stream"), digest: digest, size: size),
            lease
        )
    }

    private func document(_ descriptor: Descriptor) async throws -> [UInt8] {
        try await layout.document(descriptor.digest, size: descriptor.size)
    }

    private func take(_ blob: Descriptor, _ lease: Lease) async throws {
        try await lease.hold([.blob(blob.digest)])
        if try await store.blobs.contains(blob.digest) { return }
        try await layout.take(blob, into: store.blobs, in: lease)
    }
}
