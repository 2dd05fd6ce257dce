package import Archive
import GRDB
package import LinuxSystem
package import OCI
package import Storage

extension SnapshotStore {
    /// A layer in the form in which it leaves the store.
    package struct ConvertedLayer: Sendable, Hashable {
        /// The layer whose diff id the image's configuration must name: another one where the archive is not the same.
        package let layer: LayerID
        /// In the store, unless the layer came from a registry as it is.
        package private(set) var blob: Descriptor

        /// Says something of the layer where the image's manifest names it.
        package mutating func annotate(_ key: String, _ value: String) {
            blob.annotations = (blob.annotations ?? [:]).merging([key: value]) { $1 }
        }

        /// Has the layer fetched from where it came, and sent to no registry, if it can be had elsewhere.
        package mutating func makeForeign() {
            if blob.urls?.isEmpty == false { blob.mediaType = blob.mediaType.layer(foreign: true) }
        }
    }

}

extension LeasedSnapshots {
    /// A blob of the layer in the given compression, made and kept in the store if there is none.
    ///
    /// A layer that came compressed stays as it came, unless `forced`; what was compressed here is compressed again where something else is
    /// asked for, so that the result depends on the request only.
    /// - Parameters:
    ///   - layer: the layer.
    ///   - compression: how to compress it. An estargz layer has another diff id than the one it was made of; see `converted`.
    ///   - forced: whether a blob in another compression does not do.
    ///   - docker: whether a new blob has Docker's media type rather than OCI's.
    /// - Returns: the blob, which need not be here if the layer came as one that does.
    /// - Throws: `SnapshotError.unknownLayer`, `ArchiveError`, and what fetching the blob to make it from throws.
    package func blob(
        for layer: LayerID,
        compression: Compression,
        forced: Bool = false,
        docker: Bool = false
    ) async throws -> Descriptor {
        if compression.format == .estargz {
            return try await converted(layer, compression, forced: forced, docker: docker).blob
        }
        if let known = try await knownBlob(of: layer, compression, forced: forced) { return known }
        let source = try await blobToRead(of: layer)
        let (digest, size) = try await store.blobs.ingest(in: lease) { writer in
            try await onCancellablePool { isCancelled in
                let sink = try compressing(into: BlobSink(writer), compression, threads: availableProcessorCount())
                try snapshots.writeArchive(of: layer, source, .own, to: sink, isCancelled: isCancelled)
                try sink.finish()
            }
        }
        let blob = Descriptor(
            mediaType: try compression.layerMediaType(docker: docker),
            digest: digest,
            size: size
        )
        try await store.database.writeLazily { db in
            try SnapshotStore.add(
                SnapshotStore.LayerBlob(blob: blob, recipe: compression.recipe, isChecked: true),
                to: layer,
                in: db
            )
        }
        return blob
    }

    /// The layer and its blob as an image is exported with them.
    /// - Parameters:
    ///   - layer: the layer.
    ///   - compression: how to compress it; a layer that came compressed stays as it came, unless `forced`.
    ///   - forced: whether a blob in another compression does not do.
    ///   - docker: whether a new blob has Docker's media type rather than OCI's.
    ///   - latest: the time that no file may be newer than; nil for the times that the files have.
    /// - Returns: the layer, and its blob, which need not be here if the layer came as one that does.
    /// - Throws: `SnapshotError.unknownLayer`, `ArchiveError`, and what fetching the blob to make it from throws.
    package func converted(
        _ layer: LayerID,
        _ compression: Compression,
        forced: Bool = false,
        docker: Bool = false,
        notAfter latest: FileTime? = nil
    ) async throws -> SnapshotStore.ConvertedLayer {
        if let latest {
            let rewritten = try await rewritten(layer, notAfter: latest, compression)
            return try await converted(rewritten, compression, forced: forced, docker: docker)
        }
        guard compression.format == .estargz else {
            let blob = try await blob(for: layer, compression: compression, forced: forced, docker: docker)
            return SnapshotStore.ConvertedLayer(layer: layer, blob: blob)
        }
        if let known = try await knownBlob(of: layer, compression, forced: forced) {
            return SnapshotStore.ConvertedLayer(layer: layer, blob: known)
        }
        let derived = try await derivedLayer(of: layer, compression.recipe) { [self] in
            try await makeEstargz(of: layer, compression, docker: docker)
        }
        guard let blob = try await knownBlob(of: derived, compression, forced: true) else {
            throw SnapshotError.contentGone(derived)
        }
        return SnapshotStore.ConvertedLayer(layer: derived, blob: blob)
    }

