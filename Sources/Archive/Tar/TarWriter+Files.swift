package import LinuxSystem

extension TarWriter {
    /// More than this of a file that has no size is refused: it would have to be kept in memory.
    private static var longestUnsized: Int { 64 << 20 }

    /// Writes an entry whose content is a file that others may change at this moment.
    ///
    /// What fits the buffer is read before the header is written, so its size is the number of bytes that were there: the kernel's
    /// files in `/proc` and `/sys` give a wrong one. A longer file that grows is cut where it ended when it was opened.
    /// - Parameters:
    ///   - entry: the entry; its size is replaced.
    ///   - file: the content, from where it stands.
    ///   - buffer: what it is read through.
    /// - Returns: the sum of what was read.
    /// - Throws: `ArchiveError.sizeChanged` for a file that became shorter, `.overLimit` for one without a size that is very long,
    ///   `SystemCallError`, what the sink throws.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    @discardableResult
    package func append(
        _ entry: TarEntry,
        contentOf file: OpenFile,
        through buffer: UnsafeMutableRawBufferPointer
    ) throws -> FileSum {
        var entry = entry
        var counter = FileSum.Counter()
        let start = try Self.fill(buffer, from: file)
        entry.size = Int64(start.count)
        if start.count == buffer.count {
            let size = try file.status().size
            guard size >= Int64(start.count) else { return try append(entry, start, withoutSize: file, buffer) }
            entry.size = size
        }
        try begin(entry)
        try write(start)
        counter.add(start)
        var missing = entry.size - Int64(start.count)
        while missing > 0 {
            let wanted = Int(min(missing, Int64(buffer.count)))
            let piece = try Self.fill(UnsafeMutableRawBufferPointer(rebasing: buffer[..<wanted]), from: file)
            guard !piece.isEmpty else { throw ArchiveError.sizeChanged(entry: entry.path) }
            try write(piece)
            counter.add(piece)
            missing -= Int64(piece.count)
        }
        return counter.sum
    }

    /// Reads until the buffer is full or the file ends.
    private static func fill(
        _ buffer: UnsafeMutableRawBufferPointer,
        from file: OpenFile
    ) throws(SystemCallError) -> UnsafeRawBufferPointer {
        var count = 0
        while count < buffer.count {
            let read = try file.read(into: UnsafeMutableRawBufferPointer(rebasing: buffer[count...]))
            if read == 0 { break }
            count += read
        }
        return UnsafeRawBufferPointer(rebasing: buffer[..<count])
    }

    private func append(
        _ entry: TarEntry,
        _ start: UnsafeRawBufferPointer,
        withoutSize file: OpenFile,
        _ buffer: UnsafeMutableRawBufferPointer
    ) throws -> FileSum {
        var entry = entry
        var content = Array(start)
        while true {
            let piece = try Self.fill(buffer, from: file)
            if piece.isEmpty { break }
            content += piece
            guard content.count <= Self.longestUnsized else {
                throw ArchiveError.overLimit(what: "bytes in a file without a size", limit: Int64(Self.longestUnsized))
            }
        }
        entry.size = Int64(content.count)
        try begin(entry)
        try write(content)
        var counter = FileSum.Counter()
        counter.add(content)
        return counter.sum
    }
}
