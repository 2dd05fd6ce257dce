import Archive
import LinuxSystem
import SystemPackage

/// Changes a tree until it equals another one, and leaves alone what is equal already.
///
/// On a view of layers the changes alone are kept: they are the difference of the two trees.
struct TreeAlignment {
    /// What is changed.
    let target: RootedDirectory
    /// What it is to equal.
    let model: RootedDirectory
    /// Asked for each entry; true ends the work with `CancellationError`.
    let isCancelled: @Sendable () -> Bool

    private struct Directory {
        let path: FilePath
        let model: FileStatus
        /// Whether it is there only since the alignment began.
        let isNew: Bool
    }

    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    func run() throws {
        let copier = EntryCopier(into: target, links: .kept)
        var touched: [Directory] = []
        var pending = [Directory(path: "", model: try model.directory.status(), isNew: false)]
        while let directory = pending.popLast() {
            if try align(directory, copier, &pending) { touched.append(directory) }
        }
        // A directory's time changes with every entry that is made or removed in it.
        for directory in touched.reversed() {
            try target.setTimes(directory.path, modified: directory.model.modified)
        }
    }

    /// Aligns one directory and what is in it, apart from the directories below, which go to `pending`.
    /// - Returns: whether anything was changed.
    private func align(_ directory: Directory, _ copier: EntryCopier, _ pending: inout [Directory]) throws -> Bool {
        if isCancelled() { throw CancellationError() }
        var isTouched = directory.isNew
        let source = try opened(directory.path, of: model)
        let aligned = try opened(directory.path, of: target)
        if try !directory.isNew && hasOtherMetadata(aligned, source, directory.model) {
            try copier.applyMetadata(source, directory.model, to: aligned)
            isTouched = true
        }
        let names = try directoryEntries(of: source)
        let wanted = Set(names)
        for name in directory.isNew ? [] : try target.entries(of: directory.path) where !wanted.contains(name) {
            try target.removeTree(directory.path.appending(FilePath(bytes: name).components))
            isTouched = true
        }
        for name in names {
            let path = directory.path.appending(FilePath(bytes: name).components)
            let place = EntryCopier.Place(directory: aligned, name: name)
            let status = try model.status(path)
            let existing = directory.isNew ? nil : try target.statusIfPresent(path)
            if status.type == .directory {
                let isNew = existing?.type != .directory
                if isNew {
                    if existing != nil { try target.removeTree(path) }
                    try copier.makeDirectory(place, like: try opened(path, of: model), status)
                    isTouched = true
                }
                pending.append(Directory(path: path, model: status, isNew: isNew))
            } else if try existing.map({ try !isEqual(path, $0, status) }) ?? true {
                if existing != nil { try target.removeTree(path) }
                try copier.copy(.init(directory: source, name: name), status, to: place, path: path.bytes)
                isTouched = true
            }
        }
        return isTouched
    }

    private func opened(_ path: FilePath, of root: RootedDirectory) throws(SystemCallError) -> OpenFile {
        try root.open(path, [.readOnly, .directory, .noFollow])
    }

    // MARK: Comparing

    private func hasOtherMetadata(_ made: OpenFile, _ source: OpenFile, _ wanted: FileStatus) throws -> Bool {
        let status = try made.status()
        if status.mode != wanted.mode || status.userID != wanted.userID || status.groupID != wanted.groupID {
            return true
        }
        return try copiedAttributes(of: made).map(Attribute.init) != copiedAttributes(of: source).map(Attribute.init)
    }

    private struct Attribute: Equatable {
        let name: [UInt8]
        let value: [UInt8]

        init(_ attribute: (name: [UInt8], value: [UInt8])) { (name, value) = attribute }
    }

    /// Whether an entry other than a directory is the same in both trees.
    private func isEqual(_ path: FilePath, _ old: FileStatus, _ new: FileStatus) throws -> Bool {
        guard old.type == new.type, old.mode == new.mode, old.userID == new.userID, old.groupID == new.groupID,
            old.size == new.size, old.modified == new.modified, old.specialFile == new.specialFile
        else { return false }
        // The file of a layer that both trees have: nothing of it can be different.
        if old.inode == new.inode, old.changed == new.changed { return true }
        if old.type == .symbolicLink { return try target.readLink(path) == model.readLink(path) }
        let files = try (target.open(path, [.pathOnly, .noFollow]), model.open(path, [.pathOnly, .noFollow]))
        guard try copiedAttributes(of: files.0).map(Attribute.init) == copiedAttributes(of: files.1).map(Attribute.init)
        else { return false }
        return try old.type != .regular || hasEqualContent(path)
    }

    private func hasEqualContent(_ path: FilePath) throws -> Bool {
        let (old, new) = try (target.open(path, [.readOnly, .noFollow]), model.open(path, [.readOnly, .noFollow]))
        let size = 1 << 16
        return try withUnsafeTemporaryAllocation(byteCount: 2 * size, alignment: 4096) { buffer in
            let first = UnsafeMutableRawBufferPointer(rebasing: buffer[..<size])
            let second = UnsafeMutableRawBufferPointer(rebasing: buffer[size...])
            var offset: Int64 = 0
            while true {
                if isCancelled() { throw CancellationError() }
                let counts = try (old.read(into: first, at: offset), new.read(into: second, at: offset))
                guard counts.0 == counts.1, first.prefix(counts.0).elementsEqual(second.prefix(counts.1)) else {
                    return false
                }
                if counts.0 == 0 { return true }
                offset += Int64(counts.0)
            }
        }
    }
}

extension RootedDirectory {
    /// Removes an entry and, where it is a directory, all that is in it; the path's own last component is not followed.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    func removeTree(_ path: FilePath) throws(SystemCallError) {
        let parent = try open(path.removingLastComponent(), [.pathOnly, .directory])
        guard let name = path.components.last else { return }
        try LinuxSystem.removeTree(parent.procPath.appending(name))
    }
}
