internal import Archive
package import LinuxSystem
package import OCI
internal import Storage
package import SystemPackage
internal import Text

extension ImageArchiver {
    /// Writes images as an archive that `docker load` and readers of OCI layouts understand alike, as docker does from 25 on.
    ///
    /// The bytes depend on nothing but the images and names: members are sorted, times are 0, layers are not compressed.
    /// A name without a tag stands for all tags of the repository; an id brings no names.
    /// - Parameters:
    ///   - names: as a user types them.
    ///   - output: where to write, from where it stands; a pipe will do.
    ///   - platforms: of images of several platforms only these, and refuse others; none means all. A single one of several is
    ///     saved as an image by itself.
    /// - Throws: `ImageError.noSuchImage` and the like before the first byte is written.
    package func save(_ names: [String], to output: OpenFile, platforms: [Platform] = []) async throws {
        try await images.store.withLease { lease in
            let plan = try await plan(try await chooseImages(names, platforms: platforms), lease)
            try await write(plan, to: output, lease)
        }
    }

    /// Writes images to a file, which appears complete and durable, or not at all.
    ///
    /// What is no regular file (a pipe, a device) is written to as it is.
    package func save(_ names: [String], to path: FilePath, platforms: [Platform] = []) async throws {
        let existing = try await onBlockingPool { try HostFiles.status(of: path) }
        if let existing, existing.type != .regular {
            let output = try await onBlockingPool { try OpenFile.open(path, .writeOnly) }
            return try await save(names, to: output, platforms: platforms)
        }
        do {
            let pending = try await onBlockingPool { try PendingFile(replacing: path, mode: 0o600) }
            do {
                try await save(names, to: pending.file, platforms: platforms)
                try await onBlockingPool { try pending.publish() }
            } catch {
                await onBlockingPool { pending.discard() }
                throw error
            }
        } catch let error as SystemCallError {
            throw StorageError(error, while: "saving images", in: path)
        }
    }

    // MARK: What to write

    /// A member's content.
    private enum Content: Sendable {
        case directory
        case bytes([UInt8])
        case layer(LayerID, diffID: Digest, size: Int64)
    }

    /// What is saved under some names: one image, or those of an index.
    private struct Chosen {
        /// What the names lead to.
        let id: Digest
        /// Each with the platform that the index gives it.
        let images: [(record: ImageRecord, platform: Platform)]
        let isIndex: Bool
        var annotations: [String: String]?
        var references: [ImageReference] = []

        /// The one that readers take who know of one image only.
        var usual: ImageRecord? {
            images.first { Platform.current.accepts($0.platform) }?.record ?? images.first?.record
        }
    }

    private func plan(_ chosen: [Chosen], _ lease: Lease) async throws -> [(path: String, content: Content)] {
        let records = chosen.flatMap { $0.images.map(\.record) }
        try await lease.hold(records.flatMap { $0.layers.map(StoreResource.layer) })
        var content: [String: Content] = ["blobs": .directory, "blobs/sha256": .directory]
        var documents = SavedDocuments()
        for item in chosen {
            var manifests: [Descriptor] = []
            for (image, platform) in item.images {
                var descriptor = try await add(image, to: &content, lease)
                if item.isIndex { descriptor.platform = platform }
                manifests.append(descriptor)
            }
            if item.isIndex {
                let index = Index(mediaType: .ociIndex, manifests: manifests, annotations: item.annotations)
                manifests = [Self.add(try StrictJSON.encode(index), as: .ociIndex, to: &content)]
            }
            if let usual = item.usual, let top = manifests.first { documents.add(usual, item.references, top) }
        }
        for (path, bytes) in try documents.encoded() { content[path] = .bytes(bytes) }
        return content.sorted { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }.map { ($0.key, $0.value) }
    }

