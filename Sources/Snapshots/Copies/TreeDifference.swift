import Archive
import LinuxSystem
import SystemPackage
import Text

/// Makes a layer of what was changed in a copied tree: the same that overlayfs would have in its upper directory.
///
/// Changed files are copied once more (their extents shared where the file system can), so that a process that still has one open
/// cannot change the layer.
struct TreeDifference {
    /// The tree as it is now.
    private let tree: RootedDirectory
    /// The tree as it was.
    private let imprint: TreeImprint
    /// Files that are as they were, whatever the kernel has noted of them.
    private let restored: Set<[UInt8]>
    /// An empty directory for the layer's files in marked form.
    private let layer: RootedDirectory
    private let copier: EntryCopier
    /// What the tree looks like now.
    private var next = TreeImprint()
    private var made: [Directory] = []
    /// Changed files that have other names.
    private var linked: [Changed] = []

    private struct Directory {
        let path: [UInt8]
        let status: FileStatus
        /// Whether the names that it had before the change are to be compared.
        let isMerged: Bool
    }

    private struct Changed {
        let directory: [UInt8]
        let name: [UInt8]
    }

    init(tree: RootedDirectory, imprint: TreeImprint, restored: Set<[UInt8]>, layer: RootedDirectory) {
        self.tree = tree
        self.imprint = imprint
        self.restored = restored
        self.layer = layer
        copier = EntryCopier(into: layer, links: .kept)
    }

    /// Writes the layer.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    mutating func write() throws {
        let root = try tree.open("", [.readOnly, .directory])
        let status = try root.status()
        var pending = [Directory(path: [], status: status, isMerged: true)]
        while let directory = pending.popLast() { pending += try compare(directory) }
        // A directory's time changes with every entry that is made in it.
        for directory in made {
            try layer.setTimes(FilePath(bytes: directory.path), modified: directory.status.modified)
        }
        try copier.applyMetadata(root, status, to: try layer.open("", [.readOnly, .directory]))
        try layer.directory.setTimes(modified: status.modified)
    }

    /// Makes names of one file that the layer has into files of their own, as layers show them.
    /// - Returns: what the tree, which then is what the layers with the new one show, looks like.
    /// - Throws: `SystemCallError`.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    mutating func settle() throws -> TreeImprint {
        let copier = EntryCopier(into: tree, links: .broken)
        for file in linked {
            let path = FilePath(bytes: file.directory)
            let (from, to) = try (layer.open(path, [.pathOnly, .directory]), tree.open(path, [.pathOnly, .directory]))
            guard let status = try from.entryStatus(named: file.name) else { continue }
            try tree.keepingTime(of: path) {
                try to.removeEntry(named: file.name)
                let place = EntryCopier.Place(directory: to, name: file.name)
                try copier.copy(.init(directory: from, name: file.name), status, to: place, path: [])
            }
            if let now = try to.entryStatus(named: file.name) { next.stamp(file.name, in: file.directory, now) }
        }
        return next
    }

    /// Compares what is in a directory, and puts into the layer what has changed.
    /// - Returns: the directories in it.
    private mutating func compare(_ directory: Directory) throws -> [Directory] {
        let opened = try tree.open(FilePath(bytes: directory.path), [.readOnly, .directory, .noFollow])
        var seen = try TreeImprint.Directory(opened, directory.status)
        let names = try directoryEntries(of: opened)
        let before = directory.isMerged ? imprint[directory.path]?.entries : nil
        var target: OpenFile?
        if let before {
            let present = Set(names)
            for name in before.keys where !present.contains(name) {
                try mark(Whiteout.prefix + name, in: try layerDirectory(directory.path, &target))
            }
        }
        var inner: [Directory] = []
        for name in names {
            let path = directory.path.isEmpty ? name : directory.path + "/" + name
            if name.starts(with: Whiteout.prefix) {
                throw ArchiveError.refused(
                    entry: path,
                    reason: "in a layer this name would mean that a file was removed"
                )
            }
            guard let status = try opened.entryStatus(named: name) else { continue }
            seen.entries[name] = TreeImprint.Stamp(status)
            if status.type == .directory {
                let place = EntryCopier.Place(directory: opened, name: name)
                inner.append(try compareItself(path, place, status, in: directory, before?[name] != nil, &target))
            } else if before?[name].map({ $0.isSame(status) || restored.contains(path) }) != true {
                let place = EntryCopier.Place(directory: try layerDirectory(directory.path, &target), name: name)
                try copier.copy(.init(directory: opened, name: name), status, to: place, path: path)
                if status.linkCount > 1 { linked.append(Changed(directory: directory.path, name: name)) }
            }
        }
        next.add(seen, at: directory.path)
        return inner
    }

    /// Compares what a directory says of itself.
    private mutating func compareItself(
        _ path: [UInt8],
        _ place: EntryCopier.Place,
        _ status: FileStatus,
        in parent: Directory,
        _ replaces: Bool,
        _ target: inout OpenFile?
    ) throws -> Directory {
        let source = try place.directory.openEntry(named: place.name, [.readOnly, .directory])
        let now = try TreeImprint.Directory(source, status)
        let before = parent.isMerged ? imprint[path].flatMap { $0.isSame(now) ? $0 : nil } : nil
        let directory = Directory(path: path, status: status, isMerged: before != nil)
        if let before, before.isUntouched(now) { return directory }
        let copy = EntryCopier.Place(directory: try layerDirectory(parent.path, &target), name: place.name)
        let copied = try copier.makeDirectory(copy, like: source, status)
        if before == nil, replaces { try mark(Whiteout.opaque, in: copied) }
        made.append(directory)
        return directory
    }

    /// The directory of the layer for changes in one of the tree; those on the way to it are made as they are in the tree.
    private mutating func layerDirectory(_ path: [UInt8], _ known: inout OpenFile?) throws -> OpenFile {
        if let known { return known }
        var directory = try layer.open("", [.readOnly, .directory])
        var place = try tree.open("", [.readOnly, .directory])
        var prefix: [UInt8] = []
        for name in path.split(separator: "/").map({ Array($0) }) {
            prefix = prefix.isEmpty ? name : prefix + "/" + name
            place = try place.openEntry(named: name, [.readOnly, .directory])
            if try directory.entryStatus(named: name) != nil {
                directory = try directory.openEntry(named: name, [.readOnly, .directory])
                continue
            }
            let status = try place.status()
            directory = try copier.makeDirectory(.init(directory: directory, name: name), like: place, status)
            made.append(Directory(path: prefix, status: status, isMerged: true))
        }
        known = directory
        return directory
    }

    private func mark(_ name: [UInt8], in directory: OpenFile) throws(SystemCallError) {
        _ = try directory.createFile(named: name)
    }
}
