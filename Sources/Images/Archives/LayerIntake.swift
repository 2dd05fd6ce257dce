internal import Archive
internal import OCI
internal import Storage

/// A layer's archive that has become a blob of the store.
struct StoredLayer: Sendable, Hashable {
    /// What the blob is, with an OCI media type.
    let blob: Descriptor
    /// The digest of the archive without compression.
    let diffID: Digest
}

/// Takes layers from streams into the store: stored as they come, and read as archives at the same time, so that nothing unreadable
/// gets in and the diff id is known.
struct LayerIntake: Sendable {
    let blobs: BlobStore
    let lease: Lease
    let limits: ArchiveLimits

    /// Stores one layer, whatever it is compressed with.
    ///
    /// bzip2 and xz have no media type: such layers are stored without compression.
    /// - Throws: `ArchiveError` for what is no archive or costs too much, `StorageError`.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    func take(_ source: any ByteSource) throws -> StoredLayer {
        var start = [UInt8](repeating: 0, count: 6)
        var count = 0
        while count < start.count {
            let read = try start.withUnsafeMutableBytes { try source.read(into: .init(rebasing: $0[count...])) }
            if read == 0 { break }
            count += read
        }
        let whole = PrefixedSource(Array(start[..<count]), source)
        switch CompressionFormat(detectingIn: start[..<count]) {
        case .uncompressed: return try takePlain(whole)
        case .gzip, .estargz: return try takeCompressed(whole, .ociLayerGzip)
        case .zstd: return try takeCompressed(whole, .ociLayerZstd)
        case .bzip2, .xz: return try takePlain(try decompressing(whole).source)
        }
    }

    private func takePlain(_ source: any ByteSource) throws -> StoredLayer {
        let content = try blobs.ingestBlocking(lease: lease) { writer in
            let copied = CopyingSource(source, to: writer, limit: limits.expandedBytes)
            try readThrough(copied)
        }
        let blob = Descriptor(mediaType: .ociLayer, digest: content.digest, size: content.size)
        return StoredLayer(blob: blob, diffID: content.digest)
    }

    private func takeCompressed(_ source: any ByteSource, _ mediaType: MediaType) throws -> StoredLayer {
        var diffID: Digest?
        let content = try blobs.ingestBlocking(lease: lease) { writer in
            let copied = CopyingSource(source, to: writer, limit: limits.expandedBytes)
            let plain = DigestingSource(try decompressing(copied).source, limit: limits.expandedBytes)
            try readThrough(plain)
            // What follows the compressed data belongs to the blob, too.
            try copied.drain()
            diffID = plain.digest
        }
        guard let diffID else { throw ImageError.invalidArchive(reason: "a layer without content") }
        let blob = Descriptor(mediaType: mediaType, digest: content.digest, size: content.size)
        return StoredLayer(blob: blob, diffID: diffID)
    }

    private func readThrough(_ source: any ByteSource) throws {
        let reader = TarReader(source, limits: limits)
        while try reader.next() != nil {}
        try reader.drain()
    }
}

/// Writes to a blob what is read through it.
private final class CopyingSource: ByteSource {
    private let source: any ByteSource
    private let writer: BlobWriter
    private let limit: Int64
    private var count: Int64 = 0

    init(_ source: any ByteSource, to writer: BlobWriter, limit: Int64) {
        self.source = source
        self.writer = writer
        self.limit = limit
    }

    func read(into buffer: UnsafeMutableRawBufferPointer) throws -> Int {
        let read = try source.read(into: buffer)
        count += Int64(read)
        if count > limit { throw ArchiveError.overLimit(what: "bytes", limit: limit) }
        try writer.write(UnsafeRawBufferPointer(rebasing: buffer[..<read]))
        return read
    }
}
