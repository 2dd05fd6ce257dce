internal import LinuxSystem
internal import OCI
internal import Storage
internal import Text

/// What an archive has under some names.
struct ArchivedEntry: Sendable {
    enum Content: Sendable {
        case image(ArchivedImage)
        /// The images of several platforms.
        case index([(image: ArchivedImage, platform: Platform)], annotations: [String: String]?)

        /// The same for the same images: their configurations.
        var identity: [[UInt8]] {
            switch self {
            case .image(let image): [image.configuration]
            // An index of one image is no index here.
            case .index(let images, _): images.map(\.image.configuration)
            }
        }
    }

    var content: Content
    var names: [ImageReference]
}

/// One image as an archive describes it, everything checked against everything.
struct ArchivedImage: Sendable {
    var configuration: [UInt8]
    /// Lowest first, one for each diff id of the configuration.
    var layers: [StoredLayer]
    /// The manifest's bytes and type, where the archive is an OCI layout.
    var manifest: (bytes: [UInt8], mediaType: MediaType)?
}

/// Reads the documents of an image archive.
struct ArchivedImages {
    let members: ArchiveMembers
    let intake: LayerIntake
    /// What to take from an archive for several platforms; none means everything.
    let platforms: [Platform]

    /// The images of the archive: those of `manifest.json` or, where it has none or names images of several platforms, which only
    /// an OCI layout can hold, of the layout.
    /// - Throws: `ImageError.invalidArchive`, `OCIError`, `StorageError`.
    func read() async throws -> [ArchivedEntry] {
        let layout = try members.document("index.json")
        guard let manifest = try members.document("manifest.json") else {
            if let layout { return try await readLayout(layout) }
            throw ImageError.invalidArchive(reason: "does not contain a manifest.json or an index.json")
        }
        // The checks are for objects; docker's document is an array.
        let wrapped: [UInt8] = "{\"items\":" + manifest + "}"
        let items = try StrictJSON.decode(
            DockerManifest.self,
            from: wrapped,
            kind: "manifest.json",
            fields: .dockerArchive
        ).items
        if let layout, try holdsIndexes(layout, namedBy: items) { return try await readLayout(layout) }
        return try await readDocker(items)
    }

    /// Whether a layout has images of several platforms, under the names that docker's document has for them if it has any.
    private func holdsIndexes(_ layout: [UInt8], namedBy items: [DockerItem]) throws(OCIError) -> Bool {
        // One that could be read in two ways is refused, though docker's document would do: other programs read this one.
        let index = try Index(parsing: layout, declaredAs: .ociIndex)
        let indexes = index.manifests.filter(\.mediaType.isIndex)
        let areNamed = indexes.allSatisfy { $0.annotations?[Self.nameAnnotation] != nil }
        return !indexes.isEmpty && (areNamed || items.allSatisfy { ($0.RepoTags ?? []).isEmpty })
    }

    private func isWanted(_ platform: Platform) -> Bool {
        platforms.isEmpty || platforms.contains { $0.accepts(platform) }
    }

    private var nothingWanted: ImageError {
        let wanted = platforms.isEmpty ? [Platform.current] : platforms
        return .invalidArchive(
            reason: "it has no image for platform \(wanted.map(\.description).joined(separator: " or "))"
        )
    }

    // MARK: docker save

    private struct DockerItem: Decodable {
        var Config: String
        var RepoTags: [String]?
        var Layers: [String]?
    }

    private struct DockerManifest: Decodable { var items: [DockerItem] }

    private func readDocker(_ items: [DockerItem]) async throws -> [ArchivedEntry] {
        var images: [ArchivedEntry] = []
        // An archive may name one configuration for each of many thousand tags.
        var known: [[UInt8]: ImageConfiguration] = [:]
        for item in items {
            guard let configuration = try members.document(item.Config) else {
                throw ImageError.invalidArchive(
                    reason: "manifest.json names the configuration \"\(item.Config)\", which is not in it"
                )
            }
            let parsed = try known[configuration] ?? ImageConfiguration(parsing: configuration)
            known[configuration] = parsed
            guard isWanted(parsed.platform) else { continue }
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
            let image = ArchivedImage(configuration: configuration, layers: layers)
            images.append(ArchivedEntry(content: .image(image), names: names))
        }
        if images.isEmpty, !items.isEmpty { throw nothingWanted }
        return images
    }

