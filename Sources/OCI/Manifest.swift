/// The media type of a descriptor or document, as a registry's `Content-Type` spells it.
package struct MediaType: RawRepresentable, Hashable, Sendable, Codable, CustomStringConvertible {
    package let rawValue: String
    package init(rawValue: String) { self.rawValue = rawValue }
    package var description: String { rawValue }

    package static let ociIndex = MediaType(rawValue: "application/vnd.oci.image.index.v1+json")
    package static let ociManifest = MediaType(rawValue: "application/vnd.oci.image.manifest.v1+json")
    package static let ociConfiguration = MediaType(rawValue: "application/vnd.oci.image.config.v1+json")
    package static let ociEmpty = MediaType(rawValue: "application/vnd.oci.empty.v1+json")
    package static let ociLayer = MediaType(rawValue: "application/vnd.oci.image.layer.v1.tar")
    package static let ociLayerGzip = MediaType(rawValue: "application/vnd.oci.image.layer.v1.tar+gzip")
    package static let ociLayerZstd = MediaType(rawValue: "application/vnd.oci.image.layer.v1.tar+zstd")
    /// Layers that are to be fetched from where their descriptors say, and sent to no registry.
    package static let ociForeignLayer = MediaType(rawValue: "application/vnd.oci.image.layer.nondistributable.v1.tar")
    package static let ociForeignLayerGzip = MediaType(
        rawValue: "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip"
    )
    package static let ociForeignLayerZstd = MediaType(
        rawValue: "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd"
    )
    package static let dockerList = MediaType(rawValue: "application/vnd.docker.distribution.manifest.list.v2+json")
    package static let dockerManifest = MediaType(rawValue: "application/vnd.docker.distribution.manifest.v2+json")
    package static let dockerConfiguration = MediaType(rawValue: "application/vnd.docker.container.image.v1+json")
    package static let dockerLayer = MediaType(rawValue: "application/vnd.docker.image.rootfs.diff.tar")
    package static let dockerLayerGzip = MediaType(rawValue: "application/vnd.docker.image.rootfs.diff.tar.gzip")
    package static let dockerLayerZstd = MediaType(rawValue: "application/vnd.docker.image.rootfs.diff.tar.zstd")
    package static let dockerForeignLayer = MediaType(
        rawValue: "application/vnd.docker.image.rootfs.foreign.diff.tar"
    )
    package static let dockerForeignLayerGzip = MediaType(
        rawValue: "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"
    )

    /// A list of manifests, one for each platform.
    package var isIndex: Bool { self == .ociIndex || self == .dockerList }
    /// The manifest of one image.
    package var isManifest: Bool { self == .ociManifest || self == .dockerManifest }
    /// Whether the type belongs to Docker's set rather than OCI's.
    package var isDocker: Bool { rawValue.hasPrefix("application/vnd.docker.") }

    private static let layers: [(oci: MediaType, docker: MediaType)] = [
        (ociLayer, dockerLayer), (ociLayerGzip, dockerLayerGzip), (ociLayerZstd, dockerLayerZstd),
        (ociForeignLayer, dockerForeignLayer), (ociForeignLayerGzip, dockerForeignLayerGzip),
    ]
    private static let foreignLayers: [(foreign: MediaType, plain: MediaType)] = [
        (ociForeignLayer, ociLayer), (ociForeignLayerGzip, ociLayerGzip), (ociForeignLayerZstd, ociLayerZstd),
        (dockerForeignLayer, dockerLayer), (dockerForeignLayerGzip, dockerLayerGzip),
        // Docker has no name for it.
        (ociForeignLayerZstd, dockerLayerZstd),
    ]
    /// The types that layers may have.
    package static let layerTypes = Set(layers.flatMap { [$0.oci, $0.docker] } + [ociForeignLayerZstd])

    /// The same form of layer by Docker's name or OCI's; any other type stays as it is.
    /// - Parameter docker: whether Docker's name is wanted.
    /// - Returns: the type by that name.
    package func layer(docker: Bool) -> MediaType {
        let pair = Self.layers.first { $0.oci == self || $0.docker == self }
        return pair.map { docker ? $0.docker : $0.oci } ?? self
    }

    /// Whether it is of layers that are sent to no registry.
    package var isForeignLayer: Bool { Self.foreignLayers.contains { $0.foreign == self } }

    /// The same form of layer with or without the rule that it is sent to no registry; any other type stays as it is.
    package func layer(foreign: Bool) -> MediaType {
        let pair = Self.foreignLayers.first { $0.foreign == self || $0.plain == self }
        return pair.map { foreign ? $0.foreign : $0.plain } ?? self
    }
}

