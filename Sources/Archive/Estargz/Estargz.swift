import LinuxSystem
package import OCI
import Synchronization
internal import Text

/// Compresses the archive of a layer so that single files can be read without the rest (eStargz).
///
/// The archive is kept byte for byte, and is followed by a table of contents, as BuildKit has it: what unpacks layers stops at the end of the
/// archive and sees the files only, what knows the format finds the table by the footer. Each file's content begins a gzip member of its
/// own, and so does every further 4 MiB of it. See docs/estargz.md of stargz-snapshotter.
package final class EstargzSink: ByteSink {
    /// What is known of a finished blob.
    package struct Summary: Sendable, Hashable {
        /// Of the table's document.
        package let contentsDigest: Digest
        /// Of the whole blob decompressed, the table included.
        package let diffID: Digest
        /// Bytes of the whole blob decompressed.
        package let size: Int64

        /// What the layer's descriptor says for readers of the format.
        package var annotations: [String: String] {
            [
                EstargzSink.contentsDigestAnnotation: contentsDigest.description,
                "io.containers.estargz.uncompressed-size": "\(size)",
            ]
        }
    }

    /// The annotation that tells an estargz layer from others.
    package static let contentsDigestAnnotation = "containerd.io/snapshot/stargz/toc.digest"
    private static let bufferSize = 256 << 10

    private struct Handed: @unchecked Sendable {
        // Used by the writing thread only, from its start to its end.
        let sink: any ByteSink
    }

    /// How the thread ended.
    private final class Outcome: Sendable {
        let result = Mutex<Result<Summary, any Error>?>(nil)
    }

    private let archive = BlockingQueue<[UInt8]>(capacity: 8)
    private let outcome = Outcome()
    private var thread: JoinableThread?
    private var buffer: [UInt8] = []
    /// Set by `finish`.
    package private(set) var summary: Summary?

    /// Starts a thread that reads the archive as it is written.
    /// - Parameters:
    ///   - sink: takes the blob; it is left to that thread until `finish`.
    ///   - level: 0 to 9, as gzip's.
    ///   - threads: how many blocks are compressed at once.
    /// - Throws: `SystemCallError` if no thread can be made.
    package init(_ sink: any ByteSink, level: Int?, threads: Int) throws {
        let handed = Handed(sink: sink)
        let (archive, outcome) = (archive, outcome)
        thread = try JoinableThread {
            let result = Result {
                let gzip = try GzipSink(handed.sink, level: level, threads: threads)
                var writer = EstargzWriter(gzip, footer: handed.sink)
                return try writer.write(QueueSource(archive))
            }
            outcome.result.withLock { $0 = result }
            archive.close()
        }
    }

    deinit { stop() }

    package func write(_ bytes: UnsafeRawBufferPointer) throws {
        buffer.append(contentsOf: bytes)
        if buffer.count >= Self.bufferSize { try passOn() }
    }

    package func finish() throws {
        if summary != nil { return }
        if !buffer.isEmpty { try passOn() }
        stop()
        summary = try outcome.result.withLock { $0 }?.get()
    }

    private func passOn() throws {
        let bytes = buffer
        buffer = []
        if archive.push(bytes) { return }
        stop()
        _ = try outcome.result.withLock { $0 }?.get()
        throw ArchiveError.damagedCompression(.estargz, reason: "something follows the end of the archive")
    }

    private func stop() {
        archive.close()
        thread?.join()
        thread = nil
    }
}

/// What one thread pushes, for another to pull.
private final class QueueSource: ByteSource {
    private let queue: BlockingQueue<[UInt8]>
    private var chunk: ArraySlice<UInt8> = []

    init(_ queue: BlockingQueue<[UInt8]>) { self.queue = queue }

    func read(into buffer: UnsafeMutableRawBufferPointer) throws -> Int {
        while chunk.isEmpty {
            guard let next = queue.pop() else { return 0 }
            chunk = next[...]
        }
        let count = min(buffer.count, chunk.count)
        buffer.copyBytes(from: chunk.prefix(count))
        chunk = chunk.dropFirst(count)
        return count
    }
}

/// Reads through to a source and keeps what was read until it is released.
private final class HeldSource: ByteSource {
    private let source: any ByteSource
    private var held: [UInt8] = []
    /// How many of the held bytes are released already.
    private var start = 0
    private var released: Int64 = 0

    init(_ source: any ByteSource) { self.source = source }

    func read(into buffer: UnsafeMutableRawBufferPointer) throws -> Int {
        let count = try source.read(into: buffer)
        held.removeFirst(start)
        start = 0
        held.append(contentsOf: UnsafeRawBufferPointer(rebasing: buffer[..<count]))
        return count
    }

    /// Writes what was read, up to a place counted from the start.
    func release(upTo offset: Int64, to sink: any ByteSink) throws {
        let end = start + Int(offset - released)
        try held.withUnsafeBytes { try sink.write(UnsafeRawBufferPointer(rebasing: $0[start..<end])) }
        start = end
        released = offset
    }

    /// Writes what was read and all that can be read.
    func releaseRest(to sink: any ByteSink) throws {
        try release(upTo: released + Int64(held.count - start), to: sink)
        try source.copy(to: sink)
    }
}

/// Writes one estargz blob.
private struct EstargzWriter {
    private static let contentsName = "stargz.index.json"
    private static let chunkSize: Int64 = 4 << 20
    /// Says that nothing is worth reading ahead.
    private static let landmark = (name: ".no.prefetch.landmark", content: UInt8(0x0f))

