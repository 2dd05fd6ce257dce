import Archive
import BuildGraph
import ClientServices
import Images
import LinuxSystem
import OCI
import Snapshots
import Storage
import SystemPackage

extension Exporter {
    /// Keeps the image of a result in the store, puts it into registries, or both.
    func exportImage(_ options: ImageOptions, _ step: OperationContext) async throws -> ExportedImage {
        var names = try names(for: options)
        let takesInline = options.takesInlineAttestations ?? true
        let isPlain =
            options.isPlain
            && results.allSatisfy { image in
                image.attestations.allSatisfy { $0.isInlineOnly && !takesInline }
            }
        if isPlain { return try await exportPlainImage(options, names, step) }
        let packed = try await pack(options, names, takesInline: takesInline, step)
        let digest = packed.top.descriptor.digest
        if let prefix = options.danglingPrefix, names.isEmpty || !options.danglesOnlyWithoutName {
            names.append(try ImageReference(parsing: "\(prefix)@\(digest)"))
        }
        var exported = packed.exported
        exported.names = options.isPushedByDigest ? names : names.map(\.withDefaultTag)
        if options.isStored {
            for image in packed.images { try await snapshots.fetchRemoteLayers(among: image.layerIDs) }
            try await keep(packed, ImageNaming(names, options, digest), step)
            if options.unpacks == true { try await unpack(packed.images.map(\.layerIDs), exported, step) }
        }
        if options.isPushed {
            for name in exported.names { try await push(packed, as: name, options, step) }
        }
        return exported
    }

    private func exportPlainImage(
        _ options: ImageOptions,
        _ names: [ImageReference],
        _ step: OperationContext
    ) async throws -> ExportedImage {
        let plain = try await plainImage(step)
        var exported = plain.exported
        exported.names = names.map(\.withDefaultTag)
        guard options.isStored else { return exported }
        // Later users of the image may lack the cache that its layers were found in.
        for image in results { try await snapshots.fetchRemoteLayers(among: image.tree.layers) }
        try await keep(plain, ImageNaming(tags: exported.names), step)
        if options.unpacks == true { try await unpack(results.map(\.tree.layers), exported, step) }
        return exported
    }

    /// Writes the image of a result as an OCI layout.
    func exportLayout(
        to destination: LayoutDestination,
        _ kind: LayoutKind,
        _ options: ImageOptions,
        _ step: OperationContext
    ) async throws -> ExportedImage {
        if kind == .docker, outcome.isMultiPlatform { throw ExportError.dockerArchiveOfSeveral }
        let names = try names(for: options).map(\.withDefaultTag)
        let packed = try await pack(options, names, takesInline: false, step)
        var exported = packed.exported(createdAnnotation: true)
        exported.names = names
        let blobs = packed.images.flatMap(\.layers).map(\.blob)
        for blob in blobs { try await snapshots.fetch(blob) }
        var docker: ExportedLayout.DockerImage?
        if kind == .docker, let image = packed.images.first {
            docker = ExportedLayout.DockerImage(
                configuration: image.configuration.descriptor.digest,
                layers: image.layers.map(\.blob.digest)
            )
        }
        let layout = ExportedLayout(
            top: exported.descriptor ?? packed.top.descriptor,
            documents: packed.documents,
            layers: blobs,
            names: names,
            docker: docker
        )
        switch destination {
        case .archive(let destination): try await send(layout, of: exported, to: destination, step)
        case .directory(let path): try await write(layout, to: path, step)
        case .content(let content):
            for blob in blobs { try await content.put(blob, from: store.blobs) }
            // What names others comes after them: the index is last.
            for document in packed.documents {
                try await content.put(document.bytes, as: document.descriptor.digest)
            }
        }
        return exported
    }

    private func send(
        _ layout: ExportedLayout,
        of image: ExportedImage,
        to destination: ExportDestination,
        _ step: OperationContext
    ) async throws {
        try await step.withStatus("sending tarball") { [store] _ in
            try await write(to: destination, of: image) { file in
                try await onCancellablePool { isCancelled in
                    try layout.write(
                        to: FileSink(file),
                        open: { try store.blobs.open($0) },
                        isCancelled: isCancelled
                    )
                }
            }
        }
    }

    private func write(_ layout: ExportedLayout, to path: FilePath, _ step: OperationContext) async throws {
        try await step.withStatus("writing image layout") { [store] _ in
            do {
                try await onCancellablePool { isCancelled in
                    try layout.write(
                        toDirectory: path,
                        open: { try store.blobs.open($0) },
                        isCancelled: isCancelled
                    )
                }
            } catch let error as SystemCallError {
                throw ExportError.refused(path, reason: SystemCallError.text(of: error.errno), error)
            }
        }
    }

