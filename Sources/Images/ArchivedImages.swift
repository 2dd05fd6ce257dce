internal import LinuxSystem
internal import OCI
internal import Storage

/// One image as an archive describes it, everything checked against everything.
struct ArchivedImage: Sendable {
    var configuration: [UInt8]
    /// Lowest first, one for each diff id of the configuration.
    var layers: [StoredLayer]
    var names: [ImageReference]
    /// The manifest's bytes and type, where the archive is an OCI layout.
    var manifest: (bytes: [UInt8], mediaType: MediaType)?
}

/// Reads the documents of an image archive.
struct ArchivedImages {
    let members: ArchiveMembers
    let intake: LayerIntake
    /// What to take from an archive for several platforms; nil takes what runs here.
    let platform: Platform?

    /// The images of the archive: those of `manifest.json` or, where it has none, of the OCI layout.
    /// - Throws: `ImageError.invalidArchive`, `OCIError`, `StorageError`.
    func read() async throws -> [ArchivedImage] {
        if let manifest = try members.document("manifest.json") { return try await readDocker(manifest) }
        if let index = try members.document("index.json") { return try await readLayout(index) }
        throw ImageError.invalidArchive(reason: "does not contain a manifest.json or an index.json")
    }

    // MARK: docker save

    private struct DockerItem: Decodable {
        var Config: String
        var RepoTags: [String]?
        var Layers: [String]?
    }

    private struct DockerManifest: Decodable { var items: [DockerItem] }

    private func readDocker(_ manifest: [UInt8]) async throws -> [ArchivedImage] {
        // The checks are for objects; docker's document is an array.
        let wrapped = Array("{\"items\":".utf8) + manifest + Array("}".utf8)
        let items = try StrictJSON.decode(DockerManifest.self, from: wrapped, kind: "manifest.json").items
        var images: [ArchivedImage] = []
        for item in items {
            guard let configuration = try members.document(item.Config) else {
                throw ImageError.invalidArchive(
                    reason: "manifest.json names the configuration \"\(item.Config)\", which is not in it"
                )
            }
            let parsed = try ImageConfiguration(parsing: configuration)
            if let platform, !platform.accepts(parsed.platform) { continue }
            try checkSystem(parsed)
            let paths = item.Layers ?? []
            let diffIDs = parsed.rootFileSystem.diffIDs
            guard paths.count == diffIDs.count else {
                throw ImageError.invalidArchive(
                    reason: "invalid manifest, layers length mismatch: expected \(paths.count), got \(diffIDs.count)"
                )
            }
            var layers: [StoredLayer] = []
            for (index, path) in paths.enumerated() {
                guard let layer = try await members.layer(path, intake: intake) else {
                    throw ImageError.invalidArchive(
                        reason: "manifest.json names the layer \"\(path)\", which is not in it"
                    )
                }
                layers.append(try checked(layer, diffIDs[index], index))
            }
            let names = try (item.RepoTags ?? []).map { text in
                let name = try ImageReference(parsing: text)
                guard name.tag != nil, name.digest == nil else {
                    throw ImageError.invalidArchive(reason: "invalid tag \"\(text)\"")
                }
                return name
            }
            images.append(ArchivedImage(configuration: configuration, layers: layers, names: names))
        }
        if images.isEmpty, let platform, !items.isEmpty {
            throw ImageError.invalidArchive(reason: "it has no image for platform \(platform)")
        }
        return images
    }

    // MARK: OCI layout

    /// The full name that containerd and docker give an image of a layout. `org.opencontainers.image.ref.name` is left alone: whoever made
    /// the archive could take any local name with it.
    private static let nameAnnotation = "io.containerd.image.name"

