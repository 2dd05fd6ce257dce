internal import Archive
internal import Glibc
internal import LLB
internal import LinuxSystem
internal import SystemPackage

/// Writes the files of one walk into a tree.
struct CopyWriter: TreeVisitor {
    let source: SourceTree
    let destination: RootedDirectory
    /// Where what the walk begins with goes, without links.
    let target: [UInt8]
    /// Whether the directory that the walk begins with is copied itself, rather than only what is in it.
    let makesTop: Bool
    let owner: NumericOwner?
    let modeChange: AppliedMode
    /// Nanoseconds since 1970 for every file, or nil for the files' own times.
    let timestamp: Int64?
    let replaces: Bool
    let checkCancellation: @Sendable () throws -> Void
    let content: FileContentCopier
    private(set) var copiedBytes: Int64 = 0
    private(set) var copiedFiles = 0

    private struct Directory {
        let file: OpenFile
        let isNew: Bool
        /// The time that it had before the copy, or the fixed one of a directory that had none.
        let time: FileTime
    }

    private struct FileIdentity: Hashable {
        let device: UInt64
        let inode: UInt64
    }

    private var directories: [Directory] = []
    private var links: [FileIdentity: [UInt8]] = [:]

    init(
        source: SourceTree,
        destination: RootedDirectory,
        target: [UInt8],
        makesTop: Bool,
        owner: NumericOwner?,
        modeChange: AppliedMode,
        timestamp: Int64?,
        replaces: Bool,
        checkCancellation: @escaping @Sendable () throws -> Void,
        content: FileContentCopier
    ) {
        self.source = source
        self.destination = destination
        self.target = target
        self.makesTop = makesTop
        self.owner = owner
        self.modeChange = modeChange
        self.timestamp = timestamp
        self.replaces = replaces
        self.checkCancellation = checkCancellation
        self.content = content
    }

    // MARK: Directories

    mutating func enter(_ directory: TreeEntry) throws -> Bool {
        try checkCancellation()
        guard let parent = directories.last?.file else {
            if makesTop {
                let parent = try destination.open(target.parentPath.filePath, O_PATH | O_DIRECTORY)
                directories.append(try makeDirectory(target.lastComponent, in: parent, path: target))
            } else {
                let file = try destination.open(target.filePath, O_PATH | O_DIRECTORY)
                directories.append(Directory(file: file, isNew: false, time: try file.status().modified))
            }
            return true
        }
        directories.append(try makeDirectory(directory.name, in: parent, path: path(of: directory)))
        return true
    }

    private func makeDirectory(_ name: [UInt8], in parent: OpenFile, path: [UInt8]) throws -> Directory {
        let isNew: Bool
        do throws(SystemCallError) {
            // Closed to others until it has its own mode.
            try parent.createDirectory(named: name, mode: 0o700)
            isNew = true
        } catch {
            guard error.errno == .fileExists else { throw error }
            isNew = false
        }
        if !isNew, try parent.entryStatus(named: name)?.type != .directory {
            guard replaces else { throw OperationError.notADirectory([[UInt8].slash] + path) }
            try parent.removeEntry(named: name)
            try parent.createDirectory(named: name, mode: 0o700)
            return Directory(
                file: try parent.openEntry(named: name, O_PATH | O_DIRECTORY),
                isNew: true,
                time: FileTime(timestamp)
            )
        }
        let file = try parent.openEntry(named: name, O_PATH | O_DIRECTORY)
        let time = isNew ? FileTime(timestamp) : try file.status().modified
        return Directory(file: file, isNew: isNew, time: time)
    }

    mutating func leave(_ directory: TreeEntry) throws {
        guard let made = directories.popLast() else { return }
        let isTop = directories.isEmpty
        // What was there before the copy keeps its owner and mode, apart from directories inside a copied one.
        if made.isNew || !isTop {
            try apply(directory.status, to: made.file)
            if let from = directory.file {
                for (name, value) in try portableAttributes(of: from) {
                    try set(name, value, on: made.file)
                }
            }
        }
        // The root of a source is made or written to by whatever gave it here: its time is no part of the source.
        let isSourceRoot = directory.path.isEmpty
        try made.file.setTimes(
            modified: isSourceRoot
                ? timestamp.map(FileTime.init(nanosecondsSinceEpoch:)) ?? made.time : time(of: directory.status)
        )
    }

    // MARK: Files

    mutating func visit(_ file: TreeEntry) throws {
        try checkCancellation()
        let path = path(of: file)
        let parent: OpenFile
        let name: [UInt8]
        if let directory = directories.last?.file {
            (parent, name) = (directory, file.name)
        } else {
            (parent, name) = (
                try destination.open(target.parentPath.filePath, O_PATH | O_DIRECTORY), target.lastComponent
            )
        }
        copiedFiles += 1
        switch file.status.type {
        case .regular: try copyRegular(file, to: name, in: parent, path: path)
        case .symbolicLink:
            let link = try file.parent.readLink(named: file.name)
            try making(name, in: parent, path) { parent, name throws(SystemCallError) in
                try parent.createSymbolicLink(named: name, target: link)
            }
            try applyToEntry(file.status, name: name, in: parent, changesMode: false)
        case .characterDevice, .blockDevice, .fifo, .socket:
            let status = file.status
            try making(name, in: parent, path) { parent, name throws(SystemCallError) in
                try parent.createNode(
                    named: name,
                    // Nobody would answer at a copy of a socket, and no layer can hold one: as in BuildKit an empty file marks it.
                    type: status.type == .socket ? .regular : status.type,
                    mode: 0o600,
                    major: status.deviceMajor,
                    minor: status.deviceMinor
                )
            }
            try applyToEntry(status, name: name, in: parent, changesMode: true)
        case .directory: break
        }
    }

