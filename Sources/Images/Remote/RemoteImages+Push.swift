package import Archive
package import OCI
internal import Registry
internal import Snapshots
internal import Storage

/// What a push has put into a registry.
package struct PushedImage: Sendable, Hashable {
    package let reference: ImageReference
    /// Of the manifest.
    package let mediaType: MediaType
    /// Of the manifest.
    package let digest: Digest
    /// Of the manifest, in bytes.
    package let size: Int64
}

extension RemoteImages {
    /// Puts a local image into the registry that its name leads to: blobs first and in parallel, the manifest last.
    ///
    /// Blobs that the registry has are not sent, those that another of its repositories has are linked, the rest is sent in chunks that go
    /// on where they broke off. A layer is compressed once and its compressed form kept. An image that was pulled keeps its manifest, and so
    /// its digest, unless its layers changed form.
    /// - Parameters:
    ///   - reference: the name of a local image; `latest` where it has no tag.
    ///   - platform: sends one image of an image of several platforms, by itself; nil sends all, and their index after them.
    ///   - compression: of layers that have no compressed form yet.
    ///   - events: is told what happens, line by line as docker prints it.
    /// - Returns: what the name leads to now: the manifest, or the index if all platforms were sent.
    /// - Throws: `ImageError.noSuchImage`, `RegistryError`, `StorageError`.
    @discardableResult
    package func push(
        _ reference: ImageReference,
        platform: Platform? = nil,
        compression: Compression = .gzip,
        events: @escaping TransferObserver = { _ in }
    ) async throws -> PushedImage {
        guard reference.digest == nil else { throw RemoteImageError.nothingToPush(reference.familiar) }
        let name = reference.withDefaultTag
        return try await store.withLease { lease in
            let image = try await images.image(name.description, platform: platform)
            let work = LocalPush(lease: lease, compression: compression, events: events)
            events(.line("The push refers to repository [\(name.repository)]"))
            let pushed: PushedImage
            if let index = image.index, platform == nil {
                pushed = try await push(index, as: name, work)
            } else {
                pushed = try await push(image, as: name, work)
            }
            try await images.addRepositoryDigests([name.replacing(digest: pushed.digest)], to: image.listedID)
            events(.line("\(name.tag ?? ""): digest: \(pushed.digest) size: \(pushed.size)"))
            await images.tell(.push, of: name.familiar, name: name.familiarRepository)
            return pushed
        }
    }

    /// How local images are sent.
    private struct LocalPush {
        let lease: Lease
        /// Of layers that have no compressed form yet.
        let compression: Compression
        let events: TransferObserver
    }

    /// Sends the images of all platforms by digest, and then the index that names them.
    private func push(
        _ index: ImageIndex,
        as name: ImageReference,
        _ work: LocalPush
    ) async throws -> PushedImage {
        var manifests: [Descriptor] = []
        for member in index.members {
            guard let image = try await images.image(id: member.image) else {
                throw ImageError.noSuchImage(member.image.description)
            }
            let target = name.replacing(digest: member.manifest.digest)
            let pushed = try await push(image, as: target, work)
            // What the index says of the manifest stays true when layers are compressed on their way.
            var descriptor = member.manifest
            (descriptor.mediaType, descriptor.digest, descriptor.size) = (pushed.mediaType, pushed.digest, pushed.size)
            manifests.append(descriptor)
        }
        manifests += try await pushAttestations(of: index, among: Set(manifests.map(\.digest)), as: name, work)
        let document = Index(mediaType: index.mediaType, manifests: manifests, annotations: index.annotations)
        let bytes = try StrictJSON.encode(document)
        let digest = try await client.push(manifest: bytes, mediaType: index.mediaType, to: name)
        return PushedImage(reference: name, mediaType: index.mediaType, digest: digest, size: Int64(bytes.count))
    }