    /// Makes sure that a blob of a layer is in the store, fetching it where it is not.
    package func fetch(_ blob: Descriptor) async throws {
        // Held before it is looked for: then it stays.
        try await lease.hold([.blob(blob.digest)])
        if try await store.blobs.contains(blob.digest) { return }
        try await snapshots.blobProvider.fetch(blob, in: lease, offers: offers)
    }

    /// A blob that does as it is: made here in the same way, or come from elsewhere.
    private func knownBlob(of layer: LayerID, _ compression: Compression, forced: Bool) async throws -> Descriptor? {
        let archives = try await certainArchives(of: layer)
        if let origin = origins.blob(of: layer), archives.contains(where: { $0.blob.digest == origin.digest }),
            try !forced || origin.isCompressed(as: compression)
        {
            return origin
        }
        let foreign = archives.filter { $0.recipe == nil }.map(\.blob)
        let same = archives.first { $0.recipe == compression.recipe }?.blob
        let asWanted = try foreign.first { try $0.isCompressed(as: compression) }
        let plain: [MediaType] = [.ociLayer, .dockerLayer]
        return same ?? asWanted ?? (forced ? nil : foreign.first { !plain.contains($0.mediaType) })
    }

    /// What a layer can be sent as.
    ///
    /// Where several say what it is and nobody has looked, it is looked at.
    private func certainArchives(of layer: LayerID) async throws -> [SnapshotStore.LayerBlob] {
        let known = try await info(of: layer).readable
        if known.count < 2 || known.contains(where: \.isChecked) { return known }
        try await unpack([layer])
        return try await info(of: layer).readable
    }

    // MARK: Layers made of others

    /// The layer with no file newer than a time.
    private func rewritten(_ layer: LayerID, notAfter latest: FileTime, _ compression: Compression) async throws
        -> LayerID
    {
        try await derivedLayer(of: layer, "not-after-\(latest.seconds)") { [self] in
            let source = try await blobToRead(of: layer)
            // What the layer is read from later; the form that is asked for, where that is a form of the archive itself.
            let form = compression.format == .estargz ? .gzip : compression
            let diffID = DigestBox()
            let (digest, size) = try await store.blobs.ingest(in: lease) { writer in
                try await onCancellablePool { isCancelled in
                    let sink = try compressing(into: BlobSink(writer), form, threads: availableProcessorCount())
                    let plain = DigestingSink(sink)
                    try snapshots.writeArchive(
                        of: layer,
                        source,
                        .notAfter(latest),
                        to: plain,
                        isCancelled: isCancelled
                    )
                    try sink.finish()
                    diffID.digest = plain.digest
                }
            }
            let blob = Descriptor(mediaType: try form.layerMediaType(docker: false), digest: digest, size: size)
            return (try diffID.value(), blob, form.recipe)
        }
    }

    private func makeEstargz(of layer: LayerID, _ compression: Compression, docker: Bool) async throws
        -> (diffID: Digest, blob: Descriptor, recipe: String)
    {
        let source = try await blobToRead(of: layer)
        let made = DigestBox()
        let (digest, size) = try await store.blobs.ingest(in: lease) { writer in
            try await onCancellablePool { isCancelled in
                let sink = try EstargzSink(
                    BlobSink(writer),
                    level: compression.level,
                    threads: availableProcessorCount()
                )
                try snapshots.writeArchive(of: layer, source, .own, to: sink, isCancelled: isCancelled)
                try sink.finish()
                made.digest = sink.summary?.diffID
                made.annotations = sink.summary?.annotations
            }
        }
        let blob = Descriptor(
            mediaType: try compression.layerMediaType(docker: docker),
            digest: digest,
            size: size,
            annotations: made.annotations
        )
        return (try made.value(), blob, compression.recipe)
    }