    private func readLayout(_ bytes: [UInt8]) async throws -> [ArchivedImage] {
        let index = try Index(parsing: bytes, declaredAs: .ociIndex)
        var images: [ArchivedImage] = []
        for descriptor in index.manifests {
            guard let image = try await read(descriptor, depth: 0) else { continue }
            var named = image
            if let name = descriptor.annotations?[Self.nameAnnotation] {
                named.names = [try ImageReference(parsing: name).withDefaultTag]
            }
            if let same = images.firstIndex(where: { $0.configuration == named.configuration }) {
                images[same].names += named.names
            } else {
                images.append(named)
            }
        }
        if images.isEmpty {
            throw ImageError.invalidArchive(reason: "it has no image for platform \(platform ?? Platform.current)")
        }
        return images
    }

    /// The image of a descriptor, or of the entry of an index that is for our platform; nil for what is no image or for another platform.
    private func read(_ descriptor: Descriptor, depth: Int) async throws -> ArchivedImage? {
        if descriptor.mediaType.isIndex {
            guard depth < 4 else { throw ImageError.invalidArchive(reason: "its indexes are nested too deeply") }
            let index = try Index(parsing: try document(descriptor), declaredAs: descriptor.mediaType)
            for entry in index.manifests {
                if let image = try await read(entry, depth: depth + 1) { return image }
            }
            return nil
        }
        let wanted = platform ?? Platform.current
        if let offered = descriptor.platform, !wanted.accepts(offered) { return nil }
        guard descriptor.mediaType.isManifest else { return nil }
        let bytes = try document(descriptor)
        let manifest = try Manifest(parsing: bytes, declaredAs: descriptor.mediaType)
        guard manifest.config.mediaType == .ociConfiguration || manifest.config.mediaType == .dockerConfiguration else {
            return nil
        }
        let configuration = try document(manifest.config)
        let parsed = try ImageConfiguration(parsing: configuration)
        if !wanted.accepts(parsed.platform), platform != nil { return nil }
        try checkSystem(parsed)
        let diffIDs = parsed.rootFileSystem.diffIDs
        guard diffIDs.count == manifest.layers.count else {
            throw ImageError.invalidArchive(
                reason:
                    "invalid manifest, layers length mismatch: expected \(manifest.layers.count), got \(diffIDs.count)"
            )
        }
        var layers: [StoredLayer] = []
        for (index, layer) in manifest.layers.enumerated() {
            let stored = try await members.layer(Self.path(layer.digest), intake: intake)
            guard let stored else {
                throw ImageError.invalidArchive(reason: "the layer \(layer.digest) is not in it")
            }
            guard stored.blob.digest == layer.digest else {
                throw ImageError.invalidArchive(
                    reason: "the content of \(Self.path(layer.digest)) has digest \(stored.blob.digest)"
                )
            }
            layers.append(try checked(stored, diffIDs[index], index))
        }
        return ArchivedImage(
            configuration: configuration,
            layers: layers,
            names: [],
            manifest: (bytes, descriptor.mediaType)
        )
    }

    private func document(_ descriptor: Descriptor) throws -> [UInt8] {
        guard let bytes = try members.document(Self.path(descriptor.digest)) else {
            throw ImageError.invalidArchive(reason: "the document \(descriptor.digest) is not in it")
        }
        var digester = Digester(descriptor.digest.algorithm)
        digester.update(bytes)
        let actual = digester.finalize()
        guard actual == descriptor.digest, Int64(bytes.count) == descriptor.size else {
            throw ImageError.invalidArchive(
                reason: "the content of \(Self.path(descriptor.digest)) has digest \(actual)"
            )
        }
        return bytes
    }

    private static func path(_ digest: Digest) -> String { "blobs/\(digest.algorithm.rawValue)/\(digest.hex)" }

    // MARK: Checks

    private func checked(_ layer: StoredLayer, _ diffID: Digest, _ index: Int) throws -> StoredLayer {
        guard layer.diffID == diffID else {
            throw ImageError.invalidArchive(
                reason: "invalid diffID for layer \(index): expected \"\(diffID)\", got \"\(layer.diffID)\""
            )
        }
        return layer
    }

    private func checkSystem(_ configuration: ImageConfiguration) throws {
        guard configuration.os == "linux" else {
            throw ImageError.invalidArchive(reason: "cannot load \(configuration.os) image on linux")
        }
    }
}
