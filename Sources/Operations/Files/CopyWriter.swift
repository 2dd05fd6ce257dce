internal import LinuxSystem
internal import SystemPackage
internal import Text

/// Writes the files of one walk into a tree.
///
/// Directories are made as the walk enters them. Regular files are gathered and copied by several threads at once; a directory gets
/// its attributes after what was gathered in it.
struct CopyWriter: TreeVisitor {
    /// What the walk begins with, and where it goes.
    struct Top {
        let name: [UInt8]
        /// Whether the copy takes the contents of directories only.
        let takesContents: Bool
        /// Without links.
        let target: [UInt8]
        /// Whether a directory is copied itself, rather than only what is in it.
        let isMade: Bool
    }

    private let entries: CopiedEntries
    private let top: Top
    private let checkCancellation: @Sendable () throws -> Void
    /// One for each thread.
    private let contents: [FileContentCopier]

    private struct FileIdentity: Hashable {
        let device: UInt64
        let inode: UInt64
    }

    private var directories: [CopiedEntries.Directory] = []
    private var links: [FileIdentity: CopiedEntries.Place] = [:]
    private var files: [CopiedEntries.Place] = []
    private var left: [(made: CopiedEntries.Directory, source: TreeEntry, isTop: Bool)] = []

    /// So many files are worth threads, and so many wait at most; each directory that waits is two open files.
    private static let (fewestFiles, mostFiles, mostDirectories) = (16, 512, 64)

    init(
        _ entries: CopiedEntries,
        _ top: Top,
        contents: [FileContentCopier],
        checkCancellation: @escaping @Sendable () throws -> Void
    ) {
        self.entries = entries
        self.top = top
        self.contents = contents
        self.checkCancellation = checkCancellation
    }

    mutating func enter(_ directory: TreeEntry) throws -> Bool {
        try checkCancellation()
        directories.append(try made(directory))
        return true
    }

    private func made(_ directory: TreeEntry) throws -> CopiedEntries.Directory {
        guard let parent = directories.last?.file else { return try madeTop(directory) }
        var made = try entries.makeDirectory(directory.name, in: parent, path: path(of: directory))
        made.number = number(of: directory)
        return made
    }

    /// The directory that the walk begins with, or what stands for it.
    private func madeTop(_ directory: TreeEntry) throws -> CopiedEntries.Directory {
        let destination = entries.destination
        var made: CopiedEntries.Directory
        if top.isMade {
            let parent = try destination.open(top.target.parentPath.filePath, [.pathOnly, .directory])
            made = try entries.makeDirectory(top.target.lastComponent, in: parent, path: top.target)
        } else {
            let file = try destination.open(top.target.filePath, [.pathOnly, .directory])
            made = CopiedEntries.Directory(file: file, isNew: false, time: try file.status().modified)
        }
        // Of a directory whose contents are copied, name and attributes do not matter.
        if !top.takesContents { made.number = number(of: directory) }
        return made
    }

    /// The number of an entry in the record of the copy, if there is one.
    private func number(of entry: TreeEntry) -> Int? {
        entries.source.record?.begin(ContentItem(entry, match: top.name, takesContents: top.takesContents))
    }

    mutating func leave(_ directory: TreeEntry) throws {
        guard let made = directories.popLast() else { return }
        left.append((made, directory, directories.isEmpty))
        if directories.isEmpty || left.count >= Self.mostDirectories { try copyGathered() }
    }

    mutating func visit(_ file: TreeEntry) throws {
        try checkCancellation()
        let path = path(of: file)
        var place: CopiedEntries.Place
        if let directory = directories.last?.file {
            place = CopiedEntries.Place(entry: file, name: file.name, parent: directory, path: path)
        } else {
            let parent = try entries.destination.open(top.target.parentPath.filePath, [.pathOnly, .directory])
            place = CopiedEntries.Place(entry: file, name: top.target.lastComponent, parent: parent, path: path)
        }
        place.number = number(of: file)
        switch file.status.type {
        case .regular: try visitRegular(place)
        case .symbolicLink: try entries.makeSymbolicLink(place)
        case .characterDevice, .blockDevice, .fifo, .socket: try entries.makeNode(place)
        case .directory: break
        }
    }

    private mutating func visitRegular(_ place: CopiedEntries.Place) throws {
        let status = place.entry.status
        if status.linkCount > 1 {
            let identity = FileIdentity(device: status.device, inode: status.inode)
            if let existing = links[identity] { return try entries.makeHardLink(place, to: existing) }
            // At once: the next one becomes a link to it.
            let copied = try entries.copyRegular(place, contents[0])
            if copied == status.inode { links[identity] = place }
            return
        }
        files.append(place)
        if directories.isEmpty || files.count >= Self.mostFiles { try copyGathered() }
    }

    private mutating func copyGathered() throws {
        let threads = files.count < Self.fewestFiles ? 1 : contents.count
        // Each is used by one thread.
        nonisolated(unsafe) let contents = contents
        try concurrently(files.count, threads: threads) { [entries, files, checkCancellation] index, thread in
            try checkCancellation()
            _ = try entries.copyRegular(files[index], contents[thread])
        }
        files = []
        for (made, source, isTop) in left { try entries.finish(made, as: source, isTop: isTop) }
        left = []
    }

    private func path(of entry: TreeEntry) -> [UInt8] {
        entry.relative.isEmpty ? top.target : top.target.appending(component: entry.relative)
    }
}