    private func add(
        _ image: ImageRecord,
        to content: inout [String: Content],
        _ lease: Lease
    ) async throws -> Descriptor {
        let configuration = try await images.store.blobs.read(image.id, limit: StrictJSON.maximumSize)
        content[Self.path(image.id)] = .bytes(configuration)
        for (layer, diffID) in zip(image.layers, image.configuration.rootFileSystem.diffIDs) {
            let size = try await layers.archiveSize(of: layer, in: lease)
            content[Self.path(diffID)] = .layer(layer, diffID: diffID, size: size)
        }
        let manifest = try await layers.plainManifest(
            of: NewImage(configuration: configuration, layers: image.layers),
            in: lease
        )
        return Self.add(manifest, as: .ociManifest, to: &content)
    }

    private static func add(_ bytes: [UInt8], as type: MediaType, to content: inout [String: Content]) -> Descriptor {
        let descriptor = Descriptor(mediaType: type, digest: Digest.sha256(of: bytes), size: Int64(bytes.count))
        content[path(descriptor.digest)] = .bytes(bytes)
        return descriptor
    }

    /// What the names lead to, in the order in which it was first named, each once, with the names to save.
    private func chooseImages(_ names: [String], platforms: [Platform]) async throws -> [Chosen] {
        var chosen: [Chosen] = []
        // Where each stands: one image may have many thousand names, and is read once.
        var places: [Digest: Int] = [:]
        var taken: Set<ImageReference> = []
        func add(_ item: Chosen, namedAs id: Digest? = nil) -> Int {
            let place = places[item.id] ?? chosen.count
            if place == chosen.count { chosen.append(item) }
            places[item.id] = place
            if let id { places[id] = place }
            return place
        }
        func name(_ place: Int, _ reference: ImageReference) {
            if taken.insert(reference).inserted { chosen[place].references.append(reference) }
        }
        for text in names {
            let reference = try? ImageReference(parsing: text)
            if let reference, reference.tag == nil, reference.digest == nil {
                let tags = try await images.names(inRepository: reference.repository)
                for tag in tags {
                    let id = try await images.id(of: tag)
                    if let known = id.flatMap({ places[$0] }) {
                        name(known, tag)
                    } else {
                        let item = try await choose(tag.description, platforms: platforms)
                        name(add(item, namedAs: id), tag)
                    }
                }
                if !tags.isEmpty { continue }
            }
            if let reference, reference.tag != nil, reference.digest == nil,
                let known = try await images.id(of: reference).flatMap({ places[$0] })
            {
                name(known, reference)
                continue
            }
            let item = try await choose(text, platforms: platforms)
            let known = item.usual?.names ?? []
            let isName = reference.map { known.contains($0.withDefaultTag) } ?? false
            let place = add(item)
            if isName, let reference { name(place, reference.withDefaultTag) }
        }
        return chosen
    }

    private func choose(_ name: String, platforms: [Platform]) async throws -> Chosen {
        let index = try await images.index(name)
        guard let index, platforms.count != 1 else {
            let image = try await images.image(name, platform: platforms.first)
            return Chosen(id: image.id, images: [(image, image.configuration.platform)], isIndex: false)
        }
        if let missing = platforms.first(where: { index.member(for: $0) == nil }) {
            let available = index.members.map(\.platform)
            throw ImageError.noSuchPlatform(name, available: available, wanted: missing)
        }
        var members: [(record: ImageRecord, platform: Platform)] = []
        for member in index.members(for: platforms) {
            members.append((try await images.image(name, platform: member.platform), member.platform))
        }
        return Chosen(id: index.id, images: members, isIndex: true, annotations: index.annotations)
    }

    static func path(_ digest: Digest) -> String { "blobs/\(digest.algorithm.rawValue)/\(digest.hex)" }

    // MARK: Writing it

