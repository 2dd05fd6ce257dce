import Archive
import Attestations
import BuildGraph
import Images
import LinuxSystem
import OCI
import Snapshots
import Storage
import Tasks

/// One image with all that makes it up outside of the store.
struct PackedImage: Sendable {
    let platform: Platform
    let layers: [SnapshotStore.ConvertedLayer]
    let diffIDs: [Digest]
    let configuration: ImageDocuments.Document
    let manifest: ImageDocuments.Document
    /// RFC 3339.
    let created: String?

    var layerIDs: [LayerID] { layers.map(\.layer) }

    var newImage: NewImage {
        var image = NewImage(configuration: configuration.bytes, layers: layerIDs)
        image.manifest = ManifestOrigin(
            digest: manifest.descriptor.digest,
            mediaType: manifest.descriptor.mediaType
        )
        return image
    }

    func member(_ image: NewImage) -> NewImageIndex.Member {
        var member = NewImageIndex.Member(image: image, manifest: manifest.bytes, platform: platform)
        member.mediaType = manifest.descriptor.mediaType
        member.annotations = manifest.descriptor.annotations
        return member
    }
}

/// The image of a result with the documents and blobs that it leaves the store with.
struct PackedImages: Sendable {
    /// One for each platform, in the order of the request.
    let images: [PackedImage]
    /// What is said of them.
    var attestations: [PackedAttestations] = []
    let index: ImageDocuments.Document?
    /// The index, or the manifest of the only image.
    let top: ImageDocuments.Document

    var documents: [ImageDocuments.Document] {
        images.flatMap { [$0.configuration, $0.manifest] } + attestations.flatMap(\.documents)
            + (index.map { [$0] } ?? [])
    }

    var exported: ExportedImage { exported(createdAnnotation: false) }

    /// What the build gave.
    /// - Parameter createdAnnotation: whether the descriptor says when the image was made, as in layouts.
    /// - Returns: the image, without names.
    func exported(createdAnnotation: Bool) -> ExportedImage {
        let configuration = index == nil ? images.first?.configuration.descriptor.digest : nil
        var descriptor = top.descriptor
        if createdAnnotation, let created = images.first?.created {
            descriptor.annotations = ["org.opencontainers.image.created": created]
                .merging(descriptor.annotations ?? [:]) { $1 }
        }
        return ExportedImage(
            id: configuration ?? top.descriptor.digest,
            configuration: configuration,
            descriptor: descriptor
        )
    }

    var upload: ImageUpload {
        ImageUpload(
            images: images.map { image in
                ImageUpload.Image(
                    configuration: image.configuration.bytes,
                    layers: zip(image.layers, image.diffIDs).map { ImageUpload.Layer(blob: $0.blob, diffID: $1) },
                    manifest: image.manifest.bytes,
                    mediaType: image.manifest.descriptor.mediaType
                )
            } + attestations.map(\.upload),
            index: index.map { ImageUpload.Index(bytes: $0.bytes, mediaType: $0.descriptor.mediaType) }
        )
    }
}

/// The image of a result as the store keeps it: without blobs of its own.
struct PlainImage: Sendable {
    enum Content: Sendable {
        case image(NewImage)
        case index(NewImageIndex)
    }

    /// Of the configuration, or of the index.
    let id: Digest
    let content: Content
    let index: Descriptor?

    var exported: ExportedImage {
        ExportedImage(id: id, configuration: index == nil ? id : nil, descriptor: index)
    }
}

extension Exporter {
    /// Makes the image of a result as the store keeps it.
    func plainImage(_ step: OperationContext) async throws -> PlainImage {
        let made = try await step.withStatus("exporting layers") { _ in
            var made: [(image: NewImage, platform: Platform)] = []
            for image in results {
                let configuration = try await configuration(of: image, image.tree.layers, epoch: image.time)
                let bytes = try image.encode(configuration)
                made.append((NewImage(configuration: bytes, layers: image.tree.layers), image.platform))
            }
            return made
        }
        guard outcome.isMultiPlatform else {
            let image = made[0].image
            return PlainImage(id: .sha256(of: image.configuration), content: .image(image), index: nil)
        }
        let new = try await snapshots.snapshots.index(of: made, in: snapshots.lease)
        let (index, bytes) = try new.encoded()
        let descriptor = Descriptor(mediaType: .ociIndex, digest: index.id, size: Int64(bytes.count))
        return PlainImage(id: index.id, content: .index(new), index: descriptor)
    }

    /// Makes the image of a result with all that it leaves the store with.
    /// - Parameters:
    ///   - options: how it is exported.
    ///   - names: what it is called.
    ///   - takesInline: whether what is meant for images alone goes in, where the options say nothing of it.
    ///   - step: shows what happens.
    /// - Returns: the image; an index also of a single platform where something is said of it.
    /// - Throws: `ExportError`, and what making the layers throws.
    func pack(
        _ options: ImageOptions,
        _ names: [ImageReference],
        takesInline: Bool,
        _ step: OperationContext
    ) async throws -> PackedImages {
        let documents = ImageDocuments(annotations: options.annotations, docker: options.isDocker)
        var packed: [PackedImage] = []
        for image in results.map({ $0.configured(options) }) {
            let epoch = image.epoch(options.epoch)
            let latest = options.rewritesTimes ? epoch : nil
            let status = latest.map { "rewriting layers with source-date-epoch \($0.seconds) (\($0.rfc3339))" }
            let layers = try await step.withStatus(status ?? "exporting layers") { _ in
                try await convertedLayers(of: image, options, notAfter: latest)
            }
            let made = try await configuration(of: image, layers.map(\.layer), epoch: epoch)
            let bytes = try image.encode(made)
            let configuration = documents.configuration(bytes)
            let manifest = try documents.manifest(
                configuration,
                layers: layers.map(\.blob),
                platform: image.platform
            )
            await step.withStatus("exporting manifest \(manifest.descriptor.digest)") { _ in }
            await step.withStatus("exporting config \(configuration.descriptor.digest)") { _ in }
            packed.append(
                PackedImage(
                    platform: image.platform,
                    layers: layers,
                    diffIDs: made.rootFileSystem.diffIDs,
                    configuration: configuration,
                    manifest: manifest,
                    created: made.created
                )
            )
        }
        let attestations = try await attestations(of: packed, options, names, takesInline: takesInline, step)
        let isIndex = outcome.isMultiPlatform || !attestations.isEmpty
        let platforms = results.map(\.platform)
        try options.annotations.check(platforms: platforms, isIndex: isIndex, docker: options.isDocker)
        guard isIndex else {
            return PackedImages(images: packed, index: nil, top: packed[0].manifest)
        }
        let index = try documents.index(packed.map(\.manifest) + attestations.map(\.manifest))
        await step.withStatus("exporting manifest list \(index.descriptor.digest)") { _ in }
        return PackedImages(images: packed, attestations: attestations, index: index, top: index)
    }