    private let gzip: GzipSink
    /// Below `gzip`; `gzip` itself could not write the footer.
    private let footer: any ByteSink
    private let plain: DigestingSink
    private var entries: [EstargzEntry] = []
    /// Which of the gzip members is being written.
    private var member = 0

    init(_ gzip: GzipSink, footer: any ByteSink) {
        self.gzip = gzip
        self.footer = footer
        plain = DigestingSink(gzip)
    }

    mutating func write(_ archive: any ByteSource) throws -> EstargzSink.Summary {
        let held = HeldSource(archive)
        let reader = TarReader(held)
        while let entry = try reader.next() {
            try held.release(upTo: reader.offset, to: plain)
            try add(entry, reader, held)
        }
        try held.releaseRest(to: plain)
        try addLandmark()
        let contents = try writeContents()
        return EstargzSink.Summary(contentsDigest: contents, diffID: plain.digest, size: plain.count)
    }

    private mutating func add(_ entry: TarEntry, _ reader: TarReader, _ held: HeldSource) throws {
        guard !cleanPath(entry.path).elementsEqual(Self.contentsName.utf8) else {
            throw ArchiveError.refused(entry: entry.path, reason: "an estargz layer has a file of its own by this name")
        }
        guard entry.pieces == nil else {
            throw ArchiveError.refused(entry: entry.path, reason: "sparse files cannot be in an estargz layer")
        }
        let first = entries.count
        entries.append(EstargzEntry(entry))
        guard entry.kind == .regular else { return }
        var whole = Digester()
        var left = entry.size
        var chunk = Chunk(size: 0)
        while let piece = try reader.nextContent() {
            // A piece may reach over the end of a chunk.
            var rest = piece.bytes
            while !rest.isEmpty {
                if chunk.left == 0 { chunk = try beginChunk(of: entry, left: left, isFirst: left == entry.size) }
                let count = Int(min(Int64(rest.count), chunk.left))
                let bytes = UnsafeRawBufferPointer(rebasing: rest[..<count])
                chunk.digester.update(bytes)
                whole.update(bytes)
                chunk.left -= Int64(count)
                left -= Int64(count)
                rest = UnsafeRawBufferPointer(rebasing: rest[count...])
                try held.release(upTo: reader.offset - Int64(rest.count), to: plain)
                if chunk.left == 0 { entries[entries.count - 1].chunkDigest = chunk.digester.finalize() }
            }
        }
        entries[first].digest = whole.finalize()
    }

    private struct Chunk {
        var left: Int64
        var digester = Digester()
        init(size: Int64) { left = size }
    }

    private mutating func beginChunk(of entry: TarEntry, left: Int64, isFirst: Bool) throws -> Chunk {
        try gzip.beginMember()
        member += 1
        if !isFirst { entries.append(EstargzEntry(chunkOf: entry.path, at: entry.size - left)) }
        // The last chunk goes to the end of the file and does not say so.
        if left > Self.chunkSize { entries[entries.count - 1].chunkSize = Self.chunkSize }
        entries[entries.count - 1].member = member
        return Chunk(size: min(left, Self.chunkSize))
    }

    /// After the end of the archive, where only readers of the table find it: nothing appears among the layer's files.
    private mutating func addLandmark() throws {
        let entry = TarEntry(path: Array(Self.landmark.name.utf8), kind: .regular, size: 1)
        let writer = TarWriter(plain)
        try writer.begin(entry)
        _ = try beginLandmark(entry)
        try writer.write([Self.landmark.content])
        let digest = Digest.sha256(of: [Self.landmark.content])
        entries[entries.count - 1].digest = digest
        entries[entries.count - 1].chunkDigest = digest
    }

    private mutating func beginLandmark(_ entry: TarEntry) throws -> Chunk {
        entries.append(EstargzEntry(entry))
        return try beginChunk(of: entry, left: 1, isFirst: true)
    }

    private mutating func writeContents() throws -> Digest {
        try gzip.beginMember()
        member += 1
        try gzip.settle()
        let starts = gzip.memberStarts
        let document = JSONValue.object([
            .init("version", .number(1)), .init("entries", .array(entries.map { $0.document(members: starts) })),
        ]).indented
        let bytes = Array(document.utf8)
        let offset = gzip.count
        let writer = TarWriter(plain)
        try writer.begin(
            TarEntry(
                path: Array(Self.contentsName.utf8),
                kind: .regular,
                mode: 0o444,
                size: Int64(bytes.count)
            )
        )
        try writer.write(bytes)
        try writer.finish()
        try gzip.finish()
        try footer.write(Self.footer(contentsAt: offset))
        return Digest.sha256(of: bytes)
    }

    /// An empty gzip member whose extra field says where the table's member begins.
    private static func footer(contentsAt offset: Int64) -> [UInt8] {
        let digits = String(offset, radix: 16)
        let field = Array((String(repeating: "0", count: 16 - digits.count) + digits + "STARGZ").utf8)
        var bytes: [UInt8] = [0x1f, 0x8b, 8, 4, 0, 0, 0, 0, 0, 0xff]
        bytes += [UInt8(field.count + 4), 0, "S", "G", UInt8(field.count), 0] + field
        // Deflate's last block, stored and empty, then a checksum and a size of 0.
        bytes += [1, 0, 0, 0xff, 0xff] + [UInt8](repeating: 0, count: 8)
        return bytes
    }

    /// A name without dots and slashes that mean nothing.
    private func cleanPath(_ path: [UInt8]) -> [UInt8] {
        let parts = path.split(separator: "/").filter { $0 != "." }
        return Array(parts.joined(separator: ["/"]))
    }
}
