package import BuildGraph
package import HTTP
package import Images
package import OCI
package import Registry
package import Snapshots
internal import Storage
internal import Tasks

/// Somewhere that a build cache can be read from.
package protocol CacheReader: BlobOffer {
    /// Reads what the cache knows, and no layer of it.
    ///
    /// `note` is told what was found, for the display.
    func load(_ note: (String) -> Void) async throws -> [ImportedCache]
}

/// Somewhere that a build cache can be written to.
protocol CacheWriter: Sendable {
    /// What a build's progress calls the writing.
    var title: String { get }

    /// Writes a cache; what the name led to before stays until everything is there.
    /// - Returns: the manifest, or nil.
    func write(_ content: CacheContent, _ step: OperationContext) async throws -> Descriptor?
}

/// A cache that is to be written.
struct CacheContent: Sendable {
    let form: CacheForm
    let document: CacheDocument
    /// Each blob once, in the order of the document.
    let layers: [CachedLayer]
    /// Where they are fetched from.
    let snapshots: LeasedSnapshots

    /// The document as it is written, and what refers to it.
    func encodedDocument() throws -> (descriptor: Descriptor, bytes: [UInt8]) {
        let bytes = try StrictJSON.encode(document)
        let digest = Digest.sha256(of: bytes)
        return (Descriptor(mediaType: CacheDocument.mediaType, digest: digest, size: Int64(bytes.count)), bytes)
    }

    /// Writes all layers with a status for each.
    /// - Throws: `RemoteCacheError.layerFailed`.
    func writeLayers(
        _ step: OperationContext,
        parallelism: Int,
        _ write: @escaping @Sendable (CachedLayer) async throws -> Void
    ) async throws {
        try await layers.forEachConcurrently(limit: parallelism) { layer in
            try await step.withStatus("writing layer \(layer.blob.digest)") { _ in
                do {
                    try await write(layer)
                } catch {
                    if error is CancellationError { throw error }
                    throw RemoteCacheError.layerFailed(layer.blob.digest, reason: "\(error)")
                }
            }
        }
    }
}

/// What a build leaves for a cache.
package struct CacheableBuild: Sendable {
    let steps: [CacheableStep]
    /// The trees that the build gave.
    let results: [FileTree]
    /// What their layers are read through.
    let snapshots: LeasedSnapshots

    package init(steps: [CacheableStep], results: [FileTree], snapshots: LeasedSnapshots) {
        self.steps = steps
        self.results = results
        self.snapshots = snapshots
    }
}

/// Reads and writes build caches outside of the store.
package final class RemoteCaches: Sendable {
    private let remote: RemoteImages
    private let web: WebClient.Configuration
    private let insecureClient: @Sendable (_ host: String) throws -> RegistryClient

    /// - Parameters:
    ///   - remote: moves blobs between the store and registries.
    ///   - web: how servers that are not registries are reached.
    ///   - insecureClient: a client that may speak plain HTTP with a host, and trusts its certificates unseen.
    package init(
        remote: RemoteImages,
        web: WebClient.Configuration,
        insecureClient: @escaping @Sendable (_ host: String) throws -> RegistryClient
    ) {
        self.remote = remote
        self.web = web
        self.insecureClient = insecureClient
    }

    /// What reads a cache.
    package func reader(of source: CacheSource) throws -> any CacheReader {
        switch source {
        case .registry(let place): RegistryCache(place: place, remote: try images(for: place))
        case .local(let source): LocalCacheReader(source: source)
        case .client(let place, let digest): ClientCacheReader(content: place.content, digest: digest)
        case .s3(let place): S3Cache(place: place, web: web)
        }
    }

    private func images(for place: RegistryCachePlace) throws -> RemoteImages {
        guard place.isInsecure else { return remote }
        return RemoteImages(
            images: remote.images,
            snapshots: remote.snapshots,
            client: try insecureClient(place.reference.domain),
            blobs: remote.blobs,
            logger: remote.logger
        )
    }

    // MARK: Writing

    /// What a build's progress calls the writing of a cache; nil for one that is part of the image.
    package func title(of export: CacheExport) throws -> String? { try writer(for: export)?.title }

    /// Writes a cache.
    /// - Parameters:
    ///   - export: where to, and what.
    ///   - build: what the cache is of.
    ///   - step: receives the progress.
    /// - Returns: the manifest, or nil.
    /// - Throws: `RemoteCacheError`, `RegistryError`, `StorageError`, `SnapshotError`.
    package func write(
        _ export: CacheExport,
        of build: CacheableBuild,
        _ step: OperationContext
    ) async throws -> Descriptor? {
        guard let writer = try writer(for: export) else { return nil }
        let content = try await step.withStatus("preparing build cache for export") { _ in
            let wanted = export.mode == .min ? Set(build.results.flatMap(\.layers)) : nil
            let composer = CacheComposer(build.steps, wanted: wanted)
            let known = try await cachedLayers(composer.layers, export, build.snapshots)
            var seen: Set<Digest> = []
            let layers = composer.layers.compactMap { known[$0] }.filter { seen.insert($0.blob.digest).inserted }
            return CacheContent(
                form: export.form,
                document: composer.document(known),
                layers: layers,
                snapshots: build.snapshots
            )
        }
        return try await step.withStatus("sending cache export") { _ in try await writer.write(content, step) }
    }

    /// The records of a build for the configuration of its image.
    package static func inlineRecords(_ steps: [CacheableStep], in image: FileTree) throws -> [UInt8] {
        try StrictJSON.encode(CacheComposer(steps, wanted: Set(image.layers)).records(in: image))
    }

    private func writer(for export: CacheExport) throws -> (any CacheWriter)? {
        switch export.destination {
        case .inline: nil
        case .registry(let place): RegistryCache(place: place, remote: try images(for: place))
        case .local(let destination): LocalCacheWriter(destination: destination)
        case .client(let place): ClientCacheWriter(content: place.content)
        case .s3(let place): S3Cache(place: place, web: web)
        }
    }

    private func cachedLayers(
        _ layers: [LayerID],
        _ export: CacheExport,
        _ snapshots: LeasedSnapshots
    ) async throws -> [LayerID: CachedLayer] {
        try await snapshots.lease.hold(layers.map { .layer($0) })
        // Compression uses all processors by itself; a second layer fills the gaps.
        let cached = try await layers.mapConcurrently(limit: 2) { layer -> CachedLayer? in
            // A cache that was read may promise what is gone: its steps are known, and have no result.
            guard try await snapshots.isReadable(layer) else { return nil }
            let form = try await snapshots.converted(layer, export.compression, forced: export.isForced)
            let diffID = try await snapshots.snapshots.diffID(of: form.layer)
            let created = try await snapshots.info(of: layer).created
            return CachedLayer(blob: form.blob, diffID: diffID, created: created)
        }
        let known = zip(layers, cached).compactMap { layer, cached in cached.map { (layer, $0) } }
        return Dictionary(known) { first, _ in first }
    }
}

extension LeasedSnapshots {
    /// The layers of an output that a cache has: rows of the store, of which nothing is fetched.
    package func tree(of layers: [CachedLayer], from source: String) async throws -> FileTree {
        var tree = FileTree.empty
        for layer in layers {
            tree = tree.adding(
                try await remoteLayer(
                    diffID: layer.diffID,
                    blob: layer.blob,
                    created: layer.created,
                    source: source
                )
            )
        }
        origins.note(layers.map(\.blob), of: tree.layers)
        return tree
    }
}
