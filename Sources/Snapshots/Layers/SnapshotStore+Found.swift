import Archive
import GRDB
import LinuxSystem
package import OCI
package import Storage
import SystemPackage

extension SnapshotStore {
    /// Finds layers among what was set aside as unknown: those whose files give one of these archives.
    ///
    /// For a store that has lost all that says which directory is which layer. What was made here gives its archive again; what was unpacked
    /// of a foreign one need not, and is had from its blob.
    /// - Parameters:
    ///   - diffIDs: those of the archives.
    ///   - lease: holds what is found.
    /// - Returns: the layers that were found, which are in their places again.
    /// - Throws: `StorageError`, `SystemCallError`.
    package func findLayers(_ diffIDs: Set<Digest>, in lease: Lease) async throws -> [Digest: LayerID] {
        if diffIDs.isEmpty { return [:] }
        var found: [Digest: LayerID] = [:]
        for directory in try await store.snapshotsSetAside() {
            let missing = diffIDs.subtracting(found.keys)
            let result: (digest: Digest, layer: LayerID)? = try await onCancellablePool { isCancelled in
                guard let files = try self.foundFiles(in: directory) else { return nil }
                let archive = LayerArchive(files)
                let sink = DigestingSink()
                do {
                    try archive.write(to: sink, isCancelled: isCancelled)
                } catch let error as CancellationError {
                    throw error
                } catch {
                    // What cannot be read is no layer any more.
                    return nil
                }
                guard missing.contains(sink.digest) else { return nil }
                let measure = try archive.measure()
                return (sink.digest, try self.adopt(directory, measure, sink.digest, sink.count, lease))
            }
            if let result { found[result.digest] = result.layer }
        }
        return found
    }

    /// The files of a layer in a directory that is not at its place; nil where there are none that this process can read.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    private func foundFiles(in directory: FilePath) throws -> LayerFiles? {
        for form in LayerForm.allCases {
            let place = directory.appending(form.rawValue)
            guard try HostFiles.status(of: place)?.type == .directory else { continue }
            if !level.mounts, form == .overlay { return nil }
            return LayerFiles(root: try RootedDirectory(place), form: form)
        }
        return nil
    }

    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    private func adopt(
        _ directory: FilePath,
        _ measure: Measure,
        _ diffID: Digest,
        _ archiveSize: Int64,
        _ lease: Lease
    ) throws -> LayerID {
        let lock = try FileLock.acquire(store.layout.collectionLock, .shared)
        defer { withExtendedLifetime(lock) {} }
        let layer = try placing(isReplaceable: false) { db, place in
            let now = currentFileTime()
            try db.execute(
                sql: """
                    INSERT INTO layers
                        (unpacked, size, entries, diff_id, archive_size, created, created_nanoseconds, last_used)
                    VALUES (1, ?, ?, ?, ?, ?, ?, ?)
                    """,
                arguments: [
                    measure.bytes, measure.entries, diffID, archiveSize, now.seconds, now.nanoseconds, now.seconds,
                ]
            )
            let layer = LayerID(rawValue: db.lastInsertedRowID)
            try place(directory, layer)
            return layer
        }
        try lease.hold([.layer(layer)])
        return layer
    }
}