    /// The layer that was made of another one in some way, made if there is none.
    private func derivedLayer(
        of layer: LayerID,
        _ recipe: String,
        make: () async throws -> (diffID: Digest, blob: Descriptor, recipe: String)
    ) async throws -> LayerID {
        let known = try await store.database.read { db in
            try LayerID.fetchOne(
                db,
                sql: "SELECT derived_id FROM derived_layers WHERE layer_id = ? AND recipe = ?",
                arguments: [layer, recipe]
            )
        }
        if let known {
            try await lease.hold([.layer(known)])
            // It may have gone before it was held.
            if let info = try? await info(of: known) {
                try await lease.hold(info.blobs.map { .blob($0.digest) })
                return known
            }
        }
        let made = try await make()
        let archive = SnapshotStore.LayerBlob(blob: made.blob, recipe: made.recipe, isChecked: true)
        let derived = try await snapshots.layer(diffID: made.diffID, archive: archive, in: lease)
        try await store.database.writeLazily { db in
            try db.execute(
                sql: """
                    INSERT INTO derived_layers VALUES (?, ?, ?)
                    ON CONFLICT (layer_id, recipe) DO UPDATE SET derived_id = excluded.derived_id
                    """,
                arguments: [layer, recipe, derived]
            )
        }
        return derived
    }

}

extension SnapshotStore {
    /// Writes a layer's archive from a blob of it or, without one, from its files.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    fileprivate func writeArchive(
        of layer: LayerID,
        _ blob: Descriptor?,
        _ times: ArchiveTimes,
        to sink: any ByteSink,
        isCancelled: @escaping @Sendable () -> Bool
    ) throws {
        let diffID = try infoBlocking(of: layer).diffID
        guard let blob else {
            var archive = LayerArchive(try layerFiles(of: layer))
            // With other times it is another archive: whether the files are what they were is seen of the one that it was.
            if times != .own {
                try compare(layer, diffID, NullSink()) { try archive.write(to: $0, isCancelled: isCancelled) }
            }
            archive.times = times
            let knownID = times == .own ? diffID : nil
            return try compare(layer, knownID, sink) { try archive.write(to: $0, isCancelled: isCancelled) }
        }
        try copyArchive(in: blob.digest, diffID, to: sink) { source, sink in
            switch times {
            case .own: try source.copy(to: sink)
            case .notAfter, .all: try rewriteArchive(source, to: sink, times, isCancelled: isCancelled)
            }
        }
    }
}

/// Takes what nobody wants to have.
private final class NullSink: ByteSink {
    func write(_ bytes: UnsafeRawBufferPointer) {}
}

/// Writes an archive anew, with other times.
@available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
private func rewriteArchive(
    _ source: any ByteSource,
    to sink: any ByteSink,
    _ times: ArchiveTimes,
    isCancelled: @Sendable () -> Bool
) throws {
    let reader = TarReader(source)
    let writer = TarWriter(sink)
    let zeros = [UInt8](repeating: 0, count: 64 << 10)
    while var entry = try reader.next() {
        if isCancelled() { throw CancellationError() }
        entry.modified = times.time(of: entry.modified, isDirectory: entry.kind == .directory)
        if entry.kind == .regular, Whiteout.isMark(entry.path) { entry.mode = times.whiteoutMode }
        try writer.begin(entry)
        guard entry.kind == .regular else { continue }
        var position: Int64 = 0
        func fill(to end: Int64) throws {
            while position < end {
                let count = Int(min(end - position, Int64(zeros.count)))
                try writer.write(Array(zeros[..<count]))
                position += Int64(count)
            }
        }
        while let piece = try reader.nextContent() {
            try fill(to: piece.offset)
            try writer.write(piece.bytes)
            position += Int64(piece.bytes.count)
        }
        // What a sparse file does not store is written out.
        try fill(to: entry.size)
    }
    try reader.drain()
    try writer.finish()
}

extension Descriptor {
    /// Whether a blob that came from elsewhere is compressed in a format.
    fileprivate func isCompressed(as compression: Compression) throws -> Bool {
        let types = [try compression.layerMediaType(docker: false), try compression.layerMediaType(docker: true)]
        guard types.contains(mediaType) else { return false }
        return compression.format != .estargz || annotations?[EstargzSink.contentsDigestAnnotation] != nil
    }
}

/// What a thread that may block found out, for the task that waits for it.
private final class DigestBox: @unchecked Sendable {
    // Written on the one thread that writes the archive, read after that has ended.
    var digest: Digest?
    var annotations: [String: String]?

    func value() throws -> Digest {
        guard let digest else { throw CancellationError() }
        return digest
    }
}

/// Passes bytes on to a blob that is being taken in.
private final class BlobSink: ByteSink {
    private let writer: BlobWriter
    init(_ writer: BlobWriter) { self.writer = writer }
    func write(_ bytes: UnsafeRawBufferPointer) throws { try writer.write(bytes) }
}
