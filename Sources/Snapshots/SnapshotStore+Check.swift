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
    /// Layers of which not enough is known to compare them with: neither an archive that is here nor the sums of all files.
    package var unknown = 0
    package var damaged: [StoreProblem] = []

    /// The layers of `damaged`.
    package var layers: [LayerID] {
        damaged.compactMap { if case .layerDamaged(let layer, _, _, _, _) = $0 { layer } else { nil } }
    }
}

extension SnapshotStore {
    /// Compares the files of every unpacked layer with its archive: the one that they give, or else the one that they came from.
    ///
    /// Where there is none, with the sums of the files. The sums of what is sound are made again where they are not known.
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
            let read = await read(layer, isLayer: info.diffID != nil)
            switch try await state(of: layer, info, read) {
            case .sound:
                result.sound += 1
                try await onBlockingPool { try read.keep(for: layer, self) }
            case .unknown: result.unknown += 1
            case .damaged:
                let images = try await store.imageNames(with: layer)
                result.damaged.append(
                    .layerDamaged(
                        layer: layer,
                        expected: info.diffID,
                        actual: read.digest,
                        files: read.changed,
                        images: images
                    )
                )
            }
        }
        return result
    }

    private enum State { case sound, unknown, damaged }

    private func state(of layer: LayerID, _ info: LayerInfo, _ read: ReadLayer) async throws -> State {
        guard let diffID = info.diffID else {
            return read.isChanged ? .damaged : read.known?.isComplete == true ? .sound : .unknown
        }
        if read.digest == diffID { return .sound }
        if let blob = try await soundBlob(of: info) {
            // What is unpacked of a foreign archive gives an archive of our own: it is compared with the same of a fresh copy.
            return try await archive(ofUnpacked: blob, like: layer) == read.digest ? .sound : .damaged
        }
        guard info.archives.contains(where: { $0.recipe == nil }) else { return .damaged }
        return read.isChanged ? .damaged : read.known?.isComplete == true ? .sound : .unknown
    }

    /// What the files of a layer are.
    private struct ReadLayer: Sendable {
        /// Of the archive that they give; nil where they give none.
        var digest: Digest?
        var sums: FileSums?
        /// What was known of them.
        var known: FileSums?
        /// Those that are not what was known of them.
        var changed: [[UInt8]] = []
        /// Whether the names that were known are these.
        var hasKnownNames = true

        var isChanged: Bool { digest == nil || !changed.isEmpty || !hasKnownNames }

        @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
        func keep(for layer: LayerID, _ snapshots: SnapshotStore) throws {
            guard let sums, isChanged || known?.isComplete != true else { return }
            try snapshots.replaceSums(of: layer, by: sums)
        }
    }

    /// Reads all files of a layer.
    /// - Parameters:
    ///   - layer: the layer.
    ///   - isLayer: whether it was archived before; what a stage may have, an archive of a layer need not be able to say.
    /// - Returns: what they are now, and what was known of them.
    private func read(_ layer: LayerID, isLayer: Bool) async -> ReadLayer {
        await onBlockingPool {
            var read = ReadLayer()
            do {
                read.known = try self.sums(of: layer)
                let known = read.known
                var changed: [[UInt8]] = []
                var hasKnownNames = true
                let sums = FileSumRecorder()
                let sink = DigestingSink()
                var archive = LayerArchive(try self.layerFiles(of: layer))
                archive.isOutput = !isLayer
                archive.whenSummed = { path, sum in
                    sums.note(path, sum)
                    switch known?.answer(for: path) {
                    case .known(let other)?: if other != sum { changed.append(path) }
                    case .absent?: hasKnownNames = false
                    case .unknown?, nil: break
                    }
                }
                try archive.write(to: sink)
                (read.digest, read.sums, read.changed) = (sink.digest, sums.sums, changed)
                let count = read.sums?.count
                read.hasKnownNames = hasKnownNames && known.map { $0.count == count } ?? true
            } catch {
                // Files that cannot be read give no archive.
            }
            return read
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
