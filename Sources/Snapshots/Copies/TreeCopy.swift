import Archive
import LinuxSystem
import SystemPackage

/// Makes one directory of what several layers show together, where they cannot be mounted.
struct TreeCopy {
    /// The layers, the lowest first.
    let layers: [LayerFiles]
    /// Asked for each entry; true ends the work with `CancellationError`.
    let isCancelled: @Sendable () -> Bool

    /// Fills an empty directory; it gets the metadata of the topmost layer's root.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    func make(at path: FilePath, links: EntryCopier.Links) throws {
        let target = try RootedDirectory(path)
        var times: [FilePath: FileTime] = [:]
        for layer in layers {
            if try layer.hidesEverything { try clear("", of: target) }
            // A file has one inode in each layer: links are looked for within one.
            let copier = EntryCopier(into: target, links: links)
            try layer.walk { entry in
                if isCancelled() { throw CancellationError() }
                let existing = try target.statusIfPresent(entry.path)
                if entry.isWhiteout
                    || existing.map({ $0.type != .directory || entry.status.type != .directory }) == true
                {
                    if existing != nil { try target.removeTree(entry.path) }
                    times[entry.path] = nil
                    if entry.isWhiteout { return }
                }
                guard entry.status.type == .directory else {
                    return try copier.copy(entry.path, of: layer.root, entry.status)
                }
                let source = try layer.root.open(entry.path, [.pathOnly, .directory, .noFollow])
                if existing?.type == .directory {
                    if entry.isOpaque { try clear(entry.path, of: target) }
                    try copier.applyMetadata(source, entry.status, to: entry.path)
                } else {
                    try copier.makeDirectory(entry.path, like: source, entry.status)
                }
                times[entry.path] = entry.status.modified
            }
        }
        // A directory's time changes with every entry that is made in it.
        for (path, time) in times where try target.statusIfPresent(path)?.type == .directory {
            try target.setTimes(path, modified: time)
        }
        guard let top = layers.last else { return }
        let root = try top.root.directory.status()
        try EntryCopier(into: target, links: .kept).applyMetadata(top.root.directory, root, to: "")
        try target.directory.setTimes(modified: root.modified)
    }

    private func clear(_ directory: FilePath, of target: RootedDirectory) throws(SystemCallError) {
        for name in try target.entries(of: directory) {
            try target.removeTree(directory.appending(name: name))
        }
    }
}

/// What a tree looked like at one moment: enough to find out later what was changed in it.
struct TreeImprint {
    /// A file and the time of its last change of any kind.
    ///
    /// See stat(2), st_ctime.
    private struct Stamp: Hashable {
        let inode: UInt64
        let changed: FileTime
        /// Of a directory: the number of one that is gone is soon given to another.
        let created: FileTime?
        /// Of a directory: what the layer would say of it.
        let content: DirectoryContent?

        init(_ file: OpenFile, _ status: FileStatus) throws(SystemCallError) {
            inode = status.inode
            changed = status.changed
            created = status.type == .directory ? try file.created() : nil
            content = status.type == .directory ? try DirectoryContent(file, status) : nil
        }
    }

    private struct DirectoryContent: Hashable {
        let mode: UInt16
        let owner: [UInt32]
        let modified: FileTime
        let attributes: [[UInt8]]

        init(_ file: OpenFile, _ status: FileStatus) throws(SystemCallError) {
            mode = status.mode
            owner = [status.userID, status.groupID]
            modified = status.modified
            attributes = try copiedAttributes(of: file).flatMap { [$0.name, $0.value] }
        }
    }

    private var stamps: [FilePath: Stamp] = [:]
    private var names: [FilePath: [[UInt8]]] = [:]
    /// The latest change in the tree.
    ///
    /// What comes after it must be later to be seen.
    private(set) var latest = FileTime.epoch

    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    init(of tree: RootedDirectory) throws(SystemCallError) {
        var pending: [FilePath] = [""]
        while let directory = pending.popLast() {
            let entries = try tree.entries(of: directory)
            names[directory] = entries
            for name in entries {
                let path = directory.appending(name: name)
                let file = try tree.open(path, [.pathOnly, .noFollow])
                let status = try file.status()
                stamps[path] = try Stamp(file, status)
                latest = max(latest, status.changed)
                if status.type == .directory { pending.append(path) }
            }
        }
        latest = max(latest, try tree.directory.status().changed)
    }

    /// Whether a directory still is the very one that it was, whatever is in it.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    func isSame(_ path: FilePath, _ directory: OpenFile, _ status: FileStatus) throws(SystemCallError) -> Bool {
        guard let stamp = stamps[path], names[path] != nil else { return false }
        let now = try Stamp(directory, status)
        return stamp.inode == now.inode && stamp.created == now.created
    }

    /// Whether a directory that is the very one that it was says the same of itself: a mount point may have come and gone in it.
    func isUntouched(_ path: FilePath, _ directory: OpenFile, _ status: FileStatus) throws(SystemCallError) -> Bool {
        try stamps[path]?.content == DirectoryContent(directory, status)
    }

    /// Whether nothing about a file itself has changed.
    func isUnchanged(_ path: FilePath, _ status: FileStatus) -> Bool {
        stamps[path].map { $0.inode == status.inode && $0.changed == status.changed } ?? false
    }

    func contains(_ path: FilePath) -> Bool { stamps[path] != nil }

    /// The names that were in a directory.
    func names(in directory: FilePath) -> [[UInt8]] { names[directory] ?? [] }
}
