import Archive
package import OCI

/// The documents of an image as they leave: made of its configuration and layers.
package struct ImageDocuments: Sendable {
    /// A document and what refers to it.
    package struct Document: Sendable, Hashable {
        package let descriptor: Descriptor
        package let bytes: [UInt8]

        package init(descriptor: Descriptor, bytes: [UInt8]) {
            self.descriptor = descriptor
            self.bytes = bytes
        }
    }

    private let annotations: [ImageAnnotation]
    private let docker: Bool

    /// - Parameters:
    ///   - annotations: of all documents.
    ///   - docker: whether they have Docker's media types.
    package init(annotations: [ImageAnnotation], docker: Bool) {
        self.annotations = annotations
        self.docker = docker
    }

    /// The configuration as a document.
    package func configuration(_ bytes: [UInt8]) -> Document {
        document(bytes, docker ? .dockerConfiguration : .ociConfiguration)
    }

    /// The manifest of one image.
    /// - Parameters:
    ///   - configuration: the image's.
    ///   - layers: lowest first, with any media types.
    ///   - platform: what the image is for.
    /// - Returns: the document, and its descriptor with the platform.
    /// - Throws: what encoding throws.
    package func manifest(
        _ configuration: Document,
        layers: [Descriptor],
        platform: Platform
    ) throws -> Document {
        let type: MediaType = docker ? .dockerManifest : .ociManifest
        let manifest = Manifest(
            mediaType: type,
            config: configuration.descriptor,
            layers: layers.map { layer in
                var layer = layer
                layer.mediaType = layer.mediaType.layer(docker: docker)
                // Docker's documents have none.
                if docker { layer.annotations = nil }
                layer.platform = nil
                // Where this image goes, there the layer is.
                if !layer.mediaType.isForeignLayer { layer.urls = nil }
                return layer
            },
            annotations: annotations.values(for: .manifest, platform: platform)
        )
        var document = document(try StrictJSON.encode(manifest), type)
        document = Document(
            descriptor: Descriptor(
                mediaType: type,
                digest: document.descriptor.digest,
                size: document.descriptor.size,
                annotations: annotations.values(for: .manifestDescriptor, platform: platform),
                platform: platform
            ),
            bytes: document.bytes
        )
        return document
    }

    /// The index of images of several platforms.
    /// - Parameter manifests: the images', in the order of the index.
    /// - Returns: the document and its descriptor.
    /// - Throws: what encoding throws.
    package func index(_ manifests: [Document]) throws -> Document {
        let type: MediaType = docker ? .dockerList : .ociIndex
        let index = Index(
            mediaType: type,
            manifests: manifests.map(\.descriptor),
            annotations: annotations.values(for: .index)
        )
        let bytes = try StrictJSON.encode(index)
        let plain = document(bytes, type).descriptor
        return Document(
            descriptor: Descriptor(
                mediaType: type,
                digest: plain.digest,
                size: plain.size,
                annotations: annotations.values(for: .indexDescriptor)
            ),
            bytes: bytes
        )
    }

    func document(_ bytes: [UInt8], _ type: MediaType) -> Document {
        let descriptor = Descriptor(mediaType: type, digest: Digest.sha256(of: bytes), size: Int64(bytes.count))
        return Document(descriptor: descriptor, bytes: bytes)
    }
}
