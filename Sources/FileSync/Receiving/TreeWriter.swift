internal import LinuxSystem
internal import SystemPackage
internal import Text

/// Makes a directory hold the entries that come, one after another, and removes what is not among them.
///
/// An entry that is there as it was sent is not touched. Anything else is made in a directory for unfinished things and
/// renamed to its place when it is complete, so that whatever stands in the tree is what it looks like, whenever the sync
/// is cut. Directories get their mode and time last. Nothing is looked up through a link.
struct TreeWriter {
    private struct Level {
        let directory: SentDirectory
        /// The names that it had before and that are still to be compared, the first last.
        var held: [[UInt8]]
    }

    struct Link {
        let directory: SentDirectory
        let path: [UInt8]
        let target: [UInt8]
    }

    let root: RootedDirectory
    let workshop: Workshop
    let isMerging: Bool
    let comparison: FileReceiver.Comparison
    var handles: DirectoryHandles
    var links: [Link] = []
    /// What was removed, replaced or made.
    var changes = 0
    private var levels: [Level]
    /// See `FileReceiver`; nil where anything may have attributes.
    private var plainMark: FilePath?
    private var directories: [SentDirectory] = []
    /// Inodes with several names that a file was found in: a second one must not share them unless it was sent as a link.
    private var claimed: Set<UInt64> = []

    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    init(
        root: RootedDirectory,
        workshop: Workshop,
        isMerging: Bool,
        comparison: FileReceiver.Comparison,
        plainMark: FilePath?
    ) throws(SystemCallError) {
        self.root = root
        self.workshop = workshop
        self.isMerging = isMerging
        self.comparison = comparison
        handles = DirectoryHandles(root: root)
        if let plainMark, try HostFiles.status(of: plainMark) != nil { self.plainMark = plainMark }
        let held = isMerging ? [] : try root.entries().filter { $0 != workshop.nameInRoot }
        levels = [Level(directory: SentDirectory(path: [], metadata: nil), held: held.reversed())]
    }