    /// What is said of images, as documents; of images of which nothing is said there are none.
    private func attestations(
        of packed: [PackedImage],
        _ options: ImageOptions,
        _ names: [ImageReference],
        takesInline: Bool,
        _ step: OperationContext
    ) async throws -> [PackedAttestations] {
        let documents = ImageDocuments(annotations: [], docker: false)
        let takesInline = options.takesInlineAttestations ?? takesInline
        var all: [PackedAttestations] = []
        for (image, made) in zip(results, packed) {
            let layers = ExportedLayers(
                blobs: Dictionary(zip(image.tree.layers, made.layers.map(\.blob))) { first, _ in first }
            )
            var said: [SingleAttestation] = []
            for attestation in try await self.attestations(of: image, withInline: takesInline, layers) {
                said.append(try await supplemented(attestation, of: image, made.layers.map(\.blob)))
            }
            if said.isEmpty { continue }
            if options.isDocker { throw ExportError.dockerAttestations }
            let manifest = made.manifest.descriptor
            let subjects = names.map { name in
                let address = PackageAddress(name.withDefaultTag, platform: made.platform)
                return Statement.Subject(name: "\(address)", digests: [manifest.digest])
            }
            let packed = try documents.attestations(
                said.map { $0.statement(of: subjects) },
                of: manifest,
                isArtifact: options.usesOCIArtifact ?? true
            )
            await step.withStatus("exporting attestation manifest \(packed.manifest.descriptor.digest)") { _ in }
            for document in packed.documents { _ = try await store.blobs.put(document.bytes, in: snapshots.lease) }
            all.append(packed)
        }
        return all
    }

    /// The layers of an image in the form that is asked for, two at a time: each is compressed by several threads.
    private func convertedLayers(
        of image: BuiltImage,
        _ options: ImageOptions,
        notAfter latest: FileTime?
    ) async throws -> [SnapshotStore.ConvertedLayer] {
        let layers = image.tree.layers
        let kept = latest == nil ? 0 : try await layersOfBase(image)
        let compression = options.compression ?? .gzip
        return try await Array(layers.enumerated()).mapConcurrently(limit: 2) { [snapshots] index, layer in
            // What the base image has stays as it is, so that it is shared.
            let latest = index < kept ? nil : latest
            var made = try await snapshots.converted(
                layer,
                compression,
                forced: options.forcesCompression,
                docker: options.isDocker,
                notAfter: latest
            )
            if options.prefersForeignLayers { made.makeForeign() }
            // As BuildKit tells of it.
            if let latest { made.annotate("buildkit/rewritten-timestamp", "\(latest.seconds)") }
            return made
        }
    }

    /// How many of an image's layers are its base's.
    private func layersOfBase(_ image: BuiltImage) async throws -> Int {
        var count = 0
        let base = image.base?.rootFileSystem.diffIDs ?? []
        for (layer, diffID) in zip(image.tree.layers, base) {
            guard try await snapshots.snapshots.diffID(of: layer) == diffID else { break }
            count += 1
        }
        return count
    }

    /// The configuration of an image with its layers and times.
    /// - Parameters:
    ///   - image: what was built.
    ///   - layers: its layers in the form that they are exported in.
    ///   - epoch: the time that nothing of its own is later than.
    /// - Returns: the finished configuration.
    /// - Throws: `SnapshotError`, `StorageError`.
    private func configuration(
        of image: BuiltImage,
        _ layers: [LayerID],
        epoch: FileTime?
    ) async throws -> ImageConfiguration {
        // Several layers at once: each is read as one stream where its digest is not known.
        let known = try await withThrowingTaskGroup(of: (index: Int, layer: ImageAssembly.Layer).self) { group in
            for (index, (layer, original)) in zip(layers, image.tree.layers).enumerated() {
                group.addTask { [snapshots] in
                    let diffID = try await snapshots.snapshots.diffID(of: layer)
                    let created = try await snapshots.info(of: original).created
                    return (index, ImageAssembly.Layer(diffID: diffID, created: created.rfc3339))
                }
            }
            return try await group.reduce(into: []) { $0.append($1) }
        }
        let base = image.base
        var finished = ImageAssembly.finish(
            image.time.map { image.configuration.made(at: $0, on: base) } ?? image.configuration,
            layers: known.sorted { $0.index < $1.index }.map(\.layer),
            now: FileTime(nanosecondsSinceEpoch: now.nanoseconds).rfc3339
        )
        if let time = image.time { finished.created = time.rfc3339 }
        return epoch.map { finished.clamped(to: $0, on: base) } ?? finished
    }
}
