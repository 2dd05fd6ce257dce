import CBzip2
import CLZMA
import LinuxSystem
import SystemPackage

/// Decompresses bzip2, one or more streams.
package final class Bzip2Source: ByteSource {
    private let input: InputBuffer
    private let stream = UnsafeMutablePointer<bz_stream>.allocate(capacity: 1)
    private var isBetweenStreams = false

    package init(_ source: any ByteSource) throws {
        input = InputBuffer(source)
        stream.initialize(to: bz_stream())
        try check(BZ2_bzDecompressInit(stream, 0, 0))
    }

    deinit {
        BZ2_bzDecompressEnd(stream)
        stream.deallocate()
    }

    package func read(into buffer: UnsafeMutableRawBufferPointer) throws -> Int {
        while true {
            let available = try input.available()
            if isBetweenStreams {
                if available.isEmpty { return 0 }
                BZ2_bzDecompressEnd(stream)
                stream.pointee = bz_stream()
                try check(BZ2_bzDecompressInit(stream, 0, 0))
                isBetweenStreams = false
            }
            // The library reads through this pointer and never writes.
            stream.pointee.next_in = UnsafeMutablePointer(
                mutating: available.baseAddress?.assumingMemoryBound(to: CChar.self)
            )
            stream.pointee.avail_in = UInt32(available.count)
            stream.pointee.next_out = buffer.baseAddress?.assumingMemoryBound(to: CChar.self)
            let capacity = UInt32(clamping: buffer.count)
            stream.pointee.avail_out = capacity
            let code = BZ2_bzDecompress(stream)
            input.consume(available.count - Int(stream.pointee.avail_in))
            if code == BZ_STREAM_END { isBetweenStreams = true } else { try check(code) }
            let produced = Int(capacity - stream.pointee.avail_out)
            if produced > 0 { return produced }
            if available.isEmpty, !isBetweenStreams { throw ArchiveError.truncated(entry: nil) }
        }
    }

    private func check(_ code: CInt) throws(ArchiveError) {
        if code != BZ_OK { throw .damagedCompression(.bzip2, reason: "invalid data (\(code))") }
    }
}

/// Decompresses xz, one or more streams, with dictionaries up to what 128 MiB of memory allow.
package final class XZSource: ByteSource {
    private let input: InputBuffer
    private let stream: UnsafeMutablePointer<lzma_stream>
    private var isAtEnd = false

    package init(_ source: any ByteSource) throws {
        guard let stream = slipway_xz_create(128 << 20) else { throw SystemCallError("malloc", errno: .noMemory) }
        self.stream = stream
        input = InputBuffer(source)
    }

    deinit { slipway_xz_destroy(stream) }

    package func read(into buffer: UnsafeMutableRawBufferPointer) throws -> Int {
        while !isAtEnd {
            let available = try input.available()
            stream.pointee.next_in = available.baseAddress?.assumingMemoryBound(to: UInt8.self)
            stream.pointee.avail_in = available.count
            stream.pointee.next_out = buffer.baseAddress?.assumingMemoryBound(to: UInt8.self)
            stream.pointee.avail_out = buffer.count
            let code = lzma_code(stream, available.isEmpty ? LZMA_FINISH : LZMA_RUN)
            input.consume(available.count - stream.pointee.avail_in)
            switch code {
            case LZMA_OK: break
            case LZMA_STREAM_END: isAtEnd = true
            case LZMA_BUF_ERROR: throw ArchiveError.truncated(entry: nil)
            case LZMA_MEMLIMIT_ERROR:
                throw ArchiveError.damagedCompression(.xz, reason: "needs more than 128 MiB of memory")
            default: throw ArchiveError.damagedCompression(.xz, reason: "invalid data (\(code.rawValue))")
            }
            let produced = buffer.count - stream.pointee.avail_out
            if produced > 0 { return produced }
        }
        return 0
    }
}
