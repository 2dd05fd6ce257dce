internal import Archive
internal import LinuxSystem
internal import OCI
internal import Storage
internal import Text

/// What an image archive (of `docker save`, an OCI layout as a tar) holds, read in one pass: layers have become blobs of the
/// store, documents are in memory.
///
/// Members are names in a table; nothing is ever written under them.
struct ArchiveMembers: Sendable {
    private enum Member: Sendable {
        case document([UInt8])
        case layer(StoredLayer)
        /// A link to the member of this path.
        case link(path: [UInt8])
    }

    /// Larger members are layers; smaller ones are documents if they look like JSON.
    private static let maximumDocument = StrictJSON.maximumSize
    private static let maximumDocuments = 64 << 20
    private static let maximumMembers = 100_000

    private var members: [[UInt8]: Member] = [:]
    private var documentBytes = 0

    // MARK: Reading

    /// Reads an archive, compressed or not, to its end.
    ///
    /// - Parameters:
    ///   - source: the archive.
    ///   - intake: where layers go.
    ///   - isCancelled: asked between pieces; true ends the work.
    /// - Throws: `ImageError.invalidArchive`, `ArchiveError`, `StorageError`, `CancellationError`.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    init(reading source: any ByteSource, intake: LayerIntake, isCancelled: @escaping @Sendable () -> Bool) throws {
        let plain = try decompressing(CancellableSource(source, isCancelled)).source
        let reader = TarReader(DigestingSource(plain, limit: intake.limits.expandedBytes), limits: intake.limits)
        while let entry = try reader.next() {
            try add(entry, content: MemberSource(reader), intake: intake)
        }
        // A pipe's writer must be able to end.
        try reader.drain()
        if members.isEmpty { throw ImageError.invalidArchive(reason: "it has no files") }
    }

    private mutating func add(_ entry: TarEntry, content: MemberSource, intake: LayerIntake) throws {
        let path = try Self.path(entry.path, in: [])
        if members.count >= Self.maximumMembers {
            throw ImageError.invalidArchive(reason: "it has more than \(Self.maximumMembers) files")
        }
        switch entry.kind {
        case .directory: return
        case .symbolicLink(let target): members[path] = .link(path: try Self.path(target, in: path.dropLastPart))
        case .hardLink(let target): members[path] = .link(path: try Self.path(target, in: []))
        case .characterDevice, .blockDevice, .fifo:
            throw ImageError.invalidArchive(reason: "\"\(escapedForDisplay(path))\" is a device or a pipe")
        case .regular:
            guard members[path] == nil else {
                throw ImageError.invalidArchive(reason: "\"\(escapedForDisplay(path))\" appears in it twice")
            }
            members[path] = try take(entry, content, intake)
        }
    }

    private mutating func take(_ entry: TarEntry, _ content: MemberSource, _ intake: LayerIntake) throws -> Member {
        let start = try content.peek()
        let looksLikeJSON = start == "{" || start == "["
        // What is tiny, as `VERSION`, is no blob until something calls it a layer.
        if entry.size < 4096 || (looksLikeJSON && entry.size <= Int64(Self.maximumDocument)) {
            documentBytes += Int(entry.size)
            guard documentBytes <= Self.maximumDocuments else {
                throw ImageError.invalidArchive(reason: "its documents have more than \(Self.maximumDocuments) bytes")
            }
            return .document(try content.readToEnd(limit: Self.maximumDocument))
        }
        return .layer(try Self.takeLayer(content, named: entry.path, intake))
    }

    private static func takeLayer(_ content: any ByteSource, named path: [UInt8], _ intake: LayerIntake) throws
        -> StoredLayer
    {
        do {
            return try intake.take(content)
        } catch let error as ArchiveError {
            throw ImageError.invalidArchive(reason: "\"\(escapedForDisplay(path))\" is not a layer: \(error)")
        }
    }

    /// The parts of a path, joined to those of a directory; `..` may not leave the archive.
    private static func path(_ path: [UInt8], in directory: [UInt8]) throws -> [UInt8] {
        let slash: UInt8 = "/"
        var parts = path.first == slash ? [] : directory.split(separator: slash)
        for part in path.split(separator: slash) where part != "." {
            if part == ".." {
                guard parts.popLast() != nil else {
                    throw ImageError.invalidArchive(reason: "\"\(escapedForDisplay(path))\" leads out of it")
                }
            } else {
                parts.append(part)
            }
        }
        return Array(parts.joined(separator: [slash]))
    }

    // MARK: Asking

    /// A document by its path; nil if there is none.
    func document(_ path: String) throws -> [UInt8]? {
        guard case .document(let bytes) = try member(path) else { return nil }
        return bytes
    }

    /// A layer by its path; nil if there is none.
    ///
    /// A small layer is still a document until it is asked for as a layer.
    func layer(_ path: String, intake: LayerIntake) async throws -> StoredLayer? {
        switch try member(path) {
        case .layer(let layer): layer
        case .document(let bytes):
            try await onBlockingPool { try Self.takeLayer(MemorySource(bytes), named: Array(path.utf8), intake) }
        case .link, nil: nil
        }
    }

    private func member(_ text: String) throws -> Member? {
        var path = try Self.path(Array(text.utf8), in: [])
        for _ in 0..<16 {
            guard case .link(let target) = members[path] else { return members[path] }
            path = target
        }
        throw ImageError.invalidArchive(reason: "\"\(text)\" is a link to a file that does not exist")
    }
}

extension [UInt8] {
    fileprivate var dropLastPart: [UInt8] { Array(self[..<(lastIndex(of: "/") ?? 0)]) }
}

/// A source that ends with an error once its task is cancelled.
final class CancellableSource: ByteSource {
    private let source: any ByteSource
    private let isCancelled: @Sendable () -> Bool

    init(_ source: any ByteSource, _ isCancelled: @escaping @Sendable () -> Bool) {
        self.source = source
        self.isCancelled = isCancelled
    }

    func read(into buffer: UnsafeMutableRawBufferPointer) throws -> Int {
        if isCancelled() { throw CancellationError() }
        return try source.read(into: buffer)
    }
}

/// The content of the current member of an archive.
private final class MemberSource: ByteSource {
    private let reader: TarReader
    private var piece: UnsafeRawBufferPointer?
    private var position: Int64 = 0

    init(_ reader: TarReader) { self.reader = reader }

    /// The first byte, which stays to be read.
    func peek() throws -> UInt8? {
        try fill()
        return piece?.first
    }

    func read(into buffer: UnsafeMutableRawBufferPointer) throws -> Int {
        try fill()
        guard let rest = piece else { return 0 }
        let count = min(buffer.count, rest.count)
        buffer.copyMemory(from: UnsafeRawBufferPointer(rebasing: rest[..<count]))
        piece = count == rest.count ? nil : UnsafeRawBufferPointer(rebasing: rest[count...])
        return count
    }

    private func fill() throws {
        guard piece == nil, let next = try reader.nextContent() else { return }
        guard next.offset == position else { throw ImageError.invalidArchive(reason: "it has sparse files") }
        position += Int64(next.bytes.count)
        piece = next.bytes
    }
}
