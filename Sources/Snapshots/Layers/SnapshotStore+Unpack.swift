import Archive
import GRDB
import LinuxSystem
import OCI
package import Storage
import Synchronization
import SystemPackage
import Tasks

extension LeasedSnapshots {
    /// Makes the files of layers present: fetched and unpacked in parallel, each once however many ask.
    package func unpack(_ layers: [LayerID]) async throws {
        // Fetching waits for the network and unpacking for the processor: a few of both at a time.
        try await Set(layers).sorted().forEachConcurrently(limit: 6) { layer in
            let info = try await self.info(of: layer)
            if info.isUnpacked { return }
            // Everyone holds what is shared: who began may be gone before it ends.
            try await lease.hold(info.blobs.map { .blob($0.digest) } + [.layer(layer)])
            // What is fetched of the caches of one build is no work for another build, which reads other caches.
            let isOffered = info.blobs.contains { offers?.isOffered($0.digest) ?? false }
            let key = UnpackingKey(layer: layer, offers: isOffered ? offers.map { ObjectIdentifier($0) } : nil)
            try await snapshots.unpacking.value(for: key) { try await snapshots.unpack(layer, info, self) }
        }
    }
}

extension SnapshotStore {
    fileprivate func unpack(_ layer: LayerID, _ info: LayerInfo, _ leased: LeasedSnapshots) async throws {
        let present = try await store.blobs.present(among: Set(info.blobs.map(\.digest)))
        var candidates = info.blobs.filter { present.contains($0.digest) }
        candidates += info.blobs.filter { !present.contains($0.digest) }
        if candidates.isEmpty { throw SnapshotError.contentGone(layer) }
        while true {
            let blob = candidates.removeFirst()
            do {
                return try await unpack(layer, from: blob, diffID: info.diffID, leased)
            } catch SnapshotError.diffIDMismatch where !candidates.isEmpty {
                // Some image lied about the blob. Others need not suffer from that.
                try await store.database.write { db in
                    try db.execute(
                        sql: "DELETE FROM layer_blobs WHERE layer_id = ? AND digest = ?",
                        arguments: [layer, blob.digest]
                    )
                }
            }
        }
    }

    private func unpack(
        _ layer: LayerID,
        from blob: Descriptor,
        diffID: Digest?,
        _ leased: LeasedSnapshots
    ) async throws {
        if try await unpackWhileFetching(layer, from: blob, diffID: diffID, leased) { return }
        try await blaming(blob.digest) {
            try await onCancellablePool { isCancelled in
                let source = FileSource(try self.store.blobs.open(blob.digest))
                try self.unpackBlocking(layer, blob.digest, source, diffID: diffID, isCancelled: isCancelled)
            }
        }
    }

    /// Fetches a blob and unpacks it while it comes.
    ///
    /// The layer appears when all of the blob was verified and is in the store.
    /// - Returns: whether it is unpacked. It is not where the blob was here already, or came by another attempt than the one that was read.
    private func unpackWhileFetching(
        _ layer: LayerID,
        from blob: Descriptor,
        diffID: Digest?,
        _ leased: LeasedSnapshots
    ) async throws -> Bool {
        let digest = blob.digest
        let watch = store.blobs.watch(digest)
        return try await withThrowingTaskGroup(of: Result<Bool, any Error>?.self) { group in
            group.addTask { [store] in
                defer { store.blobs.endWatch(watch, for: digest) }
                try await leased.fetch(blob)
                return nil
            }
            group.addTask {
                guard let arriving = await watch.blob() else { return .success(false) }
                do {
                    try await self.unpack(layer, digest, arriving.makeReader(), diffID: diffID)
                    return .success(true)
                } catch is ArrivingBlob.Interrupted {
                    return .success(false)
                } catch {
                    // What was wrong with the blob itself is told by the one who fetches it.
                    return .failure(error)
                }
            }
            var unpacked = Result<Bool, any Error>.success(false)
            while let part = try await group.next() { unpacked = part ?? unpacked }
            let result = unpacked
            return try await blaming(digest) { try result.get() }
        }
    }

