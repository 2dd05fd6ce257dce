internal import Archive
package import LinuxSystem
package import OCI
internal import Storage

/// Moves images between the store and archives: `save`, `load` and `import`.
package struct ImageArchiver: Sendable {
    package let images: ImageStore
    let layers: any ImageLayers
    private let limits = ArchiveLimits()

    package init(images: ImageStore, layers: any ImageLayers) {
        self.images = images
        self.layers = layers
    }

    // MARK: Loading

    /// Takes the images of an archive into the store: of `docker save` or an OCI layout, with any compression.
    ///
    /// The input is read once, as a stream, and to its end. Every digest is computed here; what an archive says of its content must be
    /// true. Names come from docker's `manifest.json`, in a layout only from full names (`io.containerd.image.name`).
    /// - Parameters:
    ///   - input: the archive, from where it stands.
    ///   - platforms: take only the images for these; none means all that the archive holds.
    /// - Returns: the images in the archive's order.
    /// - Throws: `ImageError.invalidArchive`, `ArchiveError`, `OCIError`, `StorageError`; nothing of the archive is kept then.
    package func load(_ input: OpenFile, platforms: [Platform] = []) async throws -> [LoadedImage] {
        let store = images.store
        do {
            return try await store.withLease { lease in
                let intake = LayerIntake(blobs: store.blobs, lease: lease, limits: limits)
                let members = try await onCancellablePool { isCancelled in
                    try ArchiveMembers(reading: FileSource(input), intake: intake, isCancelled: isCancelled)
                }
                let found = try await ArchivedImages(members: members, intake: intake, platforms: platforms).read()
                var loaded: [LoadedImage] = []
                for image in found { loaded.append(try await keep(image, lease)) }
                for image in loaded { await images.tell(.load, of: image.id.description) }
                return loaded
            }
        } catch {
            // What was taken in before the archive turned out to be no good.
            _ = try? await store.collectGarbage()
            throw error
        }
    }

    private func keep(_ entry: ArchivedEntry, _ lease: Lease) async throws -> LoadedImage {
        var before: [(name: ImageReference, id: Digest)] = []
        for name in entry.names { if let id = try await images.id(of: name) { before.append((name, id)) } }
        let id: Digest
        switch entry.content {
        case .image(let archived):
            var image = try await newImage(archived, lease)
            image.names = entry.names
            id = try await images.add(image)
        case .index(let archived, let annotations):
            var members: [(image: NewImage, platform: Platform)] = []
            for (image, platform) in archived { members.append((try await newImage(image, lease), platform)) }
            var index = try await layers.index(of: members, names: entry.names, in: lease)
            index.annotations = annotations
            id = try await images.add(index).id
        }
        let replaced = before.filter { $0.id != id }.map { LoadedImage.Replacement(name: $0.name, old: $0.id) }
        return LoadedImage(id: id, names: entry.names, replaced: replaced)
    }

    private func newImage(_ archived: ArchivedImage, _ lease: Lease) async throws -> NewImage {
        var image = NewImage(configuration: archived.configuration, layers: [])
        for layer in archived.layers {
            image.layers.append(
                try await layers.layer(diffID: layer.diffID, blob: layer.blob, isChecked: true, in: lease)
            )
        }
        if let manifest = archived.manifest {
            let digest = try await images.store.blobs.put(manifest.bytes, in: lease)
            image.manifest = ManifestOrigin(digest: digest, mediaType: manifest.mediaType)
        }
        return image
    }

    // MARK: Importing

    /// Makes an image of one layer from the archive of a file system.
    ///
    /// - Parameters:
    ///   - input: the archive, with any compression, from where it stands.
    ///   - name: a name for the image.
    ///   - defaults: what containers of the image start with (`--change`).
    ///   - message: the comment of its history.
    ///   - platform: what the files are for.
    ///   - created: the time of its creation.
    /// - Returns: the image's id.
    /// - Throws: `ArchiveError` for what is no archive, `StorageError`.
    package func importFileSystem(
        _ input: OpenFile,
        name: ImageReference?,
        defaults: ContainerDefaults = ContainerDefaults(),
        message: String = "",
        platform: Platform = .current,
        created: FileTime
    ) async throws -> Digest {
        let store = images.store
        do {
            return try await store.withLease { lease in
                let intake = LayerIntake(blobs: store.blobs, lease: lease, limits: limits)
                let layer = try await onCancellablePool { isCancelled in
                    try intake.take(CancellableSource(FileSource(input), isCancelled))
                }
                var configuration = ImageConfiguration(platform: platform)
                configuration.created = created.rfc3339
                configuration.config = defaults
                configuration.rootFileSystem.diffIDs = [layer.diffID]
                configuration.history = [
                    HistoryEntry(created: created.rfc3339, createdBy: nil, comment: message.isEmpty ? nil : message)
                ]
                let id = try await layers.layer(diffID: layer.diffID, blob: layer.blob, isChecked: true, in: lease)
                let image = NewImage(
                    configuration: try StrictJSON.encode(configuration),
                    layers: [id],
                    names: name.map { [$0] } ?? []
                )
                let added = try await images.add(image)
                await images.tell(.importing, of: added.description)
                return added
            }
        } catch {
            _ = try? await store.collectGarbage()
            throw error
        }
    }
}

/// An image that `load` took in, and what it prints of it.
package struct LoadedImage: Sendable, Hashable, CustomStringConvertible {
    /// A name that another image had until now.
    package struct Replacement: Sendable, Hashable {
        package let name: ImageReference
        package let old: Digest
    }

    package let id: Digest
    package let names: [ImageReference]
    package let replaced: [Replacement]

    /// Docker's lines: one for each name, or the id of an image without names.
    package var lines: [String] {
        let moved = replaced.map {
            "The image \($0.name.familiar) already exists, renaming the old one with ID \($0.old) to empty string"
        }
        return moved + (names.isEmpty ? ["Loaded image ID: \(id)"] : names.map { "Loaded image: \($0.familiar)" })
    }

    package var description: String { lines.joined(separator: "\n") }
}
