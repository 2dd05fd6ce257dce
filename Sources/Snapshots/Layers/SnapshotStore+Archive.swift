package import Archive
import GRDB
package import LinuxSystem
package import OCI
package import Storage

extension SnapshotStore {
    /// The digest of a layer's uncompressed archive.
    ///
    /// It is computed once, as a stream, and remembered.
    package func diffID(of layer: LayerID) async throws -> Digest {
        if let known = try await info(of: layer).diffID { return known }
        let sink = try await onBlockingPool { try self.firstDigest(of: layer) }
        try await store.database.writeLazily { db in
            try db.execute(
                sql: "UPDATE layers SET diff_id = ?, archive_size = ? WHERE id = ?",
                arguments: [sink.digest, sink.count, layer]
            )
        }
        return sink.digest
    }

    /// The digest and the size of the archive that a layer's files give, of which no archive was made before: what is known of the files
    /// must hold, and all sums are known from then on.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    private func firstDigest(of layer: LayerID) throws -> (digest: Digest, count: Int64) {
        let sink = DigestingSink()
        var archive = LayerArchive(try layerFiles(of: layer))
        let known = TreeSums(FileTree(layers: [layer]), in: self)
        let read = FileSumRecorder()
        archive.whenSummed = { path, sum in
            try known.compare(path, sum)
            read.note(path, sum)
        }
        try archive.write(to: sink)
        if let sums = read.sums { try replaceSums(of: layer, by: sums) }
        return (sink.digest, sink.count)
    }

    fileprivate func digest(of layer: LayerID) async throws -> Digest {
        try await onBlockingPool {
            let sink = DigestingSink()
            try LayerArchive(self.layerFiles(of: layer)).write(to: sink)
            return sink.digest
        }
    }

}

extension LeasedSnapshots {
    /// Writes a layer's uncompressed archive: from its blob where it came as one, else from its files, the same bytes each time.
    ///
    /// The sink is used on a thread that may block, and not finished.
    /// - Parameters:
    ///   - layer: whose archive.
    ///   - expected: the diff id that it must have; nil for the one that is known of the layer.
    ///   - sink: takes the bytes.
    /// - Throws: `SnapshotError` at the end, where the bytes have another.
    package func writeArchive(
        of layer: LayerID,
        expecting expected: Digest? = nil,
        to sink: any ByteSink & Sendable
    ) async throws {
        let blob = try await blobToRead(of: layer)
        let diffID = if let expected { expected } else { try await info(of: layer).diffID }
        guard let blob else {
            return try await onCancellablePool { [snapshots] isCancelled in
                try snapshots.compare(layer, diffID, sink) { sink in
                    try LayerArchive(snapshots.layerFiles(of: layer)).write(to: sink, isCancelled: isCancelled)
                }
            }
        }
        try await snapshots.blaming(blob.digest) {
            try await onBlockingPool { [snapshots] in
                try snapshots.copyArchive(in: blob.digest, diffID, to: sink)
            }
        }
    }

    /// The blob that a layer's archive must be read from, fetched if it is not here; nil where its files give it.
    func blobToRead(of layer: LayerID) async throws -> Descriptor? {
        let info = try await info(of: layer)
        try await lease.hold(info.blobs.map { .blob($0.digest) } + [.layer(layer)])
        let present = try await store.blobs.present(among: Set(info.blobs.map(\.digest)))
        if let here = info.blobs.first(where: { present.contains($0.digest) }) { return here }
        guard let blob = info.blobs.first else { return nil }
        // Files that were made here give their archive again; those that were unpacked need not give the same bytes.
        if info.isUnpacked, let diffID = info.diffID, try await snapshots.digest(of: layer) == diffID { return nil }
        try await fetch(blob)
        return blob
    }
}

extension SnapshotStore {
    /// Passes the archive in a blob on, and throws at its end if it is not that of a layer.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    func copyArchive(
        in blob: Digest,
        _ diffID: Digest?,
        to sink: any ByteSink,
        by copy: (any ByteSource, any ByteSink) throws -> Void = { try $0.copy(to: $1) }
    ) throws {
        let archive = DigestingSource(try decompressing(FileSource(try store.blobs.open(blob))).source)
        try copy(archive, sink)
        let actual = archive.digest
        if let diffID, actual != diffID {
            throw SnapshotError.diffIDMismatch(blob: blob, expected: diffID, actual: actual)
        }
    }

    /// Lets a layer's archive be written, and throws at its end if it is not the one that it was.
    ///
    /// So wrong bytes reach a file or a registry in parts at most, and never an image.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    func compare(_ layer: LayerID, _ diffID: Digest?, _ sink: any ByteSink, _ body: (any ByteSink) throws -> Void)
        throws
    {
        guard let diffID else { return try body(sink) }
        let digest = DigestingSink(sink, algorithm: diffID.algorithm)
        try body(digest)
        let actual = digest.digest
        guard actual == diffID else { throw SnapshotError.layerDamaged(layer, expected: diffID, actual: actual) }
    }

    /// Reads a blob as an archive.
    ///
    /// Of one that makes no sense, the reason to tell is that its bytes are not what they were, if they are not.
    func blaming<Value>(_ blob: Digest, _ body: () async throws -> Value) async throws -> Value {
        do {
            return try await body()
        } catch {
            if error is ArchiveError || error is SnapshotError { try await store.blobs.verify(blob) }
            throw error
        }
    }
}

/// Writes all files below directories as one archive with its end; the sink is not finished.
///
/// - Parameters:
///   - trees: the directories, and where in the archive each one is: an empty name is the top.
///   - sink: where the archive goes.
///   - time: the time of every entry; nil for the times that the files have.
///   - isLiving: whether others may change the files meanwhile.
///   - sums: for each directory of a tree of layers, what its files are compared with; none for others.
///   - isCancelled: asked for each entry; true ends the work with `CancellationError`.
///   - add: writes what is not in the directory of a number, after what is.
/// - Throws: `SystemCallError`, what the sink throws.
@available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
package func writeTreeArchive(
    of trees: [(name: [UInt8], root: RootedDirectory)],
    to sink: any ByteSink,
    time: FileTime? = nil,
    isLiving: Bool = false,
    comparing sums: [TreeSums] = [],
    isCancelled: @Sendable () -> Bool,
    adding add: (TarWriter, _ directory: Int) throws -> Void = { _, _ in }
) throws {
    let writer = TarWriter(sink)
    for (number, (name, root)) in trees.enumerated() {
        if !name.isEmpty {
            try writer.begin(TarEntry(path: name, kind: .directory, mode: 0o755, modified: time ?? .epoch))
        }
        var files = LayerFiles(root: root, form: .overlay)
        files.isLiving = isLiving
        var archive = LayerArchive(files, below: name)
        archive.isOutput = true
        if sums.indices.contains(number) { archive.whenSummed = sums[number].compare }
        archive.times = time.map { .all($0) } ?? .own
        try archive.writeEntries(to: writer, isCancelled: isCancelled)
        try add(writer, number)
    }
    try writer.finish()
}
