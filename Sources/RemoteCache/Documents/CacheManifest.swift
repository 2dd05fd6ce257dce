internal import FoundationEssentials
internal import Images
internal import LinuxSystem
internal import OCI

/// What a cache's name leads to where blobs lie beside each other under their digests: a manifest or an index of the document and
/// the layers.
struct CacheManifest {
    /// How long a document may be, in bytes.
    static let documentLimit = StrictJSON.maximumSize
    static let layerTypes: Set<MediaType> = [
        .ociLayer, .ociLayerGzip, .ociLayerZstd, .dockerLayer, .dockerLayerGzip, .dockerLayerZstd,
    ]

    /// Of a layer's descriptor: the digest without compression, and when it was made.
    private static let diffIDKey = "containerd.io/uncompressed"
    private static let createdKey = "buildkit/createdat"

    let document: Descriptor
    let layers: [Digest: Descriptor]

    // MARK: Writing

    /// The manifest of a document and its layers, in the order of the document.
    static func encoded(
        _ form: CacheForm,
        document: Descriptor,
        layers: [CachedLayer]
    ) throws -> (bytes: [UInt8], descriptor: Descriptor) {
        let descriptors = layers.map { layer in
            var blob = layer.blob
            blob.mediaType = blob.mediaType.named(byDocker: form == .dockerList)
            var annotations = blob.annotations ?? [:]
            annotations[diffIDKey] = layer.diffID.description
            annotations[createdKey] = layer.created.rfc3339
            blob.annotations = annotations
            return blob
        }
        let bytes =
            switch form {
            case .imageManifest:
                try StrictJSON.encode(Manifest(mediaType: form.mediaType, config: document, layers: descriptors))
            case .index, .dockerList:
                try StrictJSON.encode(Index(mediaType: form.mediaType, manifests: descriptors + [document]))
            }
        let digest = Digest.sha256(of: bytes)
        return (bytes, Descriptor(mediaType: form.mediaType, digest: digest, size: Int64(bytes.count)))
    }

    // MARK: Reading

    /// Reads a manifest or index; nil for one of images, which may have caches in them.
    init?(parsing bytes: [UInt8], as mediaType: MediaType) throws {
        let document: Descriptor?
        let blobs: [Descriptor]
        if mediaType.isManifest {
            let manifest = try Manifest(parsing: bytes, declaredAs: mediaType)
            document = manifest.config.mediaType == CacheDocument.mediaType ? manifest.config : nil
            blobs = manifest.layers
        } else {
            let index = try Index(parsing: bytes, declaredAs: mediaType)
            document = index.manifests.last { $0.mediaType == CacheDocument.mediaType }
            blobs = index.manifests.filter { $0.mediaType != CacheDocument.mediaType }
        }
        guard let document else { return nil }
        self.document = document
        layers = Dictionary(blobs.map { ($0.digest, $0) }, uniquingKeysWith: { first, _ in first })
    }

    /// What a manifest of this cache says of a layer.
    func layer(_ entry: CacheDocument.Layer) throws(RemoteCacheError) -> CachedLayer {
        guard let descriptor = layers[entry.blob] else {
            throw .invalid(reason: "the layer \(entry.blob) is not in its manifest")
        }
        guard let text = descriptor.annotations?[Self.diffIDKey], let diffID = try? Digest(parsing: text) else {
            throw .invalid(reason: "the layer \(entry.blob) has no digest of its uncompressed archive")
        }
        let created = descriptor.annotations?[Self.createdKey].flatMap { FileTime(rfc3339: $0) }
        return try Self.checked(descriptor, diffID: diffID, created: created ?? .epoch)
    }

    /// A layer as its blob is fetched: by a type that can be unpacked, and without what else its descriptor says.
    static func checked(
        _ descriptor: Descriptor,
        diffID: Digest,
        created: FileTime
    ) throws(RemoteCacheError) -> CachedLayer {
        guard layerTypes.contains(descriptor.mediaType) else {
            throw .invalid(
                reason:
                    "the layer \(descriptor.digest) has the media type \"\(descriptor.mediaType)\", which is not a layer's"
            )
        }
        guard descriptor.size >= 0 else { throw .invalid(reason: "the layer \(descriptor.digest) has a negative size") }
        let blob = Descriptor(mediaType: descriptor.mediaType, digest: descriptor.digest, size: descriptor.size)
        return CachedLayer(blob: blob, diffID: diffID, created: created)
    }

    /// The type that a document states, if nothing else states it.
    static func statedType(of bytes: [UInt8]) throws -> MediaType? {
        struct Typed: Decodable { var mediaType: MediaType? }
        return try StrictJSON.decode(Typed.self, from: bytes, kind: "manifest", fields: .manifest).mediaType
    }

    /// Reads the document of a cache.
    /// - Throws: `OCIError`.
    static func document(parsing bytes: [UInt8]) throws -> CacheDocument {
        try StrictJSON.decode(CacheDocument.self, from: bytes, kind: "cache configuration", fields: .buildCache)
    }
}

extension MediaType {
    /// The same kind of layer by Docker's name, or by OCI's.
    func named(byDocker: Bool) -> MediaType {
        switch self {
        case .ociLayer, .dockerLayer: byDocker ? .dockerLayer : .ociLayer
        case .ociLayerGzip, .dockerLayerGzip: byDocker ? .dockerLayerGzip : .ociLayerGzip
        case .ociLayerZstd, .dockerLayerZstd: byDocker ? .dockerLayerZstd : .ociLayerZstd
        default: self
        }
    }
}
