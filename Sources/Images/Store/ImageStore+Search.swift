package import OCI
package import Snapshots
internal import Storage
internal import Text

/// What a search of the blobs for images has found.
package struct ImageSearchResult: Sendable, Hashable {
    /// Images that are whole; their names were known to the database alone.
    package fileprivate(set) var found: [Digest] = []
    /// What is there of images that are not, each as a sentence.
    package fileprivate(set) var losses: [String] = []
}

extension ImageStore {
    /// Looks through the blobs for images that are whole, and keeps them without names: for a store that has lost its
    /// database and its records.
    ///
    /// The layers of an image that was pulled are blobs, which its manifest names. Those of one that was built here are files that were set
    /// aside as unknown: which is which is told by the archives that they give.
    package func searchBlobs(_ snapshots: SnapshotStore) async throws -> ImageSearchResult {
        var result = ImageSearchResult()
        var configurations: [Digest: ImageConfiguration] = [:]
        var manifests: [(origin: ManifestOrigin, content: Manifest)] = []
        for digest in try await store.blobs.digests(smallerThan: StrictJSON.maximumSize) {
            guard let bytes = try? await store.blobs.read(digest), bytes.first == "{" else { continue }
            if let configuration = try? ImageConfiguration(parsing: bytes) {
                configurations[digest] = configuration
            } else if let type = try? ImageSearch.statedType(of: bytes), type.isManifest,
                let manifest = try? Manifest(parsing: bytes, declaredAs: type)
            {
                manifests.append((ManifestOrigin(digest: digest, mediaType: type), manifest))
            }
        }
        for (origin, manifest) in manifests {
            let id = manifest.config.digest
            guard let configuration = configurations[id], !result.found.contains(id) else { continue }
            if try await keep(id, configuration, manifest, origin, snapshots) { result.found.append(id) }
        }
        try await findBuilt(configurations, manifests.map(\.content), snapshots, &result)
        for id in configurations.keys.sorted(by: { $0.hex < $1.hex }) where !result.found.contains(id) {
            let count = configurations[id]?.rootFileSystem.diffIDs.count ?? 0
            result.losses.append("image \(id): its configuration is here, but not all of its \(count) layers")
        }
        return result
    }

    /// Finds images whose layers are files or, those that they were built on, blobs of other images.
    private func findBuilt(
        _ configurations: [Digest: ImageConfiguration],
        _ manifests: [Manifest],
        _ snapshots: SnapshotStore,
        _ result: inout ImageSearchResult
    ) async throws {
        let missing = configurations.filter { !result.found.contains($0.key) }
        if missing.isEmpty { return }
        var blobs: [Digest: Descriptor] = [:]
        for manifest in manifests {
            let diffIDs = configurations[manifest.config.digest]?.rootFileSystem.diffIDs ?? []
            guard diffIDs.count == manifest.layers.count else { continue }
            let present = try await store.blobs.present(among: Set(manifest.layers.map(\.digest)))
            for (diffID, blob) in zip(diffIDs, manifest.layers) where present.contains(blob.digest) {
                blobs[diffID] = blob
            }
        }
        // A layer that was imported without compression is a blob of its diff id.
        let wanted = Set(missing.values.flatMap(\.rootFileSystem.diffIDs))
        for diffID in try await store.blobs.present(among: wanted.subtracting(blobs.keys)) {
            guard let size = try await store.blobs.size(of: diffID) else { continue }
            blobs[diffID] = Descriptor(mediaType: .ociLayer, digest: diffID, size: size)
        }
        let known = blobs
        try await store.withLease { lease in
            let files = try await snapshots.findLayers(wanted.subtracting(known.keys), in: lease)
            for (id, configuration) in missing.sorted(by: { $0.key.hex < $1.key.hex }) {
                let diffIDs = configuration.rootFileSystem.diffIDs
                guard diffIDs.allSatisfy({ files[$0] != nil || known[$0] != nil }) else { continue }
                var layers: [LayerID] = []
                for diffID in diffIDs {
                    if let layer = files[diffID] {
                        layers.append(layer)
                    } else if let blob = known[diffID] {
                        let layer = try await snapshots.layer(diffID: diffID, blob: blob, isChecked: false, in: lease)
                        layers.append(layer)
                    }
                }
                try await add(NewImage(configuration: try await store.blobs.read(id), layers: layers))
                result.found.append(id)
            }
        }
    }

    /// - Returns: whether all that the image is made of is there.
    private func keep(
        _ id: Digest,
        _ configuration: ImageConfiguration,
        _ manifest: Manifest,
        _ origin: ManifestOrigin,
        _ snapshots: SnapshotStore
    ) async throws -> Bool {
        let diffIDs = configuration.rootFileSystem.diffIDs
        let blobs = Set(manifest.layers.map(\.digest))
        guard diffIDs.count == manifest.layers.count, try await store.blobs.present(among: blobs) == blobs else {
            return false
        }
        let bytes = try await store.blobs.read(id)
        try await store.withLease { lease in
            var layers: [LayerID] = []
            for (diffID, blob) in zip(diffIDs, manifest.layers) {
                layers.append(try await snapshots.layer(diffID: diffID, blob: blob, isChecked: false, in: lease))
            }
            var image = NewImage(configuration: bytes, layers: layers)
            image.manifest = origin
            try await add(image)
        }
        return true
    }
}
