package import OCI
internal import Snapshots
internal import Storage
internal import Tasks

/// What a pull has brought.
package struct PulledImage: Sendable, Hashable {
    package let id: Digest
    /// What the tag leads to in the registry.
    package let digest: Digest
    package let reference: ImageReference
    /// Whether the name led to another image before, or to none.
    package let isNew: Bool
}

extension RemoteImages {
    /// Brings an image from its registry into the local store, unpacked, under its name.
    ///
    /// Layers are fetched, verified and unpacked in parallel; an interrupted download goes on where it stopped, at the next pull too.
    /// - Parameters:
    ///   - reference: the name; `latest` where it has no tag.
    ///   - platform: of a name that leads to images for several.
    ///   - events: is told what happens, line by line as docker prints it.
    /// - Returns: what came.
    /// - Throws: `RegistryError`, `RemoteImageError`, `StorageError`, `SnapshotError`.
    @discardableResult
    package func pull(
        _ reference: ImageReference,
        platform: Platform,
        events: @escaping TransferObserver = { _ in }
    ) async throws -> PulledImage {
        let name = reference.withDefaultTag
        return try await store.withLease { lease in
            let image = try await resolve(ImageLookup(name, platform: platform, policy: .always), in: lease)
            events(.line("\(name.tag ?? name.digest?.description ?? ""): Pulling from \(name.path)"))
            try await fetchLayers(of: image, snapshots.leased(by: lease), events)
            let digest = image.digest ?? image.id
            let before = try await images.id(of: name)
            var new = NewImage(configuration: image.configurationBytes, layers: image.layers)
            if name.digest == nil { new.names = [name] }
            new.repositoryDigests = [name.replacing(digest: digest)]
            new.manifest = image.manifest
            try await images.add(new)
            let isNew = before != image.id
            events(.line("Digest: \(digest)"))
            events(
                .line("Status: \(isNew ? "Downloaded newer image for" : "Image is up to date for") \(name.familiar)")
            )
            await images.tell(.pull, of: name.familiar, name: name.familiarRepository)
            return PulledImage(id: image.id, digest: digest, reference: name, isNew: isNew)
        }
    }

    private func fetchLayers(
        of image: ResolvedImage,
        _ snapshots: LeasedSnapshots,
        _ events: @escaping TransferObserver
    ) async throws {
        var pending: [(blob: Descriptor, layer: LayerID)] = []
        var seen: Set<LayerID> = []
        for (blob, layer) in zip(image.blobs, image.layers) where seen.insert(layer).inserted {
            if try await snapshots.info(of: layer).isUnpacked {
                events(.layer(blob.digest, .alreadyExists))
            } else {
                events(.layer(blob.digest, .pullingLayer))
                pending.append((blob, layer))
            }
        }
        try await pending.forEachConcurrently(limit: Self.parallelTransfers) { item in
            try await self.bring(item.blob, item.layer, snapshots, events)
        }
    }

    private func bring(
        _ blob: Descriptor,
        _ layer: LayerID,
        _ snapshots: LeasedSnapshots,
        _ events: @escaping TransferObserver
    ) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                try await self.blobs.fetch(blob, in: snapshots.lease) { received in
                    events(.layer(blob.digest, .downloading(received, of: blob.size)))
                }
                events(.layer(blob.digest, .downloadComplete))
                events(.layer(blob.digest, .extracting))
            }
            // It joins the download, and unpacks what has come of it.
            group.addTask { try await snapshots.unpack([layer]) }
            try await group.waitForAll()
        }
        events(.layer(blob.digest, .pullComplete))
    }
}
