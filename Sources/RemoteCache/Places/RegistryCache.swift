internal import BuildGraph
internal import Images
internal import OCI
internal import Registry
internal import Snapshots
internal import Storage

/// A cache in a registry: one of its own, or the one in an image.
struct RegistryCache: CacheReader, CacheWriter {
    /// Images of one index that are looked at for caches in them.
    private static let imageLimit = 64

    let place: RegistryCachePlace
    let remote: RemoteImages

    var name: String { place.name }
    var title: String { "exporting cache to registry" }
    private var repository: Repository { Repository(place.reference) }

    // MARK: Reading

    func load(_ note: (String) -> Void) async throws -> [ImportedCache] {
        let top = try await remote.client.manifest(place.reference)
        note("inferred cache manifest type: \(top.mediaType)")
        let caches: [ImportedCache]
        if let manifest = try CacheManifest(parsing: top.bytes, as: top.mediaType) {
            let bytes = try await remote.client.smallBlob(manifest.document, from: repository)
            let document = try CacheManifest.document(parsing: bytes)
            caches = [try ImportedCache(checking: document, name: name, layer: manifest.layer)]
        } else {
            caches = try await inlineCaches(top)
            if caches.isEmpty {
                throw RemoteCacheError.notACache(reason: "neither a cache nor an image with a cache in it")
            }
        }
        // A push to another repository of the registry then links the blobs instead of sending them.
        let blobs = caches.flatMap { $0.blobs.map(\.digest) }
        try await remote.images.store.blobs.recordSource(repository.description, of: blobs)
        return caches
    }

    private func inlineCaches(_ top: FetchedManifest) async throws -> [ImportedCache] {
        if top.mediaType.isManifest { return try await inlineCache(top).map { [$0] } ?? [] }
        var caches: [ImportedCache] = []
        for image in try Index(parsing: top.bytes, declaredAs: top.mediaType).manifests.prefix(Self.imageLimit)
        where image.mediaType.isManifest {
            let manifest = try await remote.client.manifest(place.reference.replacing(digest: image.digest))
            if let cache = try await inlineCache(manifest) { caches.append(cache) }
        }
        return caches
    }

    private func inlineCache(_ image: FetchedManifest) async throws -> ImportedCache? {
        let manifest = try Manifest(parsing: image.bytes, declaredAs: image.mediaType)
        guard [.ociConfiguration, .dockerConfiguration].contains(manifest.config.mediaType) else { return nil }
        let bytes = try await remote.client.smallBlob(manifest.config, from: repository)
        return try InlineCache(configuration: bytes)?.imported(manifest, name: name)
    }

    func read(
        _ blob: Descriptor,
        from offset: Int64,
        _ receive: ([UInt8]) async throws -> Void
    ) async throws {
        try await remote.client.blob(blob, from: repository, offset: offset, receive: receive)
    }

    // MARK: Writing

    func write(_ content: CacheContent, _ step: OperationContext) async throws -> Descriptor? {
        let target = UploadTarget(repository, through: remote.client, in: content.snapshots.lease)
        try await content.writeLayers(step, parallelism: 4) { layer in
            _ = try await remote.upload(layer.blob, to: target)
        }
        let (document, bytes) = try content.encodedDocument()
        try await step.withStatus("writing config \(document.digest)") { _ in
            _ = try await remote.client.upload(BlobSource(bytes), to: repository)
        }
        let manifest = try CacheManifest.encoded(content.form, document: document, layers: content.layers)
        try await step.withStatus(content.form.status(of: manifest.descriptor.digest)) { _ in
            _ = try await remote.client.push(
                manifest: manifest.bytes,
                mediaType: content.form.mediaType,
                to: place.reference
            )
        }
        let blobs = content.layers.map(\.blob.digest)
        try await remote.images.store.blobs.recordSource(repository.description, of: blobs)
        return manifest.descriptor
    }
}
