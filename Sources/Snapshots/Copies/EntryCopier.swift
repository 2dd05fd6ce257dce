import Archive
import LinuxSystem
import SystemPackage

/// Copies single entries of a tree with everything of them that a layer keeps.
final class EntryCopier {
    /// What becomes of names of one file.
    enum Links {
        /// They stay names of one file.
        case kept
        /// Each becomes a file of its own. Overlayfs treats the names in its layers so when one of them is written.
        case broken
        /// Every entry that is no directory is the source's own, under another name: nothing is copied.
        case toSource
    }

    private struct Inode: Hashable {
        let device: UInt64
        let number: UInt64
    }

    private let target: RootedDirectory
    private let links: Links
    private let content = FileContentCopier()
    private var firstNames: [Inode: FilePath] = [:]

    init(into target: RootedDirectory, links: Links) {
        self.target = target
        self.links = links
    }

    /// Makes a directory, without what is in it and without its times.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    func makeDirectory(_ path: FilePath, like source: OpenFile, _ status: FileStatus) throws(SystemCallError) {
        try target.createDirectory(path, mode: 0o700)
        try applyMetadata(source, status, to: path)
    }

    /// Copies an entry that is no directory to a name that is free.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    func copy(_ path: FilePath, of source: RootedDirectory, _ status: FileStatus) throws(SystemCallError) {
        if links == .toSource, try linkToSource(path, of: source) { return }
        if links != .broken, status.linkCount > 1 {
            let inode = Inode(device: status.device, number: status.inode)
            if let first = firstNames[inode] { return try target.createHardLink(path, to: first) }
            firstNames[inode] = path
        }
        switch status.type {
        case .regular:
            let file = try target.open(path, [.writeOnly, .createNew, .noFollow], mode: 0o600)
            try content.copy(try source.open(path, [.readOnly, .noFollow]), status: status, to: file)
        case .symbolicLink:
            try target.createSymbolicLink(path, target: try source.readLink(path))
        case .characterDevice, .blockDevice, .fifo, .socket:
            try target.createNode(path, status.specialFile, mode: 0o600)
        case .directory: return
        }
        try applyMetadata(try source.open(path, [.pathOnly, .noFollow]), status, to: path)
        try target.setTimes(path, modified: status.modified)
    }

    /// Owner, mode and attributes, in the order in which one does not undo another.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    func applyMetadata(_ source: OpenFile, _ status: FileStatus, to path: FilePath) throws(SystemCallError) {
        try target.changeOwner(path, user: status.userID, group: status.groupID)
        if status.type == .symbolicLink { return }
        try target.changeMode(path, UInt32(status.mode))
        let wanted = try source.extendedAttributes().filter { isCopiedAttribute($0.name) }
        let made = try target.open(path, [.pathOnly, .noFollow])
        for attribute in wanted { try made.setExtendedAttribute(attribute.name, attribute.value) }
        for attribute in try made.extendedAttributes()
        where isCopiedAttribute(attribute.name) && !wanted.contains(where: { $0.name == attribute.name }) {
            try made.removeExtendedAttribute(attribute.name)
        }
    }

    /// - Returns: false for a file that has as many names as it can have.
    private func linkToSource(_ path: FilePath, of source: RootedDirectory) throws(SystemCallError) -> Bool {
        let parent = try source.open(path.removingLastComponent(), [.pathOnly, .directory])
        let targetParent = try target.open(path.removingLastComponent(), [.pathOnly, .directory])
        guard let last = path.components.last else { return false }
        let name = FilePath(root: nil, [last]).bytes
        do throws(SystemCallError) {
            try targetParent.createHardLink(named: name, toEntry: name, of: parent)
            return true
        } catch {
            guard [.tooManyLinks, .notPermitted, .notSupported, .improperLink].contains(error.errno) else {
                throw error
            }
            return false
        }
    }
}
