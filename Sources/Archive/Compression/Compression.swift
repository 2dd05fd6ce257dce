package import OCI
import Text

/// How a stream of bytes is compressed.
package enum CompressionFormat: String, Sendable, Hashable, CaseIterable {
    case uncompressed, gzip, estargz, zstd, bzip2, xz

    /// What the first bytes of a file say; anything unknown is uncompressed.
    package init(detectingIn start: some Collection<UInt8>) {
        let bytes = Array(start.prefix(6))
        func starts(_ magic: [UInt8]) -> Bool { bytes.starts(with: magic) }
        if starts([0x1f, 0x8b]) {
            self = .gzip
        } else if starts([0x28, 0xb5, 0x2f, 0xfd]) {
            self = .zstd
        } else if bytes.count >= 4, (0x50...0x5f).contains(bytes[0]), bytes[1...3].elementsEqual([0x2a, 0x4d, 0x18]) {
            // A skippable frame (RFC 8878, 3.1.2), which may come first.
            self = .zstd
        } else if bytes.count >= 4, starts("BZh"), (0x31...0x39).contains(bytes[3]) {
            self = .bzip2
        } else if starts([0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00]) {
            self = .xz
        } else {
            self = .uncompressed
        }
    }
}

/// How a layer is to be compressed.
package struct Compression: Sendable, Hashable {
    package var format: CompressionFormat
    /// 0 to 9 for gzip and estargz, 0 to 22 for zstd; nil for the default.
    package var level: Int?

    package init(_ format: CompressionFormat, level: Int? = nil) {
        self.format = format
        self.level = level
    }

    package static let uncompressed = Compression(.uncompressed)
    package static let gzip = Compression(.gzip)
    package static let estargz = Compression(.estargz)
    package static let zstd = Compression(.zstd)

    /// What bytes depend on besides the input: formats and levels that give the same bytes have the same recipe.
    package var recipe: String {
        switch format {
        case .uncompressed, .bzip2, .xz: format.rawValue
        case .gzip, .estargz: "\(format.rawValue)-\(GzipSink.Effort(level: level ?? 1))"
        case .zstd: "zstd-\(ZstdSink.level(level))"
        }
    }

    /// The media type of a layer compressed this way.
    /// - Throws: `ArchiveError.cannotCompress` for formats that no image may use.
    package func layerMediaType(docker: Bool) throws(ArchiveError) -> MediaType {
        switch format {
        case .uncompressed: docker ? .dockerLayer : .ociLayer
        case .gzip, .estargz: docker ? .dockerLayerGzip : .ociLayerGzip
        case .zstd: docker ? .dockerLayerZstd : .ociLayerZstd
        case .bzip2, .xz: throw .cannotCompress(format)
        }
    }
}

/// Decompresses a source in whatever format its first bytes show, several formats' members and frames joined included.
/// - Throws: what reading the first bytes throws.
@available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
package func decompressing(_ source: any ByteSource) throws -> (format: CompressionFormat, source: any ByteSource) {
    var start = [UInt8](repeating: 0, count: 6)
    var count = 0
    while count < start.count {
        let read = try start.withUnsafeMutableBytes { try source.read(into: .init(rebasing: $0[count...])) }
        if read == 0 { break }
        count += read
    }
    let format = CompressionFormat(detectingIn: start[..<count])
    let whole = PrefixedSource(Array(start[..<count]), source)
    switch format {
    case .uncompressed: return (format, whole)
    case .gzip, .estargz: return (format, try GzipSource(whole))
    case .zstd: return (format, try ZstdSource(whole))
    case .bzip2: return (format, try Bzip2Source(whole))
    case .xz: return (format, try XZSource(whole))
    }
}

/// A sink that compresses into another.
///
/// The bytes depend on the input and the level, never on `threads`. For estargz the input is the archive of a layer, and the sink an
/// `EstargzSink`, which knows more once it is finished.
///
/// - Throws: `ArchiveError.cannotCompress` for bzip2 and xz.
@available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
package func compressing(
    into sink: any ByteSink,
    _ compression: Compression,
    threads: Int
) throws -> any ByteSink {
    switch compression.format {
    case .uncompressed: PassthroughSink(sink)
    case .gzip: try GzipSink(sink, level: compression.level, threads: threads)
    case .estargz: try EstargzSink(sink, level: compression.level, threads: threads)
    case .zstd: try ZstdSink(sink, level: compression.level, threads: threads)
    case .bzip2, .xz: throw ArchiveError.cannotCompress(compression.format)
    }
}

/// Some bytes that were read already, and then the rest.
package final class PrefixedSource: ByteSource {
    private var prefix: ArraySlice<UInt8>
    private let source: any ByteSource

    package init(_ prefix: [UInt8], _ source: any ByteSource) {
        self.prefix = prefix[...]
        self.source = source
    }

    package func read(into buffer: UnsafeMutableRawBufferPointer) throws -> Int {
        guard !prefix.isEmpty else { return try source.read(into: buffer) }
        let count = min(buffer.count, prefix.count)
        buffer.copyBytes(from: prefix.prefix(count))
        prefix = prefix.dropFirst(count)
        return count
    }
}

private final class PassthroughSink: ByteSink {
    private let sink: any ByteSink
    init(_ sink: any ByteSink) { self.sink = sink }
    func write(_ bytes: UnsafeRawBufferPointer) throws { try sink.write(bytes) }
}

/// The compressed bytes a decoder works on: a buffer that is refilled when it is used up.
final class InputBuffer {
    private let source: any ByteSource
    private let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: 128 << 10, alignment: 64)
    private var start = 0
    private var end = 0

    init(_ source: any ByteSource) { self.source = source }
    deinit { memory.deallocate() }

    /// What is there, after a refill where nothing was; empty at the end of the source.
    func available() throws -> UnsafeRawBufferPointer {
        if start == end {
            start = 0
            end = try source.read(into: memory)
        }
        return UnsafeRawBufferPointer(rebasing: memory[start..<end])
    }

    func consume(_ count: Int) { start += count }
}