    /// Unpacks a blob that is on its way.
    ///
    /// It waits for the network, so it runs on a thread outside the pool.
    private func unpack(_ layer: LayerID, _ blob: Digest, _ reader: ArrivingBlob.Reader, diffID: Digest?) async throws {
        let isCancelled = Mutex(false)
        try await withTaskCancellationHandler {
            try await onThreadOfItsOwn(stackSize: 1 << 20) {
                let source = ArrivingSource(reader)
                try self.unpackBlocking(layer, blob, source, diffID: diffID) { isCancelled.withLock { $0 } }
            }
        } onCancel: {
            isCancelled.withLock { $0 = true }
            reader.interrupt()
        }
    }

    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    private func unpackBlocking(
        _ layer: LayerID,
        _ blob: Digest,
        _ source: any ByteSource,
        diffID: Digest?,
        isCancelled: @escaping @Sendable () -> Bool
    ) throws {
        let scratch = try store.temporaryDirectory()
        do {
            let form: LayerForm = try meansBlocking() == .overlay ? overlayForm : .marked
            let files = scratch.appending(form.rawValue)
            try HostFiles.createNewDirectory(files)
            let unpacked = try extract(source, to: files, form, isCancelled: isCancelled)
            if let diffID, diffID != unpacked.diffID {
                throw SnapshotError.diffIDMismatch(blob: blob, expected: diffID, actual: unpacked.diffID)
            }
            try write(unpacked.sums, to: scratch)
            try makeDurableIfStrict(scratch)
            try adopt(scratch, as: layer, from: blob, unpacked)
        } catch {
            // The scratch directory goes with the process at the latest; the first error is the one that matters.
            try? removeTree(scratch)
            throw explained(error)
        }
    }

    /// What a blob turned out to hold.
    struct Unpacked {
        let files: LayerExtractor.Summary
        let diffID: Digest
        /// Bytes without compression.
        let archiveSize: Int64
        let sums: FileSums?
    }