    private func write(
        _ plan: [(path: String, content: Content)],
        to output: OpenFile,
        _ lease: Lease
    ) async throws {
        let tar = TarOutput(output)
        for (path, content) in plan {
            let name = Array(path.utf8)
            switch content {
            case .directory:
                try await onBlockingPool { try tar.begin(TarEntry(path: name, kind: .directory, mode: 0o755)) }
            case .bytes(let bytes):
                try await onBlockingPool {
                    try tar.begin(TarEntry(path: name, kind: .regular, size: Int64(bytes.count)))
                    try bytes.withUnsafeBytes { try tar.write($0) }
                }
            case .layer(let layer, let diffID, let size):
                try Task.checkCancellation()
                try await onBlockingPool { try tar.begin(TarEntry(path: name, kind: .regular, size: size)) }
                try await layers.writeArchive(of: layer, expecting: diffID, in: lease) { try tar.write($0) }
                try tar.end()
            }
        }
        try await onBlockingPool { try tar.finish() }
    }
}

/// A tar archive on its way to a file, one member after the other.
///
/// `ImageLayers.writeArchive` calls it from threads of its own, one call after the other.
private final class TarOutput: @unchecked Sendable {
    // One saving task makes all calls in sequence, with a hop to another thread between them as the only concurrency.
    private let writer: TarWriter
    private var size: Int64 = 0
    private var remaining: Int64 = 0
    private let path: FilePath

    init(_ file: OpenFile) {
        path = file.path
        writer = TarWriter(FileSink(file))
    }

    func begin(_ entry: TarEntry) throws {
        try explaining {
            size = entry.size
            remaining = size
            try writer.begin(entry)
        }
    }

    func write(_ bytes: UnsafeRawBufferPointer) throws {
        try explaining {
            guard Int64(bytes.count) <= remaining else {
                throw StorageError.sizeMismatch(expected: size, actual: size - remaining + Int64(bytes.count))
            }
            remaining -= Int64(bytes.count)
            try writer.write(bytes)
        }
    }

    /// Makes sure that all of the current member's content was written.
    func end() throws {
        guard remaining == 0 else { throw StorageError.sizeMismatch(expected: size, actual: size - remaining) }
    }

    func finish() throws { try explaining { try writer.finish() } }

    private func explaining(_ body: () throws -> Void) throws {
        do {
            try body()
        } catch let error as SystemCallError {
            throw StorageError(error, while: "saving images", in: path)
        }
    }
}

/// The documents at the top of a saved archive.
private struct SavedDocuments {
    private struct DockerItem: Encodable {
        let Config: String
        let RepoTags: [String]
        let Layers: [String]
    }

    private var items: [DockerItem] = []
    private var repositories: [String: [String: String]] = [:]
    private var manifests: [Descriptor] = []

    /// - Parameters:
    ///   - image: the image for readers who know of one only.
    ///   - references: its names.
    ///   - top: the manifest or index that the names stand for.
    mutating func add(_ image: ImageRecord, _ references: [ImageReference], _ top: Descriptor) {
        let diffIDs = image.configuration.rootFileSystem.diffIDs
        items.append(
            DockerItem(
                Config: ImageArchiver.path(image.id),
                RepoTags: references.map(\.familiar),
                Layers: diffIDs.map(ImageArchiver.path)
            )
        )
        var descriptor = top
        if references.isEmpty { manifests.append(descriptor) }
        for reference in references {
            let tag = reference.tag ?? ImageReference.defaultTag
            if let last = diffIDs.last { repositories[reference.familiarRepository, default: [:]][tag] = last.hex }
            descriptor.annotations = [
                "io.containerd.image.name": reference.description, "org.opencontainers.image.ref.name": tag,
            ]
            manifests.append(descriptor)
        }
    }

    func encoded() throws -> [(path: String, bytes: [UInt8])] {
        var documents = [
            ("index.json", try StrictJSON.encode(Index(mediaType: .ociIndex, manifests: manifests))),
            ("manifest.json", try StrictJSON.encode(items)),
            ("oci-layout", "{\"imageLayoutVersion\":\"1.0.0\"}"),
        ]
        if !repositories.isEmpty { documents.append(("repositories", try StrictJSON.encode(repositories))) }
        return documents
    }
}