    /// Puts an entry in its place, or leaves it there.
    /// - Parameters:
    ///   - entry: comes after all before it, in a directory that was placed.
    ///   - depth: how many directories are above it.
    /// - Returns: the directory of a file whose content is needed; nil otherwise.
    /// - Throws: `SystemCallError`, and `FileSyncError` for a name that the sync itself uses.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    mutating func place(_ entry: SentEntry, depth: Int) throws -> SentDirectory? {
        if !entry.metadata.attributes.isEmpty, let mark = plainMark {
            try HostFiles.remove(mark)
            plainMark = nil
        }
        try leave(to: depth)
        if depth == 0, entry.path == workshop.nameInRoot { throw FileSyncError.reservedName(entry.path) }
        let directory = levels[depth].directory
        let name = entry.path.lastComponent
        let handle = try handles.handle(of: directory)
        let existing = try find(name, in: handle)
        switch entry.kind {
        case .directory:
            try placeDirectory(entry, in: handle, existing: existing)
            return nil
        case .hardLink(let target):
            try makeRoom(for: name, in: handle, existing)
            links.append(Link(directory: directory, path: entry.path, target: target))
            return nil
        case .file(let size):
            if let existing, try isKept(existing, size: size, entry.metadata, name, in: handle) { return nil }
            try makeRoom(for: name, in: handle, existing)
            changes += 1
            return directory
        case .symbolicLink, .fifo, .device:
            if let existing, try isSame(existing, entry, in: handle) { return nil }
            try makeRoom(for: name, in: handle, existing)
            try workshop.makeNode(entry).move(to: name, of: handle)
            changes += 1
            return nil
        }
    }

    /// Ends the tree: removes what was not sent any more.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    mutating func endEntries() throws {
        try leave(to: 0)
        try removeHeld(before: nil)
    }

    /// Gives directories what they shall have, when all that is in them is there.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    mutating func finishDirectories() throws {
        // From below: above one that may not be entered there is nothing left to do.
        for directory in directories.reversed() {
            try naming(directory.path) {
                let handle = try handles.handle(of: directory)
                if try directory.metadata?.give(to: handle, status: handle.status()) == true { changes += 1 }
            }
        }
        directories = []
    }

    /// Adds a file of the sync's own.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    mutating func write(_ content: [UInt8], as name: [UInt8]) throws {
        let file = try workshop.openFile(.max, isNew: true)
        try file.write(content)
        try file.changeMode(0o644)
        try workshop.file(.max).move(to: name, of: root.directory)
        changes += 1
    }

    // MARK: Entries that were there

    private mutating func leave(to depth: Int) throws {
        while levels.count > depth + 1 {
            try removeHeld(before: nil)
            levels.removeLast()
        }
    }

    /// Removes what sorts before a name and thus was not sent; nil for all.
    private mutating func removeHeld(before name: [UInt8]?) throws {
        let top = levels.count - 1
        while let held = levels[top].held.last, name.map({ held.lexicographicallyPrecedes($0) }) ?? true {
            levels[top].held.removeLast()
            let path = levels[top].directory.path.appending(component: held)
            try naming(path) { try workshop.discard(held, of: handles.handle(of: levels[top].directory)) }
            changes += 1
        }
    }

    /// The status of the entry of this name that was there before.
    private mutating func find(_ name: [UInt8], in handle: OpenFile) throws -> FileStatus? {
        if isMerging { return try handle.entryStatus(named: name) }
        try removeHeld(before: name)
        let top = levels.count - 1
        guard levels[top].held.last == name else { return nil }
        levels[top].held.removeLast()
        return try handle.entryStatus(named: name)
    }

    /// A directory gives way at once; anything else is replaced when the new entry is complete.
    private func makeRoom(for name: [UInt8], in handle: OpenFile, _ existing: FileStatus?) throws {
        if existing?.type == .directory { try workshop.discard(name, of: handle) }
    }

    // MARK: Kinds of entries

    private mutating func placeDirectory(_ entry: SentEntry, in parent: OpenFile, existing: FileStatus?) throws {
        let name = entry.path.lastComponent
        let isThere = existing?.type == .directory
        try naming(entry.path) {
            if !isThere {
                if existing != nil { try workshop.discard(name, of: parent) }
                try parent.createDirectory(named: name, mode: 0o700)
                changes += 1
            }
            let directory = SentDirectory(path: entry.path, metadata: entry.metadata)
            let handle = try handles.enter(directory, in: parent)
            if let mode = existing?.mode, isThere, mode & 0o700 != 0o700, ProcessContext.effectiveUserID != 0 {
                try handle.changeMode(UInt32(mode | 0o700))
            }
            directories.append(directory)
            let held = isThere && !isMerging ? try directoryEntries(of: handle) : []
            levels.append(Level(directory: directory, held: held.reversed()))
        }
    }

    /// Whether the content of a file is there; then its metadata is made what was sent.
    private mutating func isKept(
        _ existing: FileStatus,
        size: Int64,
        _ metadata: EntryMetadata,
        _ name: [UInt8],
        in handle: OpenFile
    ) throws -> Bool {
        guard comparison == .metadata, !isMerging, existing.type == .regular, existing.size == size,
            existing.modified == metadata.modified
        else { return false }
        let hasAttributes =
            try plainMark == nil
            && (!metadata.attributes.isEmpty || handle.hasExtendedAttributes(entry: name))
        if existing.linkCount > 1 {
            // What is changed here would be changed under the other names too.
            guard metadata.isMode(of: existing), claimed.insert(existing.inode).inserted else { return false }
            guard hasAttributes else { return true }
            return try EntryMetadata.isSame(workshop.attributes(of: name, in: handle), metadata.attributes)
        }
        if metadata.isMode(of: existing), !hasAttributes { return true }
        let file = try handle.openEntry(named: name, [.pathOnly])
        if try metadata.give(to: file, status: existing) { changes += 1 }
        return true
    }

    /// Whether a link, a pipe or a device is there as it was sent.
    private func isSame(_ existing: FileStatus, _ entry: SentEntry, in handle: OpenFile) throws -> Bool {
        let metadata = entry.metadata
        guard comparison == .metadata, existing.modified == metadata.modified, existing.userID == metadata.user,
            existing.groupID == metadata.group
        else { return false }
        switch entry.kind {
        case .symbolicLink(let target):
            return try existing.type == .symbolicLink && handle.readLink(named: entry.path.lastComponent) == target
        case .fifo: return existing.type == .fifo && existing.mode == metadata.mode
        case .device(let type, let major, let minor):
            return existing.type == type && existing.mode == metadata.mode && existing.deviceMajor == major
                && existing.deviceMinor == minor
        case .directory, .file, .hardLink: return false
        }
    }
}

/// Runs work on an entry, whose failure then names the entry instead of where it is made.
func naming<Value>(_ path: [UInt8], _ body: () throws -> Value) throws -> Value {
    do {
        return try body()
    } catch let error as SystemCallError {
        throw SystemCallError(error.call, path: FilePath(bytes: path), errno: error.errno)
    }
}
