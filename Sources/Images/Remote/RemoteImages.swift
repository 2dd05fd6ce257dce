package import Logging
package import OCI
package import Registry
package import Snapshots
package import Storage

/// The images of registries: found, fetched into the local store, and put there from it.
package final class RemoteImages: Sendable {
    package let images: ImageStore
    package let snapshots: SnapshotStore
    package let client: RegistryClient
    package let blobs: RegistryBlobProvider
    package let logger: Logger
    var store: Store { images.store }

    /// How many layers are moved at once.
    static let parallelTransfers = 4

    /// - Parameters:
    ///   - images: the local images.
    ///   - snapshots: of the same store, with `blobs` as its provider.
    ///   - client: speaks with registries.
    ///   - blobs: fetches blobs with the same client.
    ///   - logger: for debugging.
    package init(
        images: ImageStore,
        snapshots: SnapshotStore,
        client: RegistryClient,
        blobs: RegistryBlobProvider,
        logger: Logger
    ) {
        self.images = images
        self.snapshots = snapshots
        self.client = client
        self.blobs = blobs
        self.logger = logger
    }

    /// Finds an image by name.
    ///
    /// Manifest and configuration are fetched where they are not here; layers are not.
    /// - Parameters:
    ///   - lookup: the name, and what to make of what it leads to.
    ///   - lease: what holds the image that is found.
    /// - Returns: the image, with the digest that the name leads to now where the registry was asked.
    /// - Throws: `RemoteImageError`, `RegistryError`, `ImageError.noSuchImage`.
    package func resolve(_ lookup: ImageLookup, in lease: Lease) async throws -> ResolvedImage {
        let (name, policy) = (lookup.name, lookup.policy)
        if policy != .always, let local = try await local(lookup, lease) { return local }
        if policy == .local { throw ImageError.noSuchImage(name.familiar) }
        do {
            return try await remote(lookup, lease)
        } catch let error as RegistryError {
            // Whoever has an image of the name wonders why it was not taken.
            let others = try await otherPlatforms(of: name)
            guard policy != .always, !others.isEmpty else { throw error }
            throw RemoteImageError.onlyOthersHere(
                name.familiar,
                wanted: lookup.platform,
                available: others,
                remote: error
            )
        }
    }

    /// What the local image of a name is for; nothing where there is none.
    private func otherPlatforms(of name: ImageReference) async throws -> [Platform] {
        guard try await images.id(of: name) != nil else { return [] }
        let image = try await images.image(name.description)
        return image.index?.members.map(\.platform) ?? [image.configuration.platform.normalized]
    }

    private func local(_ lookup: ImageLookup, _ lease: Lease) async throws -> ResolvedImage? {
        let name = lookup.name
        guard try await images.id(of: name) != nil else { return nil }
        let found: ImageRecord?
        do {
            found = try await images.image(name.description, platform: lookup.platform)
        } catch let error as ImageError {
            switch error {
            case .otherPlatform:
                // One that came from an index has brothers for other platforms.
                let single = try await images.image(name.description)
                found = lookup.match == .unlessLocal && single.manifest?.index == nil ? single : nil
            case .noSuchPlatform: found = nil
            default: throw error
            }
        }
        guard let record = found else {
            logger.debug("local image is for another platform", metadata: ["image": "\(name.familiar)"])
            return nil
        }
        try await lease.hold(record.layers.map { .layer($0) } + [.blob(record.id)])
        return ResolvedImage(
            reference: name,
            digest: record.repositoryDigests.first { $0.repository == name.repository }?.digest,
            manifest: record.manifest,
            id: record.id,
            configuration: record.configuration,
            configurationBytes: try await store.blobs.read(record.id, limit: StrictJSON.maximumSize),
            layers: record.layers,
            blobs: [],
            isLocal: true
        )
    }

    private func remote(_ lookup: ImageLookup, _ lease: Lease) async throws -> ResolvedImage {
        do {
            return try await found(lookup, lease)
        } catch let error as OCIError {
            throw RemoteImageError.invalidDocument(reference: lookup.name.familiar, error)
        }
    }

    private func found(_ lookup: ImageLookup, _ lease: Lease) async throws -> ResolvedImage {
        let name = lookup.name
        let top = try await document(name, lease)
        let search = ImageSearch(name: name.familiar, platform: lookup.platform, match: lookup.match)
        let (manifest, origin) = try await search.manifest(from: top) { entry in
            try await document(name.replacing(digest: entry.digest), as: entry, lease)
        }
        let repository = Repository(name)
        let config = manifest.config
        try await store.blobs.recordSource(repository.description, of: [config.digest] + manifest.layers.map(\.digest))
        let bytes = try await kept(config.digest, lease) { try await client.smallBlob(config, from: repository) }
        let configuration = try search.configuration(bytes, of: manifest, isOfIndex: origin.index != nil)
        var layers: [LayerID] = []
        for (diffID, blob) in zip(configuration.rootFileSystem.diffIDs, manifest.layers) {
            layers.append(try await snapshots.layer(diffID: diffID, blob: blob, isChecked: false, in: lease))
        }
        return ResolvedImage(
            reference: name,
            digest: top.digest,
            manifest: origin,
            id: config.digest,
            configuration: configuration,
            configurationBytes: bytes,
            layers: layers,
            blobs: manifest.layers,
            isLocal: false
        )
    }

    /// A manifest or index: from the store where it is named by a digest that is there, else from the registry.
    ///
    /// One that came from another repository is asked for all the same: who knows a digest may not have the image.
    func document(
        _ name: ImageReference,
        as entry: Descriptor? = nil,
        _ lease: Lease
    ) async throws -> FetchedManifest {
        var mayBeStored = entry != nil
        if !mayBeStored, let digest = name.digest { mayBeStored = try await isKnown(digest, in: Repository(name)) }
        if mayBeStored, let digest = name.digest,
            let known = try await storedDocument(digest, declaredAs: entry?.mediaType, lease)
        {
            return FetchedManifest(bytes: known.bytes, mediaType: known.mediaType, digest: digest, host: name.domain)
        }
        let fetched = try await client.manifest(name)
        if let entry {
            guard fetched.mediaType == entry.mediaType else {
                throw RemoteImageError.notAnImage(reference: name.familiar, mediaType: fetched.mediaType.rawValue)
            }
            guard Int64(fetched.bytes.count) == entry.size else {
                throw RemoteImageError.sizeMismatch(
                    reference: name.familiar,
                    expected: entry.size,
                    actual: Int64(fetched.bytes.count)
                )
            }
        }
        try await keep(fetched.bytes, fetched.digest, lease)
        try await store.blobs.recordSource(Repository(name).description, of: [fetched.digest])
        return fetched
    }

    private func isKnown(_ digest: Digest, in repository: Repository) async throws -> Bool {
        try await store.blobs.sources(of: digest).contains(repository.description)
    }

    /// A manifest or index that is in the store; its type is what named it says, or what it says itself.
    private func storedDocument(
        _ digest: Digest,
        declaredAs declared: MediaType?,
        _ lease: Lease
    ) async throws -> (bytes: [UInt8], mediaType: MediaType)? {
        try await lease.hold([.blob(digest)])
        guard try await store.blobs.contains(digest) else { return nil }
        let bytes = try await store.blobs.read(digest, limit: RegistryClient.manifestLimit)
        if let declared { return (bytes, declared) }
        guard let stated = try ImageSearch.statedType(of: bytes) else { return nil }
        return (bytes, stated)
    }

    /// Makes sure that a blob of an image's repository is in the store.
    ///
    /// One that came from another repository is asked for all the same: who knows a digest may not have the blob.
    /// - Parameters:
    ///   - digest: the blob.
    ///   - image: names the repository.
    ///   - lease: what holds the blob.
    /// - Throws: `RegistryError`, `StorageError`.
    package func fetchBlob(_ digest: Digest, of image: ImageReference, in lease: Lease) async throws {
        let repository = Repository(image)
        try await lease.hold([.blob(digest)])
        if try await isKnown(digest, in: repository), try await store.blobs.contains(digest) { return }
        let size = try await client.size(of: digest, in: repository)
        try await store.blobs.recordSource(repository.description, of: [digest])
        let blob = Descriptor(mediaType: MediaType(rawValue: "application/octet-stream"), digest: digest, size: size)
        try await blobs.fetch(blob, in: lease, offers: nil)
    }

    /// A small blob that is in the store, or is put there.
    func kept(
        _ digest: Digest,
        _ lease: Lease,
        _ fetch: () async throws -> [UInt8]
    ) async throws -> [UInt8] {
        try await lease.hold([.blob(digest)])
        if try await store.blobs.contains(digest) {
            return try await store.blobs.read(digest, limit: StrictJSON.maximumSize)
        }
        let bytes = try await fetch()
        try await keep(bytes, digest, lease)
        return bytes
    }

    private func keep(_ bytes: [UInt8], _ digest: Digest, _ lease: Lease) async throws {
        try await store.blobs.ingest(in: lease, expecting: digest, size: Int64(bytes.count)) {
            try await $0.write(bytes)
        }
    }
}