    /// Sends what is said of the images that are in the registry as they were when it was said.
    /// - Returns: the manifests that were sent, as the index describes them.
    private func pushAttestations(
        of index: ImageIndex,
        among images: Set<Digest>,
        as name: ImageReference,
        _ work: LocalPush
    ) async throws -> [Descriptor] {
        let target = UploadTarget(Repository(name), through: client, in: work.lease)
        var sent: [Descriptor] = []
        for said in index.attestations {
            guard let image = said.annotations?[PlatformChoice.attestedKey],
                images.contains(where: { "\($0)" == image })
            else { continue }
            let bytes = try await store.blobs.read(said.digest, limit: RegistryClient.manifestLimit)
            let manifest = try Manifest(parsing: bytes, declaredAs: said.mediaType)
            let upload = ImageUpload.Image(
                configuration: try await store.blobs.read(manifest.config.digest, limit: StrictJSON.maximumSize),
                layers: manifest.layers.map { ImageUpload.Layer(blob: $0, diffID: $0.digest) },
                manifest: bytes,
                mediaType: said.mediaType
            )
            _ = try await send(upload, as: name.replacing(digest: said.digest), to: target, work.events)
            sent.append(said)
        }
        return sent
    }

    /// Sends one image: under the tag of a name or, where it has none, by its manifest's digest.
    private func push(
        _ image: ImageRecord,
        as name: ImageReference,
        _ work: LocalPush
    ) async throws -> PushedImage {
        let (lease, events) = (work.lease, work.events)
        try await lease.hold(image.layers.map { .layer($0) } + [.blob(image.id)])
        let origin = try await originalManifest(of: image)
        var layers: [ImageUpload.Layer] = []
        for (index, (layer, diffID)) in zip(image.layers, image.configuration.rootFileSystem.diffIDs).enumerated() {
            events(.layer(diffID, .preparing))
            let original = origin.flatMap { index < $0.manifest.layers.count ? $0.manifest.layers[index] : nil }
            let blob: Descriptor
            if let original, try await snapshots.info(of: layer).isSaid(toBeIn: original.digest) {
                blob = original
            } else {
                blob = try await snapshots.leased(by: lease).blob(for: layer, compression: work.compression)
            }
            layers.append(ImageUpload.Layer(blob: blob, diffID: diffID))
        }
        let configuration = try await store.blobs.read(image.id, limit: StrictJSON.maximumSize)
        let size = Int64(configuration.count)
        let (bytes, mediaType) = try manifestBytes(of: image, size, layers.map(\.blob), origin)
        let upload = ImageUpload.Image(
            configuration: configuration,
            layers: layers,
            manifest: bytes,
            mediaType: mediaType
        )
        let target = UploadTarget(Repository(name), through: client, in: lease)
        let digest = try await send(upload, as: name, to: target, events)
        _ = try await store.blobs.put(bytes, in: lease)
        var known = NewImage(configuration: configuration, layers: image.layers)
        known.manifest = ManifestOrigin(digest: digest, mediaType: mediaType)
        try await images.add(known)
        return PushedImage(reference: name, mediaType: mediaType, digest: digest, size: Int64(bytes.count))
    }

    /// A manifest as an image came with it.
    private typealias OriginalManifest = (manifest: Manifest, bytes: [UInt8], mediaType: MediaType)

    private func originalManifest(of image: ImageRecord) async throws -> OriginalManifest? {
        guard let origin = image.manifest, try await store.blobs.contains(origin.digest) else { return nil }
        let bytes = try await store.blobs.read(origin.digest, limit: RegistryClient.manifestLimit)
        let manifest = try Manifest(parsing: bytes, declaredAs: origin.mediaType)
        return manifest.config.digest == image.id ? (manifest, bytes, origin.mediaType) : nil
    }

    /// The manifest the image came with, where it still says the truth; else a new one in OCI's form.
    private func manifestBytes(
        of image: ImageRecord,
        _ configurationSize: Int64,
        _ blobs: [Descriptor],
        _ origin: OriginalManifest?
    ) throws -> (bytes: [UInt8], mediaType: MediaType) {
        if let origin, origin.manifest.layers.map(\.digest) == blobs.map(\.digest) {
            return (origin.bytes, origin.mediaType)
        }
        let configuration = Descriptor(mediaType: .ociConfiguration, digest: image.id, size: configurationSize)
        let layers = blobs.map { blob in
            Descriptor(
                mediaType: blob.mediaType.layer(docker: false),
                digest: blob.digest,
                size: blob.size,
                annotations: blob.annotations
            )
        }
        let manifest = Manifest(mediaType: .ociManifest, config: configuration, layers: layers)
        return (try StrictJSON.encode(manifest), .ociManifest)
    }
}
