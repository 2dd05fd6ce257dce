import Archive
import GRDB
import LinuxSystem
import OCI
package import Storage
import SystemPackage

/// What a comparison of unpacked layers with their archives found.
package struct LayerCheck: Sendable {
    /// Layers that are as they were.
    package var sound = 0
    /// Layers of which nothing is known to compare them with: no archive was ever made of them, or it is not here.
    package var unknown = 0
    package var damaged: [StoreProblem] = []

    /// The layers of `damaged`.
    package var layers: [LayerID] {
        damaged.compactMap { if case .layerDamaged(let layer, _, _, _) = $0 { layer } else { nil } }
    }
}

extension SnapshotStore {
    /// Compares the files of every unpacked layer with its archive: the one that they give, or else the one that they came from.
    package func checkFiles() async throws -> LayerCheck {
        let layers = try await store.database.read { db in
            try LayerID.fetchAll(db, sql: "SELECT id FROM layers WHERE unpacked ORDER BY id")
        }
        var result = LayerCheck()
        for layer in layers {
            // One that has been removed since, or whose files are missing altogether, is for the check of the database.
            guard let info = try? await info(of: layer), info.isUnpacked,
                try await onBlockingPool({ try HostFiles.status(of: self.store.layout.snapshot(layer)) }) != nil
            else { continue }
            guard let diffID = info.diffID else {
                result.unknown += 1
                continue
            }
            let actual = await archive(of: layer)
            if actual == diffID {
                result.sound += 1
            } else if let blob = try await soundBlob(of: info) {
                // What is unpacked of a foreign archive gives an archive of our own: it is compared with the same of a fresh copy.
                let fresh = try await archive(ofUnpacked: blob, like: layer)
                if actual == fresh { result.sound += 1 } else { try await result.add(layer, diffID, actual, self) }
            } else if info.archives.contains(where: { $0.recipe == nil }) {
                result.unknown += 1
            } else {
                try await result.add(layer, diffID, actual, self)
            }
        }
        return result
    }

    /// The digest of the archive that a layer's files give; nil where they give none.
    private func archive(of layer: LayerID) async -> Digest? {
        try? await onBlockingPool {
            let sink = DigestingSink()
            try LayerArchive(self.layerFiles(of: layer)).write(to: sink)
            return sink.digest
        }
    }

    private func archive(ofUnpacked blob: Digest, like layer: LayerID) async throws -> Digest {
        try await onCancellablePool { isCancelled in
            let scratch = try self.store.temporaryDirectory()
            defer { try? removeTree(scratch) }
            // An archive may have marks, whatever form the files of the layer have.
            let own = (try? self.layerFiles(of: layer).form) ?? self.overlayForm
            let form: LayerForm = self.level.mounts && own != .plain ? own : .marked
            let files = scratch.appending(form.rawValue)
            try HostFiles.createNewDirectory(files)
            _ = try self.extract(blob, to: files, form, isCancelled: isCancelled)
            let sink = DigestingSink()
            try LayerArchive(LayerFiles(root: try RootedDirectory(files), form: form)).write(to: sink)
            return sink.digest
        }
    }

    /// A blob of the layer that is here and is what its digest says.
    private func soundBlob(of info: LayerInfo) async throws -> Digest? {
        for blob in info.blobs where try await store.blobs.contains(blob.digest) {
            if (try? await store.blobs.verify(blob.digest)) != nil { return blob.digest }
        }
        return nil
    }
}

extension LayerCheck {
    fileprivate mutating func add(
        _ layer: LayerID,
        _ expected: Digest,
        _ actual: Digest?,
        _ snapshots: SnapshotStore
    ) async throws {
        let images = try await snapshots.store.imageNames(with: layer)
        damaged.append(.layerDamaged(layer: layer, expected: expected, actual: actual, images: images))
    }
}
