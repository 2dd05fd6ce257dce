import CZstd
import LinuxSystem
import SystemPackage

/// Decompresses Zstandard (RFC 8878): one or more frames, skippable ones ignored, windows up to 128 MiB.
package final class ZstdSource: ByteSource {
    private let input: InputBuffer
    private let context: OpaquePointer
    /// What the decoder says is missing of the current frame; 0 between frames.
    private var hint = 0

    package init(_ source: any ByteSource) throws {
        guard let context = ZSTD_createDCtx() else { throw SystemCallError("malloc", errno: .noMemory) }
        self.context = context
        input = InputBuffer(source)
        try check(ZSTD_DCtx_setParameter(context, ZSTD_d_windowLogMax, 27))
    }

    deinit { ZSTD_freeDCtx(context) }

    package func read(into buffer: UnsafeMutableRawBufferPointer) throws -> Int {
        while true {
            let available = try input.available()
            if available.isEmpty, hint == 0 { return 0 }
            var from = ZSTD_inBuffer(src: available.baseAddress, size: available.count, pos: 0)
            var to = ZSTD_outBuffer(dst: buffer.baseAddress, size: buffer.count, pos: 0)
            hint = try check(ZSTD_decompressStream(context, &to, &from))
            input.consume(from.pos)
            if to.pos > 0 { return to.pos }
            if available.isEmpty { throw ArchiveError.truncated(entry: nil) }
        }
    }
}

/// Compresses to one Zstandard frame with a checksum.
///
/// The bytes are the same for any number of threads.
package final class ZstdSink: ByteSink {
    private let sink: any ByteSink
    private let context: OpaquePointer
    private let output = UnsafeMutableRawBufferPointer.allocate(byteCount: 256 << 10, alignment: 64)

    /// Prepares the compressor.
    /// - Parameters:
    ///   - sink: takes the compressed bytes.
    ///   - level: 0 to 22, where 0 is the fastest as 1 is; nil for zstd's default.
    ///   - threads: how many jobs are compressed at once.
    /// - Throws: `SystemCallError` without memory for it.
    package init(_ sink: any ByteSink, level: Int?, threads: Int) throws {
        guard let context = ZSTD_createCCtx() else { throw SystemCallError("malloc", errno: .noMemory) }
        self.context = context
        self.sink = sink
        try check(ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, Self.level(level)))
        try check(ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 1))
        // At least one worker: with none, the library cuts jobs differently and the bytes differ. See zstd.h, nbWorkers.
        try check(ZSTD_CCtx_setParameter(context, ZSTD_c_nbWorkers, CInt(min(max(threads, 1), 8))))
    }

    /// The library's level for a level as users give it.
    static func level(_ level: Int?) -> CInt { CInt(min(max(level ?? 3, 1), 22)) }

    deinit {
        ZSTD_freeCCtx(context)
        output.deallocate()
    }

    package func write(_ bytes: UnsafeRawBufferPointer) throws { try push(bytes, ZSTD_e_continue) }
    package func finish() throws { try push(UnsafeRawBufferPointer(start: nil, count: 0), ZSTD_e_end) }

    private func push(_ bytes: UnsafeRawBufferPointer, _ directive: ZSTD_EndDirective) throws {
        var from = ZSTD_inBuffer(src: bytes.baseAddress, size: bytes.count, pos: 0)
        while true {
            var to = ZSTD_outBuffer(dst: output.baseAddress, size: output.count, pos: 0)
            let left = try check(ZSTD_compressStream2(context, &to, &from, directive))
            if to.pos > 0 { try sink.write(UnsafeRawBufferPointer(rebasing: output[..<to.pos])) }
            if directive == ZSTD_e_end ? left == 0 : from.pos == from.size { return }
        }
    }
}

@discardableResult
private func check(_ code: Int) throws(ArchiveError) -> Int {
    if ZSTD_isError(code) == 0 { return code }
    throw .damagedCompression(.zstd, reason: String(cString: ZSTD_getErrorName(code)))
}
