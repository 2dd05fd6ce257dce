import Archive
import LinuxSystem
import SystemPackage

/// Makes a layer of what was changed in a copied tree: the same that overlayfs would have in its upper directory.
///
/// Changed files are copied once more (their extents shared where the file system can), so that a process that still has one open
/// cannot change the layer.
struct TreeDifference {
    /// The tree as it is now.
    let tree: RootedDirectory
    /// The tree as it was.
    let imprint: TreeImprint
    /// An empty directory for the layer's files in marked form.
    let layer: RootedDirectory

    private struct Directory {
        let path: FilePath
        let status: FileStatus
        /// Whether the names that it had before the change are to be compared.
        let isMerged: Bool
        /// Whether another directory had the path, of whose names those are marked that are gone.
        let isReplacement: Bool
    }

    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    func write() throws {
        let copier = EntryCopier(into: layer, links: .kept)
        var made: [Directory] = []
        var open = [Directory(path: "", status: try tree.directory.status(), isMerged: true, isReplacement: false)]
        /// Directories on the way to the one that is looked at which the layer does not have yet.
        func makeParents(of path: FilePath) throws {
            var missing: [FilePath] = []
            var parent = path.removingLastComponent()
            while !parent.isEmpty, try layer.statusIfPresent(parent) == nil {
                missing.append(parent)
                parent = parent.removingLastComponent()
            }
            for path in missing.reversed() {
                let status = try tree.status(path)
                try copier.makeDirectory(path, like: try tree.open(path, [.pathOnly, .directory, .noFollow]), status)
                made.append(Directory(path: path, status: status, isMerged: true, isReplacement: false))
            }
        }
        while let directory = open.popLast() {
            let names = try tree.entries(of: directory.path)
            if directory.isMerged || directory.isReplacement {
                for name in Set(imprint.names(in: directory.path)).subtracting(names) {
                    try makeParents(of: directory.path.appending("x"))
                    try mark(Whiteout.prefix + name, in: directory.path)
                }
            }
            for name in names {
                if name.starts(with: Whiteout.prefix) {
                    let path = directory.path.appending(name: name)
                    throw ArchiveError.refused(
                        entry: path.bytes,
                        reason: "in a layer this name would mean that a file was removed"
                    )
                }
                let path = directory.path.appending(name: name)
                let status = try tree.status(path)
                if directory.isMerged, imprint.isUnchanged(path, status), status.type != .directory { continue }
                guard status.type == .directory else {
                    try makeParents(of: path)
                    try copier.copy(path, of: tree, status)
                    continue
                }
                let source = try tree.open(path, [.pathOnly, .directory, .noFollow])
                let isSame = directory.isMerged ? try imprint.isSame(path, source, status) : false
                let isCompared = directory.isMerged || directory.isReplacement
                let isReplacement = isCompared && !isSame && imprint.contains(path)
                let inner = Directory(path: path, status: status, isMerged: isSame, isReplacement: isReplacement)
                open.append(inner)
                if isSame, try imprint.isUntouched(path, source, status) { continue }
                try makeParents(of: path)
                try copier.makeDirectory(path, like: source, status)
                made.append(inner)
            }
        }
        // A directory's time changes with every entry that is made in it.
        for directory in made { try layer.setTimes(directory.path, modified: directory.status.modified) }
        let root = try tree.directory.status()
        try copier.applyMetadata(tree.directory, root, to: "")
        try layer.directory.setTimes(modified: root.modified)
    }

    private func mark(_ name: [UInt8], in directory: FilePath) throws(SystemCallError) {
        _ = try layer.open(
            directory.appending(name: name),
            [.writeOnly, .createNew, .noFollow],
            mode: 0o600
        )
    }
}
