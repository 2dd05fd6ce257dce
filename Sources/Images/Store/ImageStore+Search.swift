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
    /// An image is whole where its manifest, its configuration and its layers are blobs, as those of a pull are. Images
    /// that were built here have layers that are files in `snapshots/`, and nothing outside the database says which.
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
        for id in configurations.keys.sorted(by: { $0.hex < $1.hex }) where !result.found.contains(id) {
            let count = configurations[id]?.rootFileSystem.diffIDs.count ?? 0
            result.losses.append("image \(id): its configuration is here, but not all of its \(count) layers")
        }
        return result
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