    // MARK: Keeping

    private func keep(_ plain: PlainImage, _ naming: ImageNaming, _ step: OperationContext) async throws {
        switch plain.content {
        case .image(var image):
            image.names = naming.tags
            try await step.withStatus("writing image \(plain.id)") { [image] _ in _ = try await images.add(image) }
        case .index(var index):
            index.names = naming.tags
            for member in index.members {
                await step.withStatus("exporting manifest \(Digest.sha256(of: member.manifest))") { _ in }
                await step.withStatus("exporting config \(Digest.sha256(of: member.image.configuration))") { _ in }
            }
            try await step.withStatus("exporting manifest list \(plain.id)") { [index] _ in
                _ = try await images.add(index)
            }
        }
        for name in naming.tags { await step.withStatus("naming to \(name)") { _ in } }
    }

    private func keep(_ packed: PackedImages, _ naming: ImageNaming, _ step: OperationContext) async throws {
        var made: [NewImage] = []
        for image in packed.images {
            // A document is there before what names it.
            _ = try await store.blobs.put(image.manifest.bytes, in: snapshots.lease)
            made.append(image.newImage)
        }
        let id: Digest
        if let index = packed.index {
            var new = NewImageIndex(members: zip(made, packed.images).map { $1.member($0) }, names: naming.tags)
            let parsed = try Index(parsing: index.bytes, declaredAs: index.descriptor.mediaType)
            new.annotations = parsed.annotations
            new.attestations = packed.attestations.map { said in
                NewImageIndex.Attestation(
                    manifest: said.manifest.descriptor,
                    blobs: said.documents.map(\.descriptor.digest)
                )
            }
            new.mediaType = index.descriptor.mediaType
            id = try await images.add(new).id
        } else {
            made[0].names = naming.tags
            id = try await images.add(made[0])
        }
        if !naming.digests.isEmpty { try await images.addRepositoryDigests(naming.digests, to: id) }
        for name in naming.tags + naming.digests { await step.withStatus("naming to \(name)") { _ in } }
    }

    /// Unpacks the layers of the image for this machine, where there is one.
    private func unpack(
        _ layers: [[LayerID]],
        _ image: ExportedImage,
        _ step: OperationContext
    ) async throws {
        let name = image.names.first.map { "\($0)" } ?? "\(image.id)"
        try await step.withStatus("unpacking to \(name)") { _ in
            for layers in layers { try await snapshots.unpack(layers) }
        }
    }

    // MARK: Pushing

    private func push(
        _ packed: PackedImages,
        as name: ImageReference,
        _ options: ImageOptions,
        _ step: OperationContext
    ) async throws {
        let target = remote.uploadTarget(
            for: name,
            in: snapshots.lease,
            isInsecure: options.allowsInsecureRegistry
        )
        try await step.withStatus("pushing layers") { _ in
            try await remote.sendBlobs(of: packed.upload, to: target) { event in
                guard case .layer(let digest, .pushing(let sent, let total)) = event else { return }
                step.report("pushing layer \(digest.short)", current: sent, total: total)
            }
        }
        let digest = name.tag == nil ? "" : "@\(packed.top.descriptor.digest)"
        let pushed = try await step.withStatus("pushing manifest for \(name)\(digest)") { _ in
            try await remote.sendManifests(of: packed.upload, as: name, to: target)
        }
        guard options.isStored else { return }
        try await images.addRepositoryDigests([name.replacing(digest: pushed.digest)], to: packed.exported.id)
    }
}

/// What an image is called in the store.
private struct ImageNaming {
    var tags: [ImageReference]
    /// Names by digest.
    var digests: [ImageReference] = []

    init(tags: [ImageReference]) { self.tags = tags }

    /// - Parameters:
    ///   - names: as they are asked for; one with a digest is no tag.
    ///   - options: whether there are names by digest besides.
    ///   - digest: of the manifest or index.
    init(_ names: [ImageReference], _ options: ImageOptions, _ digest: Digest) {
        digests = names.filter { $0.digest != nil }
        let others = names.filter { $0.digest == nil }
        tags = options.isPushedByDigest ? [] : others.map(\.withDefaultTag)
        if options.namesByDigest { digests += others.map { $0.replacing(digest: digest) } }
    }
}