    private mutating func copyRegular(_ file: TreeEntry, to name: [UInt8], in parent: OpenFile, path: [UInt8]) throws {
        let identity = FileIdentity(device: file.status.device, inode: file.status.inode)
        if file.status.linkCount > 1 {
            if let existing = links[identity] {
                try making(name, in: parent, path) { _, _ throws(SystemCallError) in
                    try destination.createHardLink(path.filePath, to: existing.filePath)
                }
                return
            }
            links[identity] = path
        }
        // Not blocking: a file that became a FIFO since it was looked at is found out below, not waited for.
        let from = try file.parent.openEntry(named: file.name, O_RDONLY | O_NONBLOCK)
        let status = try from.status()
        guard status.type == .regular, status.inode == file.status.inode else {
            throw OperationError.changedDuringBuild(file.path)
        }
        let to = try making(name, in: parent, path) { parent, name throws(SystemCallError) in
            try parent.createFile(named: name, mode: 0o600)
        }
        try content.copy(from, status: status, to: to)
        if let observations = source.observations, !observations.agrees(file.path, try from.status()) {
            throw OperationError.changedDuringBuild(file.path)
        }
        copiedBytes += status.size
        try apply(status, to: to)
        for (name, value) in try portableAttributes(of: from) { try set(name, value, on: to) }
        try to.setTimes(modified: time(of: status))
    }

    /// Makes an entry; what has the name already is removed, unless it is a directory.
    private func making<Value>(
        _ name: [UInt8],
        in parent: OpenFile,
        _ path: [UInt8],
        _ make: (OpenFile, [UInt8]) throws(SystemCallError) -> Value
    ) throws -> Value {
        do throws(SystemCallError) {
            return try make(parent, name)
        } catch {
            guard error.errno == .fileExists else { throw error }
        }
        if try parent.entryStatus(named: name)?.type == .directory {
            guard replaces else { throw OperationError.directoryInTheWay([[UInt8].slash] + path) }
            try removeTree(path, in: destination)
        } else {
            try parent.removeEntry(named: name)
        }
        return try make(parent, name)
    }

    // MARK: Attributes

    private func path(of entry: TreeEntry) -> [UInt8] {
        entry.relative.isEmpty ? target : target.appending(component: entry.relative)
    }

    private func time(of status: FileStatus) -> FileTime {
        timestamp.map(FileTime.init(nanosecondsSinceEpoch:)) ?? status.modified
    }

    /// Owner before mode: changing the owner takes set-id bits and capabilities away.
    private func apply(_ status: FileStatus, to file: OpenFile) throws(SystemCallError) {
        let (user, group) = ownership(of: status)
        try file.changeOwner(user: user, group: group)
        try file.changeMode(modeChange.mode(for: status))
    }

    private func applyToEntry(_ status: FileStatus, name: [UInt8], in parent: OpenFile, changesMode: Bool)
        throws(SystemCallError)
    {
        let (user, group) = ownership(of: status)
        try parent.changeOwner(ofEntry: name, user: user, group: group)
        if changesMode { try parent.openEntry(named: name, O_PATH).changeMode(modeChange.mode(for: status)) }
        try parent.setTimes(ofEntry: name, modified: time(of: status))
    }

    private func ownership(of status: FileStatus) -> (user: UInt32, group: UInt32) {
        if let owner { return (owner.user, owner.group) }
        return source.owner(of: status)
    }

    /// Sets an attribute, unless the file system of the store has none.
    private func set(_ name: [UInt8], _ value: [UInt8], on file: OpenFile) throws(SystemCallError) {
        do throws(SystemCallError) {
            try file.setExtendedAttribute(name, value)
        } catch {
            guard error.errno == .notSupported else { throw error }
        }
    }
}

/// The permissions that copied files get.
struct AppliedMode: Sendable, Hashable {
    private enum Change: Sendable, Hashable {
        case keep
        case bits(UInt32)
        case expression(ModeExpression)
    }

    private let change: Change

    /// - Throws: `OperationError.invalidMode`.
    init(_ change: ModeChange?) throws(OperationError) {
        switch change {
        case .bits(let bits): self.change = .bits(bits & 0o7777)
        case .symbolic(let text): self.change = .expression(try ModeExpression(text))
        case nil: self.change = .keep
        }
    }

    func mode(for status: FileStatus) -> UInt32 {
        switch change {
        case .keep: UInt32(status.mode)
        case .bits(let bits): bits
        case .expression(let expression):
            expression.applied(to: UInt32(status.mode), isDirectory: status.type == .directory)
        }
    }
}