    // MARK: OCI layout

    /// The full name that containerd and docker give an image of a layout.
    ///
    /// `org.opencontainers.image.ref.name` is left alone: whoever made the archive could take any local name with it.
    private static let nameAnnotation = "io.containerd.image.name"

    private func readLayout(_ bytes: [UInt8]) async throws -> [ArchivedEntry] {
        let index = try Index(parsing: bytes, declaredAs: .ociIndex)
        var entries: [ArchivedEntry] = []
        // Many thousand descriptors may name one document, and many documents one image.
        var byDescriptor: [Descriptor: Int?] = [:]
        var byContent: [[[UInt8]]: Int] = [:]
        for descriptor in index.manifests {
            var bare = descriptor
            bare.annotations = nil
            if byDescriptor[bare] == nil {
                let content = try await content(of: descriptor)
                let place = content.map { byContent[$0.identity, default: entries.count] }
                if let content, place == entries.count {
                    byContent[content.identity] = place
                    entries.append(ArchivedEntry(content: content, names: []))
                }
                byDescriptor[bare] = .some(place)
            }
            guard let found = byDescriptor[bare], let place = found else { continue }
            if let name = descriptor.annotations?[Self.nameAnnotation] {
                entries[place].names.append(try ImageReference(parsing: name).withDefaultTag)
            }
        }
        if entries.isEmpty { throw nothingWanted }
        return entries
    }

    /// The image of a manifest, or those of an index; nil for what is no image, or for other platforms only.
    private func content(of descriptor: Descriptor) async throws -> ArchivedEntry.Content? {
        guard descriptor.mediaType.isIndex else {
            // By itself, an image is loaded where it can run, or for a platform that was asked for.
            let wanted = platforms.isEmpty ? [Platform.current] : platforms
            if let offered = descriptor.platform, !wanted.contains(where: { $0.accepts(offered) }) { return nil }
            return try await image(descriptor).map { .image($0.image) }
        }
        var found: [(image: ArchivedImage, platform: Platform)] = []
        let annotations = try await collect(descriptor, into: &found, depth: 0)
        if found.count > 1 { return .index(found, annotations: annotations) }
        return found.first.map { .image($0.image) }
    }

    /// - Returns: the annotations of the index.
    private func collect(
        _ descriptor: Descriptor,
        into found: inout [(image: ArchivedImage, platform: Platform)],
        depth: Int
    ) async throws -> [String: String]? {
        guard depth < 4 else { throw ImageError.invalidArchive(reason: "its indexes are nested too deeply") }
        let index = try Index(parsing: try document(descriptor), declaredAs: descriptor.mediaType)
        for entry in index.manifests where !PlatformChoice.isAttestation(entry) {
            if entry.mediaType.isIndex {
                _ = try await collect(entry, into: &found, depth: depth + 1)
                continue
            }
            if let offered = entry.platform, !isWanted(offered) || offered.os != "linux" { continue }
            // Whoever saves some platforms of an image may leave its index as it is.
            guard try members.document(Self.path(entry.digest)) != nil || !platforms.isEmpty else { continue }
            guard let (image, platform) = try await image(entry) else { continue }
            found.append((image, entry.platform ?? platform))
        }
        return index.annotations
    }

    /// The image of a manifest, and what its configuration says it is for; nil for what is no image or for another platform.
    private func image(_ descriptor: Descriptor) async throws -> (image: ArchivedImage, platform: Platform)? {
        guard descriptor.mediaType.isManifest else { return nil }
        let bytes = try document(descriptor)
        let manifest = try Manifest(parsing: bytes, declaredAs: descriptor.mediaType)
        guard manifest.config.mediaType == .ociConfiguration || manifest.config.mediaType == .dockerConfiguration else {
            return nil
        }
        let configuration = try document(manifest.config)
        let parsed = try ImageConfiguration(parsing: configuration)
        guard isWanted(parsed.platform) else { return nil }
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
        let image = ArchivedImage(
            configuration: configuration,
            layers: layers,
            manifest: (bytes, descriptor.mediaType)
        )
        return (image, parsed.platform)
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
