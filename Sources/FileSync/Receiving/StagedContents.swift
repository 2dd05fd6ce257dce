internal import Archive
internal import FoundationEssentials
internal import Hashing
internal import LinuxSystem
internal import Text

/// The files whose content was asked for and is not complete.
struct StagedContents {
    private struct Content {
        let path: [UInt8]
        let metadata: EntryMetadata
        let directory: SentDirectory
        var file: OpenFile?
        var isBegun = false
        var hash = SecureHash()
    }

    /// How many files are held open: a sender sends a few at a time, whatever it may announce.
    private static let maximumOpen = 64

    private let workshop: Workshop
    private let limit: Int64
    private var awaited: [UInt32: Content] = [:]
    /// Those that are open, the longest first.
    private var open: [UInt32] = []
    private(set) var bytes: Int64 = 0
    private(set) var count = 0
    private let isDigesting: Bool
    /// The files that are complete, if they are digested.
    private(set) var digested: [ReceivedContent] = []

    init(workshop: Workshop, limit: Int64, isDigesting: Bool) {
        self.workshop = workshop
        self.limit = limit
        self.isDigesting = isDigesting
    }

    var isEmpty: Bool { awaited.isEmpty }

    mutating func await(_ id: UInt32, _ entry: SentEntry, in directory: SentDirectory) {
        awaited[id] = Content(path: entry.path, metadata: entry.metadata, directory: directory)
        count += 1
    }

    /// Takes a piece of a file.
    ///
    /// As in BuildKit, a file may have become longer or shorter since it was announced. It is not taken for what was
    /// announced then: its size tells the next sync.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    mutating func write(_ data: Data, to id: UInt32) throws {
        guard bytes <= limit - Int64(data.count) else { throw FileSyncError.tooMuchContent(limit: limit) }
        bytes += Int64(data.count)
        let file = try file(of: id)
        try naming(path(of: id)) { try data.withUnsafeBytes { try file.write($0) } }
        if isDigesting { data.withUnsafeBytes { awaited[id]?.hash.update($0) } }
    }

    /// Ends a file, and puts it in its place.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    mutating func complete(_ id: UInt32, _ handles: inout DirectoryHandles) throws {
        let file = try file(of: id)
        guard let content = awaited.removeValue(forKey: id) else { return }
        open.removeAll { $0 == id }
        try naming(content.path) {
            try content.metadata.giveToNew(file)
            try workshop.file(id).move(to: content.path.lastComponent, of: handles.handle(of: content.directory))
            // What has attributes is read again by those who want their digest as well.
            guard isDigesting, content.isBegun, try copiedAttributes(of: file).isEmpty else { return }
            digested.append(
                ReceivedContent(path: content.path, status: try file.status(), sha256: content.hash.finalized())
            )
        }
    }

    private func path(of id: UInt32) -> [UInt8] { awaited[id]?.path ?? [] }

    private mutating func file(of id: UInt32) throws -> OpenFile {
        guard let content = awaited[id] else { throw FileSyncError.unrequestedContent(id: id) }
        if let file = content.file { return file }
        if open.count >= Self.maximumOpen { awaited[open.removeFirst()]?.file = nil }
        let file = try naming(content.path) { try workshop.openFile(id, isNew: !content.isBegun) }
        awaited[id]?.file = file
        awaited[id]?.isBegun = true
        open.append(id)
        return file
    }
}
