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
    ///   - platform: take only the image for this platform.
    /// - Returns: the images in the archive's order.
    /// - Throws: `ImageError.invalidArchive`, `ArchiveError`, `OCIError`, `StorageError`; nothing of the archive is kept then.
    package func load(_ input: OpenFile, platform: Platform? = nil) async throws -> [LoadedImage] {
        let store = images.store
        do {
            return try await store.withLease { lease in
                let intake = LayerIntake(blobs: store.blobs, lease: lease, limits: limits)
                let members = try await onCancellablePool { cancellation in
                    try ArchiveMembers(reading: FileSource(input), intake: intake, cancellation: cancellation)
                }
                let found = try await ArchivedImages(members: members, intake: intake, platform: platform).read()
                var loaded: [LoadedImage] = []
                for image in found { loaded.append(try await keep(image)) }
                return loaded
            }
        } catch {
            // What was taken in before the archive turned out to be no good.
            _ = try? await store.collectGarbage()
            throw error
        }
    }

    private func keep(_ archived: ArchivedImage) async throws -> LoadedImage {
        var image = NewImage(configuration: archived.configuration, layers: [], names: archived.names)
        for layer in archived.layers {
            image.layers.append(try await layers.layer(diffID: layer.diffID, blob: layer.blob))
        }
        if let manifest = archived.manifest {
            let digest = try await images.store.blobs.put(manifest.bytes)
            image.manifest = ManifestOrigin(digest: digest, mediaType: manifest.mediaType)
        }
        let id = Digest.sha256(of: archived.configuration)
        var replaced: [LoadedImage.Replacement] = []
        for name in archived.names {
            if let old = try await images.id(of: name), old != id { replaced.append(.init(name: name, old: old)) }
        }
        return LoadedImage(id: try await images.add(image), names: archived.names, replaced: replaced)
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
                let layer = try await onCancellablePool { cancellation in
                    try intake.take(CancellableSource(FileSource(input), cancellation))
                }
                var configuration = ImageConfiguration(platform: platform)
                configuration.created = created.rfc3339
                configuration.config = defaults
                configuration.rootFileSystem.diffIDs = [layer.diffID]
                configuration.history = [
                    HistoryEntry(created: created.rfc3339, createdBy: nil, comment: message.isEmpty ? nil : message)
                ]
                let id = try await layers.layer(diffID: layer.diffID, blob: layer.blob)
                let image = NewImage(
                    configuration: try StrictJSON.encode(configuration),
                    layers: [id],
                    names: name.map { [$0] } ?? []
                )
                return try await images.add(image)
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

/// Runs blocking work that can be told when its task is cancelled.
func onCancellablePool<Value: Sendable>(
    _ body: @escaping @Sendable (CancellationFlag) throws -> Value
) async throws -> Value {
    let flag = CancellationFlag()
    return try await withTaskCancellationHandler {
        try await onBlockingPool { try body(flag) }
    } onCancel: {
        flag.cancel()
    }
}
