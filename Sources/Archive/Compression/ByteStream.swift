package import LinuxSystem
package import OCI

/// Bytes that are pulled.
///
/// Reading blocks; a source belongs to one thread at a time.
package protocol ByteSource: AnyObject {
    /// Fills at most the buffer (which is not empty) and says how much it filled; 0 is the end.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    func read(into buffer: UnsafeMutableRawBufferPointer) throws -> Int
}

/// Bytes that are pushed.
///
/// Writing blocks; a sink belongs to one thread at a time.
package protocol ByteSink: AnyObject {
    /// Takes all the bytes.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    func write(_ bytes: UnsafeRawBufferPointer) throws
    /// Says that nothing follows. Whoever made the sink below this one finishes that one too.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    func finish() throws
}

extension ByteSink {
    /// Takes all the bytes.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package func write(_ bytes: [UInt8]) throws { try bytes.withUnsafeBytes { try write($0) } }

    package func finish() throws {}
}

extension ByteSource {
    /// Reads everything that is left, at most `limit` bytes.
    /// - Throws: `ArchiveError.overLimit` for more.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package func readToEnd(limit: Int = .max) throws -> [UInt8] {
        var content: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 65_536)
        while true {
            let count = try chunk.withUnsafeMutableBytes { try read(into: $0) }
            if count == 0 { return content }
            if content.count + count > limit { throw ArchiveError.overLimit(what: "bytes", limit: Int64(limit)) }
            content.append(contentsOf: chunk[..<count])
        }
    }

    /// Reads to the end and forgets what it read.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package func drain() throws {
        var chunk = [UInt8](repeating: 0, count: 262_144)
        while try chunk.withUnsafeMutableBytes({ try read(into: $0) }) != 0 {}
    }

    /// Writes everything that is left to a sink; the sink is not finished.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package func copy(to sink: any ByteSink) throws {
        let chunk = UnsafeMutableRawBufferPointer.allocate(byteCount: 262_144, alignment: 16)
        defer { chunk.deallocate() }
        while true {
            let count = try read(into: chunk)
            if count == 0 { return }
            try sink.write(UnsafeRawBufferPointer(rebasing: chunk[..<count]))
        }
    }
}

/// The rest of an open file.
package final class FileSource: ByteSource {
    private let file: OpenFile
    package init(_ file: OpenFile) { self.file = file }
    package func read(into buffer: UnsafeMutableRawBufferPointer) throws -> Int { try file.read(into: buffer) }
}

/// An open file that is written from where it stands.
package final class FileSink: ByteSink {
    private let file: OpenFile
    package init(_ file: OpenFile) { self.file = file }
    package func write(_ bytes: UnsafeRawBufferPointer) throws { try file.write(bytes) }
}

/// Bytes in memory.
package final class MemorySource: ByteSource {
    private let bytes: [UInt8]
    private var position = 0
    package init(_ bytes: [UInt8]) { self.bytes = bytes }

    package func read(into buffer: UnsafeMutableRawBufferPointer) throws -> Int {
        let count = min(buffer.count, bytes.count - position)
        buffer.copyBytes(from: bytes[position..<position + count])
        position += count
        return count
    }
}

/// Collects what is written.
package final class MemorySink: ByteSink {
    package private(set) var bytes: [UInt8] = []
    package init() {}
    package func write(_ bytes: UnsafeRawBufferPointer) throws { self.bytes.append(contentsOf: bytes) }
}

/// Hashes and counts what passes through, or what would be written if there is no sink behind it.
package final class DigestingSink: ByteSink {
    private let sink: (any ByteSink)?
    private var digester: Digester
    /// Bytes so far.
    package private(set) var count: Int64 = 0

    package init(_ sink: (any ByteSink)? = nil, algorithm: Digest.Algorithm = .sha256) {
        self.sink = sink
        digester = Digester(algorithm)
    }

    package func write(_ bytes: UnsafeRawBufferPointer) throws {
        digester.update(bytes)
        count += Int64(bytes.count)
        try sink?.write(bytes)
    }

    /// Of everything so far.
    package var digest: Digest { digester.finalize() }
}

/// Hashes and counts what is read through it, and refuses to read past a limit.
package final class DigestingSource: ByteSource {
    private let source: any ByteSource
    private let limit: Int64
    private var digester: Digester
    /// Bytes so far.
    package private(set) var count: Int64 = 0

    package init(_ source: any ByteSource, algorithm: Digest.Algorithm = .sha256, limit: Int64 = .max) {
        self.source = source
        self.limit = limit
        digester = Digester(algorithm)
    }

    package func read(into buffer: UnsafeMutableRawBufferPointer) throws -> Int {
        let read = try source.read(into: buffer)
        count += Int64(read)
        if count > limit { throw ArchiveError.overLimit(what: "bytes once it is decompressed", limit: limit) }
        digester.update(UnsafeRawBufferPointer(rebasing: buffer[..<read]))
        return read
    }

    /// Of everything so far.
    package var digest: Digest { digester.finalize() }
}
