internal import OCI
internal import Registry

/// Finds one image below what a name leads to, wherever the documents come from, and checks that they fit together.
struct ImageSearch {
    /// What messages call the image.
    let name: String
    let platform: Platform
    let match: PlatformMatch

    /// Goes down from what a name leads to until there is one image's manifest.
    ///
    /// - Parameters:
    ///   - top: an index or a manifest.
    ///   - document: reads what an index names.
    /// - Returns: the manifest, and where it was found.
    /// - Throws: `RemoteImageError`, `OCIError`, and what `document` throws.
    func manifest(
        from top: FetchedManifest,
        _ document: (Descriptor) async throws -> FetchedManifest
    ) async throws -> (Manifest, ManifestOrigin) {
        var current = top
        var index: Digest?
        for _ in 0..<3 {
            if current.mediaType.isManifest {
                var manifest = try Manifest(parsing: current.bytes, declaredAs: current.mediaType)
                try check(manifest)
                // What is read is the same: that some of it comes from elsewhere, its addresses say.
                for index in manifest.layers.indices {
                    manifest.layers[index].mediaType = manifest.layers[index].mediaType.layer(foreign: false)
                }
                return (manifest, ManifestOrigin(digest: current.digest, mediaType: current.mediaType, index: index))
            }
            let entries = try Index(parsing: current.bytes, declaredAs: current.mediaType).manifests
            guard let entry = PlatformChoice(wanted: platform).choose(among: entries) else {
                throw RemoteImageError.noMatchingManifest(
                    reference: name,
                    wanted: platform,
                    available: entries.filter { !PlatformChoice.isAttestation($0) }.compactMap(\.platform)
                )
            }
            index = index ?? current.digest
            current = try await document(entry)
        }
        throw RemoteImageError.nestedTooDeep(reference: name)
    }

    private func check(_ manifest: Manifest) throws(RemoteImageError) {
        let type = manifest.config.mediaType
        guard [.ociConfiguration, .dockerConfiguration].contains(type) else {
            throw .notAnImage(reference: name, mediaType: type.rawValue)
        }
        for layer in manifest.layers where !MediaType.layerTypes.contains(layer.mediaType) {
            throw .unsupportedLayer(reference: name, mediaType: layer.mediaType.rawValue)
        }
    }

    /// The configuration of a manifest's image.
    ///
    /// - Parameters:
    ///   - bytes: the document that the manifest names.
    ///   - manifest: as `manifest(from:)` found it.
    ///   - isOfIndex: whether an index said what the image is for; a single manifest says nothing, its configuration does.
    /// - Returns: the configuration.
    /// - Throws: `RemoteImageError`, `OCIError`.
    func configuration(_ bytes: [UInt8], of manifest: Manifest, isOfIndex: Bool) throws -> ImageConfiguration {
        let configuration = try ImageConfiguration(parsing: bytes)
        let count = configuration.rootFileSystem.diffIDs.count
        guard count == manifest.layers.count else {
            throw RemoteImageError.layersDoNotMatch(
                reference: name,
                manifest: manifest.layers.count,
                configuration: count
            )
        }
        guard match != .always || isOfIndex || platform.accepts(configuration.platform) else {
            throw RemoteImageError.noMatchingManifest(
                reference: name,
                wanted: platform,
                available: [configuration.platform]
            )
        }
        return configuration
    }

    /// What a manifest or index says that it is; nil for what is neither.
    ///
    /// OCI documents need not say what they are; they then cannot be Docker's.
    static func statedType(of bytes: [UInt8]) throws(OCIError) -> MediaType? {
        struct Typed: Decodable {
            var mediaType: MediaType?
            var manifests: [Descriptor]?
            var layers: [Descriptor]?
        }
        let document = try StrictJSON.decode(Typed.self, from: bytes, kind: "manifest", fields: .manifest)
        let implied: MediaType? = document.manifests != nil ? .ociIndex : document.layers != nil ? .ociManifest : nil
        guard let stated = document.mediaType ?? implied, stated.isIndex || stated.isManifest else { return nil }
        return stated
    }
}
