import LinuxSystem
internal import Text

/// Reads a tar archive member by member, in bounded memory.
///
/// ustar, PAX with global headers, GNU long names and sparse files in all their forms are read. What readers in use (GNU tar,
/// Go, Python) understand differently is refused rather than guessed, so that no reader sees other members than we do.
///
///     while let entry = try reader.next() {
///         while let piece = try reader.nextContent() { … }
///     }
package final class TarReader {
    private let source: any ByteSource
    let limits: ArchiveLimits
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 512 << 10, alignment: 64)
    var start = 0
    private var end = 0
    /// Bytes taken from the source.
    private var taken: Int64 = 0

    /// Stored bytes of the current member not yet handed out, and the padding after them.
    var remaining: Int64 = 0
    private var padding = 0
    /// Where the next stored byte belongs in the file, and what is left of the pieces of a sparse one.
    private var position: Int64 = 0
    private var pieces: ArraySlice<TarEntry.Piece>?
    private var current: [UInt8]?
    private var global: PAXRecords?
    private var count: Int64 = 0
    private var isAtEnd = false

    package init(_ source: any ByteSource, limits: ArchiveLimits = ArchiveLimits()) {
        self.source = source
        self.limits = limits
    }

    deinit { buffer.deallocate() }

    /// How many bytes of the archive were used: after `next` the member's content begins here, after `nextContent` what follows it.
    package var offset: Int64 { taken - Int64(end - start) }

    /// Whether the source begins as an archive with members does: with a header, whatever it says.
    ///
    /// Nothing is lost: the member can still be read.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package func beginsWithHeader() throws -> Bool {
        do {
            guard try fill(TarHeader.size) else { return false }
            let block = UnsafeRawBufferPointer(rebasing: buffer[start..<start + TarHeader.size])
            if block.allSatisfy({ $0 == 0 }) { return false }
            _ = try TarHeader(block)
            return true
        } catch is ArchiveError {
            return false
        }
    }

    /// The next member, after skipping what is left of the current one; nil at the end of the archive.
    /// - Throws: `ArchiveError`, or what the source throws.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package func next() throws -> TarEntry? {
        if isAtEnd { return nil }
        try skipContent()
        var pending = Pending()
        while true {
            guard try fill(TarHeader.size) else {
                guard pending.isEmpty else { throw ArchiveError.truncated(entry: pending.longName) }
                isAtEnd = true
                return nil
            }
            let block = UnsafeRawBufferPointer(rebasing: buffer[start..<start + TarHeader.size])
            if block.allSatisfy({ $0 == 0 }) {
                guard pending.isEmpty else { throw ArchiveError.truncated(entry: pending.longName) }
                try checkEnd()
                return nil
            }
            let header = try TarHeader(block)
            switch header.typeFlag {
            case "x", "g", "L", "K":
                try readExtension(header, &pending)
            default:
                count += 1
                if count > limits.entries { throw ArchiveError.overLimit(what: "entries", limit: limits.entries) }
                if isNothing(header), pending.isEmpty {
                    enterContent(size: 0)
                    continue
                }
                let entry = try makeEntry(header, pending)
                current = entry.path
                return entry
            }
        }
    }

    /// Some bytes of the current member and where they belong in the file; nil at its end.
    ///
    /// Valid until the next call.
    ///
    /// - Throws: `ArchiveError`, or what the source throws.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package func nextContent() throws -> (offset: Int64, bytes: UnsafeRawBufferPointer)? {
        if remaining == 0 { return nil }
        if start == end, try !fill(1) { throw ArchiveError.truncated(entry: current) }
        var count = Int(min(Int64(end - start), remaining))
        if let left = pieces {
            // The map was checked: its pieces add up to the stored bytes.
            guard let piece = left.first(where: { position < $0.offset + $0.count }) else { return nil }
            pieces = left.drop { position >= $0.offset + $0.count }
            position = max(position, piece.offset)
            count = Int(min(Int64(count), piece.offset + piece.count - position))
        }
        let bytes = UnsafeRawBufferPointer(rebasing: buffer[start..<start + count])
        let offset = position
        start += count
        remaining -= Int64(count)
        position += Int64(count)
        return (offset, bytes)
    }

    /// The rest of the current member's content.
    /// - Throws: `ArchiveError.overLimit` when it is longer than `limit`.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package func readContent(limit: Int) throws -> [UInt8] {
        guard remaining <= Int64(limit) else {
            throw ArchiveError.overLimit(what: "bytes in one of its files that must be small", limit: Int64(limit))
        }
        var content: [UInt8] = []
        while let piece = try nextContent() {
            if piece.offset > Int64(limit) { throw ArchiveError.overLimit(what: "bytes", limit: Int64(limit)) }
            if Int(piece.offset) > content.count {
                content.append(contentsOf: repeatElement(0, count: Int(piece.offset) - content.count))
            }
            content.append(contentsOf: piece.bytes)
        }
        return content
    }

    /// Reads the source to its end, whatever follows the archive, so that a digest of the source is complete.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package func drain() throws {
        start = end
        try source.drain()
    }

    // MARK: Bytes

    /// Makes at least `count` bytes available; false at the end of the source.
    /// - Throws: `ArchiveError.truncated` when the source ends in the middle of them.
    func fill(_ count: Int) throws -> Bool {
        if end - start >= count { return true }
        if start > 0 {
            buffer.copyMemory(from: UnsafeRawBufferPointer(rebasing: buffer[start..<end]))
            end -= start
            start = 0
        }
        while end - start < count {
            let read = try source.read(into: UnsafeMutableRawBufferPointer(rebasing: buffer[end...]))
            if read == 0 {
                if end == start { return false }
                throw ArchiveError.truncated(entry: current)
            }
            end += read
            taken += Int64(read)
        }
        return true
    }

    private func skipContent() throws {
        var left = remaining + Int64(padding)
        while left > 0 {
            if start == end, try !fill(1) {
                // umoci ends an archive with the content of its last member; Go and GNU tar read that, too.
                if left <= padding { break }
                throw ArchiveError.truncated(entry: current)
            }
            let count = Int(min(Int64(end - start), left))
            start += count
            left -= Int64(count)
        }
        remaining = 0
        padding = 0
        pieces = nil
        position = 0
    }

    /// Takes the current header off the buffer and stands before `size` bytes of content.
    private func enterContent(size: Int64) {
        start += TarHeader.size
        remaining = size
        padding = Int((512 - size % 512) % 512)
        position = 0
        pieces = nil
    }

    /// After one block of zeros: a second one, or nothing at all.
    private func checkEnd() throws {
        isAtEnd = true
        start += TarHeader.size
        guard try fill(TarHeader.size) else { return }
        guard buffer[start..<start + TarHeader.size].allSatisfy({ $0 == 0 }) else {
            throw ArchiveError.invalidHeader(reason: "one block of zeros stands between members", entry: current)
        }
    }

    // MARK: Headers

    /// What extension members said about the member that follows them.
    private struct Pending {
        var extended: PAXRecords?
        var longName: [UInt8]?
        var longLink: [UInt8]?
        var isEmpty: Bool { extended == nil && longName == nil && longLink == nil }
    }

    private func readExtension(_ header: TarHeader, _ pending: inout Pending) throws {
        let flag = header.typeFlag
        let name = header.name
        let size = try header.number(124..<136, "size")
        guard size >= 0, size <= Int64(limits.headerBytes) else {
            throw ArchiveError.overLimit(what: "bytes in an extended header", limit: Int64(limits.headerBytes))
        }
        func refuse(_ reason: String) -> ArchiveError { .invalidHeader(reason: reason, entry: name) }
        enterContent(size: size)
        let content = try readContent(limit: limits.headerBytes)
        try skipContent()
        switch flag {
        case "x":
            guard pending.extended == nil else { throw refuse("two extended headers in a row") }
            pending.extended = try PAXRecords(content)
        case "g":
            guard pending.isEmpty else { throw refuse("a global header between an extended header and its member") }
            let records = try PAXRecords(content)
            for record in records.records {
                let key = String(decoding: record.key, as: UTF8.self)
                let isPerFile = ["path", "linkpath", "size", "hdrcharset"].contains(key)
                if isPerFile || key.hasPrefix("SCHILY.") || key.hasPrefix("GNU.") {
                    throw refuse("a global header sets \(escapedForDisplay(record.key))")
                }
            }
            global = records
        case "L":
            guard pending.longName == nil else { throw refuse("two long names in a row") }
            pending.longName = try longText(content, name)
        default:
            guard pending.longLink == nil else { throw refuse("two long link names in a row") }
            pending.longLink = try longText(content, name)
        }
    }

    /// The content of a GNU `L` or `K` member: text that ends with NUL.
    private func longText(_ content: [UInt8], _ name: [UInt8]) throws(ArchiveError) -> [UInt8] {
        let text = Array(content.prefix { $0 != 0 })
        guard !text.isEmpty, content[text.count...].allSatisfy({ $0 == 0 }) else {
            throw .invalidHeader(reason: "a long name is empty or holds NUL", entry: name)
        }
        return text
    }

    private func makeEntry(_ header: TarHeader, _ pending: Pending) throws -> TarEntry {
        let extended = pending.extended
        if pending.longName != nil || pending.longLink != nil, extended != nil {
            throw ArchiveError.invalidHeader(reason: "both an extended header and a GNU long name", entry: header.name)
        }
        if let charset = try extended?.single("hdrcharset"),
            charset != "BINARY", charset != "ISO-IR 10646 2000 UTF-8"
        {
            throw ArchiveError.invalidHeader(reason: "unknown character set", entry: header.name)
        }
        var path = try extended?.name("path") ?? pending.longName ?? header.name
        let link = try extended?.name("linkpath") ?? pending.longLink ?? header.linkName
        func refuse(_ reason: String) -> ArchiveError { .invalidHeader(reason: reason, entry: path) }
        guard !path.isEmpty else { throw refuse("it has no name") }

        let stored = try storedSize(header, extended, path)
        let kind = try kind(header, path: path, link: link, size: stored)
        let mode = try header.number(100..<108, "mode")
        var entry = TarEntry(
            path: path,
            kind: kind,
            mode: UInt16(truncatingIfNeeded: mode & 0o7777),
            userID: try identity(header, 108..<116, "uid", extended, path),
            groupID: try identity(header, 116..<124, "gid", extended, path),
            size: kind == .regular ? stored : 0,
            modified: try extended?.time("mtime") ?? global?.time("mtime")
                ?? FileTime(seconds: try header.number(136..<148, "mtime")),
            attributes: extended?.extendedAttributes() ?? []
        )
        let sparse = try sparseKind(header, extended)
        if case .gnu = sparse {
            let (map, size) = try oldSparseMap(header, path)
            entry.size = size
            entry.pieces = map
        }
        enterContent(size: kind == .regular ? stored : 0)
        if case .pax = sparse, let extended, kind == .regular {
            let map = try paxSparseMap(extended, path)
            entry.pieces = map.pieces
            entry.size = map.size
            if let name = try extended.name("GNU.sparse.name") { path = name }
            entry.path = path
        }
        if let map = entry.pieces {
            try checkMap(map, size: entry.size, path)
            pieces = map[...]
        }
        return entry
    }

    /// How many bytes of content are stored.
    ///
    /// A PAX size replaces the header's; where both say something, they must agree.
    private func storedSize(_ header: TarHeader, _ extended: PAXRecords?, _ path: [UInt8]) throws(ArchiveError) -> Int64
    {
        let own = try header.number(124..<136, "size")
        let given = try extended?.number("size")
        if let given, given != own, own != 0, given < 1 << 33 {
            throw .invalidHeader(reason: "the header says \(own) bytes, its extension \(given)", entry: path)
        }
        let size = given ?? own
        guard size >= 0 else { throw .invalidHeader(reason: "its size is negative", entry: path) }
        // One more than a hard link ever stores: all readers in use take those as empty.
        if header.typeFlag == "1" { return 0 }
        guard size <= limits.expandedBytes else { throw .overLimit(what: "bytes", limit: limits.expandedBytes) }
        return size
    }

    private func identity(
        _ header: TarHeader,
        _ range: Range<Int>,
        _ key: String,
        _ extended: PAXRecords?,
        _ path: [UInt8]
    ) throws(ArchiveError) -> UInt32 {
        var value = try extended?.number(key)
        if value == nil { value = try global?.number(key) }
        let number = if let value { value } else { try header.number(range, key) }
        // 2^32-1 means "do not change" to chown(2).
        guard let id = UInt32(exactly: number), id != .max else {
            throw .invalidHeader(reason: "\(key) \(number) is not a valid id", entry: path)
        }
        return id
    }

    /// Some writers begin with an empty file without a name, which no reader makes anything of.
    private func isNothing(_ header: TarHeader) -> Bool {
        header.name.isEmpty && [0, "0"].contains(header.typeFlag)
            && (try? header.number(124..<136, "size")) == 0
    }

    private func kind(_ header: TarHeader, path: [UInt8], link: [UInt8], size: Int64) throws(ArchiveError)
        -> TarEntry.Kind
    {
        func refuse(_ reason: String) -> ArchiveError { .invalidHeader(reason: reason, entry: path) }
        let hasSlash = path.last == "/"
        let kind: TarEntry.Kind
        switch header.typeFlag {
        case 0 where hasSlash: kind = .directory
        case 0, "0", "7", "S":
            guard !hasSlash else { throw refuse("a file whose name ends in a slash") }
            return .regular
        case "1", "2":
            guard !link.isEmpty else { throw refuse("a link without a target") }
            kind = header.typeFlag == "1" ? .hardLink(target: link) : .symbolicLink(target: link)
        case "3":
            let (major, minor) = try device(header, path)
            kind = .characterDevice(major: major, minor: minor)
        case "4":
            let (major, minor) = try device(header, path)
            kind = .blockDevice(major: major, minor: minor)
        case "5": kind = .directory
        case "6": kind = .fifo
        default: throw refuse("unknown type \"\(escapedForDisplay([header.typeFlag]))\"")
        }
        guard size == 0 else { throw refuse("it has content and is not a regular file") }
        return kind
    }

    private func device(_ header: TarHeader, _ path: [UInt8]) throws(ArchiveError) -> (UInt32, UInt32) {
        let major = try header.number(329..<337, "device number")
        let minor = try header.number(337..<345, "device number")
        guard let major = UInt32(exactly: major), let minor = UInt32(exactly: minor) else {
            throw .invalidHeader(reason: "its device number is out of range", entry: path)
        }
        return (major, minor)
    }
}