    /// Unpacks a blob into an empty directory.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    func extract(
        _ blob: Digest,
        to files: FilePath,
        _ form: LayerForm,
        isCancelled: @escaping @Sendable () -> Bool
    ) throws -> Unpacked {
        try extract(FileSource(try store.blobs.open(blob)), to: files, form, isCancelled: isCancelled)
    }

    /// Unpacks an archive into an empty directory, and reads it to its end.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    private func extract(
        _ source: any ByteSource,
        to files: FilePath,
        _ form: LayerForm,
        isCancelled: @escaping @Sendable () -> Bool
    ) throws -> Unpacked {
        let compressed = try ReadAheadSource(source)
        defer { compressed.close() }
        let archive = DigestingSource(try decompressing(compressed).source, limit: limits.expandedBytes)
        let ahead = try ReadAheadSource(archive)
        defer { ahead.close() }
        var extractor = LayerExtractor(
            root: try RootedDirectory(files),
            mode: form.extraction,
            limits: limits
        )
        extractor.isCancelled = isCancelled
        let sums = FileSumRecorder()
        let summary = try extractor.extract(ahead, notingIn: sums)
        try ahead.drain()
        ahead.close()
        // Bytes may follow the archive, and a blob is verified only at its end.
        try compressed.drain()
        return Unpacked(files: summary, diffID: archive.digest, archiveSize: archive.count, sums: sums.sums)
    }

    /// Moves a finished directory to its place, in the transaction that says that it is there.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    private func adopt(
        _ scratch: FilePath,
        as layer: LayerID,
        from blob: Digest,
        _ unpacked: Unpacked
    ) throws {
        let wasFirst = try placing(isReplaceable: true) { db, place in
            try db.execute(
                sql: "UPDATE layer_blobs SET checked = 1 WHERE layer_id = ? AND digest = ?",
                arguments: [layer, blob]
            )
            let isUnpacked = try Bool.fetchOne(db, sql: "SELECT unpacked FROM layers WHERE id = ?", arguments: [layer])
            guard let isUnpacked else { throw SnapshotError.unknownLayer(layer) }
            if isUnpacked { return false }
            try place(scratch, layer)
            try db.execute(
                sql: """
                    UPDATE layers SET unpacked = 1, diff_id = ?, size = ?, entries = ?, archive_size = ?, last_used = ?
                    WHERE id = ?
                    """,
                arguments: [
                    unpacked.diffID, unpacked.files.bytes, unpacked.files.entries, unpacked.archiveSize, currentTime(),
                    layer,
                ]
            )
            return true
        }
        // Another process was faster: its files are the same.
        if !wasFirst { try removeTree(scratch) }
    }

    /// Runs a transaction that says of a layer that its files are there, and moves them there with what it is lent.
    ///
    /// Files that are there already were left by a process that was killed in its own such transaction. Its commit may lie hidden
    /// in the log: it is settled before its files make room.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    func placing<Value>(
        isReplaceable: Bool,
        _ transaction: (Database, _ place: (FilePath, LayerID) throws -> Void) throws -> Value
    ) throws -> Value {
        do {
            return try store.database.writeLazily { db in
                try transaction(db) { scratch, layer in
                    if try HostFiles.status(of: store.layout.snapshot(layer)) != nil { throw PlaceTaken() }
                    try moveIntoPlace(scratch, layer)
                    try store.unflushed.note(.layer(layer), isReplaceable: isReplaceable, in: db)
                }
            }
        } catch is PlaceTaken {
            return try store.database.writeSettled { db in
                try transaction(db) { scratch, layer in
                    try removeTree(store.layout.snapshot(layer))
                    try moveIntoPlace(scratch, layer)
                    try store.unflushed.note(.layer(layer), isReplaceable: isReplaceable, in: db)
                }
            }
        }
    }

    /// Renames a directory to a layer's place.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    private func moveIntoPlace(_ scratch: FilePath, _ layer: LayerID) throws {
        try HostFiles.rename(scratch, to: store.layout.snapshot(layer))
        if store.durability == .strict { try HostFiles.synchronizeDirectory(store.layout.snapshots) }
    }

    /// Makes the files of a layer durable where that is not left for later.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    func makeDurableIfStrict(_ scratch: FilePath) throws {
        if store.durability != .strict { return }
        var flush = try TreeFlush(scratch: store.layout.tmp)
        try flush.add(scratch)
        try flush.finish()
    }
}

/// A blob that is read while it comes.
private final class ArrivingSource: ByteSource {
    private let reader: ArrivingBlob.Reader
    init(_ reader: ArrivingBlob.Reader) { self.reader = reader }
    func read(into buffer: UnsafeMutableRawBufferPointer) throws -> Int { try reader.read(into: buffer) }
}

/// Where a layer's files belong there are some that no row knows.
private struct PlaceTaken: Error {}

/// What unpackings are the same.
struct UnpackingKey: Hashable {
    let layer: LayerID
    /// Of the `BlobOffers` that are asked.
    let offers: ObjectIdentifier?
}

/// How much a layer holds.
struct Measure: Sendable, Hashable {
    var entries: Int64 = 0
    /// Of file contents; a file with several names counts once.
    var bytes: Int64 = 0
    /// Directories with nothing in them, and that hide nothing.
    var emptyDirectories: [[UInt8]] = []
    /// Files of which more was changed than their contents, or nothing.
    var touchedFiles: [[UInt8]] = []
    /// Directories that hide everything below.
    var opaqueDirectories: [[UInt8]] = []
    /// Whether a file has a name that in a layer would mean that another was removed.
    var holdsReservedName = false
}
