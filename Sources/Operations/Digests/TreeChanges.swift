internal import LLB
internal import LinuxSystem
internal import SystemPackage
internal import Text

extension FileTime {
    /// The time that a step asks for, or the fixed one: what a step makes never has the time of the build.
    init(_ timestamp: Int64?) {
        self = timestamp.map(FileTime.init(nanosecondsSinceEpoch:)) ?? .undated
    }
}

/// Makes directories and those above them; links on the way are followed inside the root, and what exists is left alone.
struct DirectoryMaker {
    let root: RootedDirectory
    let mode: UInt32
    /// Nil leaves the directories to root.
    let owner: NumericOwner?
    let timestamp: Int64?

    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    func make(_ path: [UInt8]) throws {
        let found = try TreePath.resolve(path, in: root, followsLast: true)
        if let status = found.status {
            guard status.type == .directory else { throw OperationError.notADirectory(path) }
            return
        }
        var prefix: [UInt8] = []
        for component in found.resolved.pathComponents {
            prefix = prefix.appending(component: component)
            if let status = try root.statusIfPresent(prefix.filePath) {
                guard status.type == .directory else { throw OperationError.notADirectory([[UInt8].slash] + prefix) }
                continue
            }
            try makeOne(prefix)
        }
    }

    /// Makes one directory in one that exists.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    func makeOne(_ path: [UInt8]) throws {
        try root.keepingTime(of: path.parentPath.filePath) {
            try root.createDirectory(path.filePath, mode: 0o700)
        }
        if let owner { try root.changeOwner(path.filePath, user: owner.user, group: owner.group) }
        try root.changeMode(path.filePath, mode & 0o7777)
        try root.setTimes(path.filePath, modified: FileTime(timestamp))
    }
}

/// Removes a file or directory tree of a root; the path's own last component is not followed.
///
/// Depth costs no stack.
@available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
func removeTree(_ path: [UInt8], in root: RootedDirectory) throws(SystemCallError) {
    let parent = try root.open(path.parentPath.filePath, [.pathOnly, .directory])
    try removeTree(named: path.lastComponent, in: parent)
}

@available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
private func removeTree(named name: [UInt8], in parent: OpenFile) throws(SystemCallError) {
    guard let status = try parent.entryStatus(named: name) else { return }
    if status.type != .directory { return try parent.removeEntry(named: name) }
    var open: [(directory: OpenFile, parent: OpenFile, name: [UInt8])] = []
    func enter(_ name: [UInt8], _ parent: OpenFile) throws(SystemCallError) {
        open.append((try parent.openEntry(named: name, [.readOnly, .directory]), parent, name))
    }
    try enter(name, parent)
    while let (directory, parent, name) = open.last {
        var below: [UInt8]?
        for entry in try directoryEntries(of: directory) {
            if try directory.entryStatus(named: entry)?.type == .directory {
                below = entry
                break
            }
            try directory.removeEntry(named: entry)
        }
        if let below {
            try enter(below, directory)
        } else {
            try parent.removeEntry(named: name, directory: true)
            open.removeLast()
        }
    }
}

/// The changes of a file operation other than copies, on a tree.
///
/// Nothing is touched outside of its root.
struct TreeChanges {
    let root: RootedDirectory

    /// Makes a directory; one that exists is left as it is.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    func makeDirectory(_ creation: DirectoryCreation, owner: NumericOwner?) throws {
        let maker = DirectoryMaker(root: root, mode: creation.mode & 0o777, owner: owner, timestamp: creation.timestamp)
        if creation.makesParents { return try maker.make(creation.path) }
        let found = try TreePath.resolve(creation.path, in: root, followsLast: true)
        if found.exists { return }
        try requireParent(of: found.resolved, for: creation.path)
        try maker.makeOne(found.resolved)
    }

    /// Writes a file, in place of the content of one that exists.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    func makeFile(_ creation: FileCreation, owner: NumericOwner?) throws {
        let found = try TreePath.resolve(creation.path, in: root, followsLast: true)
        guard !found.resolved.isEmpty else {
            throw OperationError.invalidPath(creation.path, reason: "it names no file")
        }
        let file: OpenFile
        if let status = found.status {
            guard status.type == .regular else {
                throw OperationError.invalidPath(creation.path, reason: "something other than a file has that name")
            }
            file = try root.open(found.resolved.filePath, [.writeOnly, .truncate, .noFollow, .nonBlocking])
        } else {
            try requireParent(of: found.resolved, for: creation.path)
            file = try root.keepingTime(of: found.resolved.parentPath.filePath) {
                try root.open(found.resolved.filePath, [.writeOnly, .createNew, .noFollow], mode: 0o600)
            }
            try file.changeMode(creation.mode & 0o777)
        }
        try file.write(creation.content)
        if let owner { try file.changeOwner(user: owner.user, group: owner.group) }
        // Also what the kernel takes when another than root writes to a file.
        if owner != nil || found.status != nil {
            try file.changeMode(found.status.map { UInt32($0.mode) } ?? creation.mode & 0o777)
        }
        try file.setTimes(modified: FileTime(creation.timestamp))
    }

    /// Makes a symbolic link where nothing is.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    func makeSymbolicLink(_ creation: SymbolicLinkCreation, owner: NumericOwner?) throws {
        let found = try TreePath.resolve(creation.path, in: root, followsLast: false)
        try requireParent(of: found.resolved, for: creation.path)
        try root.keepingTime(of: found.resolved.parentPath.filePath) {
            try root.createSymbolicLink(found.resolved.filePath, target: creation.target)
        }
        if let owner { try root.changeOwner(found.resolved.filePath, user: owner.user, group: owner.group) }
        try root.setTimes(found.resolved.filePath, modified: FileTime(creation.timestamp))
    }

    /// Removes what a path or pattern names; links in its directory part are followed inside the root, the last one is removed.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    func remove(_ removal: FileRemoval) throws {
        var selection = Selection(path: removal.path)
        selection.allowsWildcards = removal.allowsWildcards
        guard !rootedPath(removal.path).isEmpty else {
            throw OperationError.invalidPath(removal.path, reason: "the root cannot be removed")
        }
        let tree = SourceTree(root: root, name: "the image")
        do {
            for match in try selection.matches(in: tree) {
                guard !match.path.isEmpty else {
                    throw OperationError.invalidPath(removal.path, reason: "the root cannot be removed")
                }
                try root.keepingTime(of: match.path.parentPath.filePath) { try removeTree(match.path, in: root) }
            }
        } catch OperationError.notFound(let path, _, _) {
            if !removal.allowsNotFound {
                throw OperationError.invalidPath(path, reason: "no such file or directory")
            }
        }
    }

    private func requireParent(of resolved: [UInt8], for path: [UInt8]) throws {
        guard try root.statusIfPresent(resolved.parentPath.filePath)?.type == .directory else {
            throw OperationError.parentMissing(path)
        }
    }
}