/// A reference to content by digest.
///
/// See the OCI image specification, descriptor.md.
package struct Descriptor: Hashable, Sendable, Codable {
    package var mediaType: MediaType
    package var digest: Digest
    /// In bytes.
    package var size: Int64
    package var annotations: [String: String]?
    package var platform: Platform?
    /// Where else than in the repository the content can be had.
    package var urls: [String]?
    package var artifactType: String?
    /// The content itself, in base64.
    package var data: String?

    package init(
        mediaType: MediaType,
        digest: Digest,
        size: Int64,
        annotations: [String: String]? = nil,
        platform: Platform? = nil
    ) {
        self.mediaType = mediaType
        self.digest = digest
        self.size = size
        self.annotations = annotations
        self.platform = platform
    }
}

/// The manifest of one image.
///
/// See the OCI image specification, manifest.md.
package struct Manifest: Hashable, Sendable, Codable {
    package var schemaVersion = 2
    package var mediaType: MediaType?
    package var artifactType: String?
    package var config: Descriptor
    package var layers: [Descriptor]
    package var subject: Descriptor?
    package var annotations: [String: String]?

    package init(mediaType: MediaType, config: Descriptor, layers: [Descriptor], annotations: [String: String]? = nil) {
        self.mediaType = mediaType
        self.config = config
        self.layers = layers
        self.annotations = annotations
    }
}

/// A list of manifests, one for each platform.
///
/// See the OCI image specification, image-index.md.
package struct Index: Hashable, Sendable, Codable {
    package var schemaVersion = 2
    package var mediaType: MediaType?
    package var artifactType: String?
    package var manifests: [Descriptor]
    package var subject: Descriptor?
    package var annotations: [String: String]?

    package init(mediaType: MediaType, manifests: [Descriptor], annotations: [String: String]? = nil) {
        self.mediaType = mediaType
        self.manifests = manifests
        self.annotations = annotations
    }
}

extension Manifest {
    /// Reads a manifest, refusing documents that could be read as something else.
    /// - Throws: `OCIError`.
    package init(parsing bytes: [UInt8], declaredAs declared: MediaType) throws(OCIError) {
        let manifest = try StrictJSON.decode(
            Manifest.self,
            from: bytes,
            kind: "manifest",
            fields: .manifest,
            forbidding: ["manifests", "fsLayers"]
        )
        try checkDocument("manifest", version: manifest.schemaVersion, stated: manifest.mediaType, declared: declared)
        guard manifest.layers.allSatisfy({ $0.size >= 0 }), manifest.config.size >= 0 else {
            throw .invalidDocument(kind: "manifest", reason: "a descriptor has a negative size")
        }
        self = manifest
    }
}

extension Index {
    /// What an index that was made here says it is; OCI's need not say it.
    /// - Parameter bytes: the document.
    /// - Returns: the type of an index or a manifest list.
    /// - Throws: `OCIError` for anything else.
    package static func mediaType(of bytes: [UInt8]) throws(OCIError) -> MediaType {
        struct Typed: Decodable { var mediaType: MediaType? }
        let type =
            try StrictJSON.decode(Typed.self, from: bytes, kind: "index", fields: .manifest).mediaType ?? .ociIndex
        guard type.isIndex else { throw .invalidDocument(kind: "index", reason: "it is of the type \(type)") }
        return type
    }

    /// Reads an index, refusing documents that could be read as something else.
    /// - Throws: `OCIError`.
    package init(parsing bytes: [UInt8], declaredAs declared: MediaType) throws(OCIError) {
        let index = try StrictJSON.decode(
            Index.self,
            from: bytes,
            kind: "index",
            fields: .manifest,
            forbidding: ["config", "layers", "fsLayers"]
        )
        try checkDocument("index", version: index.schemaVersion, stated: index.mediaType, declared: declared)
        guard index.manifests.allSatisfy({ $0.size >= 0 }) else {
            throw .invalidDocument(kind: "index", reason: "a descriptor has a negative size")
        }
        self = index
    }
}

/// CVE-2021-41190: the type that the transport declares and the one that the document states must be the same.
private func checkDocument(_ kind: String, version: Int, stated: MediaType?, declared: MediaType) throws(OCIError) {
    guard version == 2 else {
        throw .invalidDocument(kind: kind, reason: "schemaVersion is \(version); only 2 is supported")
    }
    if let stated, stated != declared {
        throw .invalidDocument(kind: kind, reason: "it says it is \(stated) and was delivered as \(declared)")
    }
}
