internal import Archive
internal import LinuxSystem
internal import Synchronization
internal import SystemPackage
internal import Text

/// A directory beside the received tree, on the same file system: entries are made in it, and go to it to be removed.
final class Workshop: Sendable {
    /// Something complete that has no place yet.
    struct Piece {
        fileprivate let name: [UInt8]
        fileprivate let workshop: OpenFile

        /// Gives it its place, in which there is nothing, or anything but a directory.
        @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
        func move(to place: [UInt8], of directory: OpenFile) throws(SystemCallError) {
            try workshop.renameEntry(named: name, to: place, of: directory)
        }
    }

    /// Its name among the entries of the received tree; nil where it is elsewhere.
    let nameInRoot: [UInt8]?
    private let directory: OpenFile
    private let count = Mutex(0)

    /// Uses a directory that is there; what it holds is left of another sync.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    init(at directory: OpenFile) throws(SystemCallError) {
        self.directory = directory
        nameInRoot = nil
        try empty()
    }

    /// Makes a directory in the received tree itself.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    init(in root: RootedDirectory) throws(SystemCallError) {
        let name = Array(".slipway-sync.\(String(UInt64.random(in: 0 ... .max), radix: 36))".utf8)
        try root.directory.createDirectory(named: name, mode: 0o700)
        directory = try root.directory.openEntry(named: name, [.pathOnly, .directory])
        nameInRoot = name
    }

    /// Removes what is left, and the directory itself if it was made for this sync.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    func close(in root: RootedDirectory) throws(SystemCallError) {
        try empty()
        if let nameInRoot { try root.directory.removeEntry(named: nameInRoot, directory: true) }
    }

    /// Removes an entry of a directory, with all that is below it.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    func discard(_ name: [UInt8], of parent: OpenFile) throws(SystemCallError) {
        do throws(SystemCallError) {
            try parent.removeEntry(named: name)
        } catch {
            // EISDIR by Linux, EPERM by POSIX.
            guard error.errno == .isDirectory || error.errno == .notPermitted else { throw error }
            // At once, so that the tree never shows half of it; the rest is done when the sync is.
            try parent.renameEntry(named: name, to: nextName(), of: directory)
        }
    }

    /// Makes a file that may be written under this name: the same again gives the same file.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    func openFile(_ number: UInt32, isNew: Bool) throws(SystemCallError) -> OpenFile {
        let name = Array("f\(number)".utf8)
        if isNew { return try directory.createFile(named: name) }
        return try directory.openEntry(named: name, [.writeOnly, .append])
    }

    /// The file of a number, complete.
    func file(_ number: UInt32) -> Piece { Piece(name: Array("f\(number)".utf8), workshop: directory) }

    /// Makes what is no file and no directory.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    func makeNode(_ entry: SentEntry) throws -> Piece {
        let name = nextName()
        let metadata = entry.metadata
        return try naming(entry.path) {
            switch entry.kind {
            case .symbolicLink(let target): try directory.createSymbolicLink(named: name, target: target)
            case .fifo: try directory.createNode(named: name, SpecialFile(.fifo), mode: 0o600)
            case .device(let type, let major, let minor):
                try directory.createNode(named: name, SpecialFile(type, major: major, minor: minor), mode: 0o600)
            case .directory, .file, .hardLink: preconditionFailure("made elsewhere")
            }
            try directory.changeOwner(ofEntry: name, user: metadata.user, group: metadata.group)
            if case .symbolicLink = entry.kind {
            } else {
                try directory.openEntry(named: name, [.pathOnly]).changeMode(UInt32(metadata.mode))
            }
            try directory.setTimes(ofEntry: name, modified: metadata.modified)
            return Piece(name: name, workshop: directory)
        }
    }

    /// Makes another name of a file.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    func link(_ target: [UInt8], of parent: OpenFile) throws(SystemCallError) -> Piece {
        let name = nextName()
        try directory.createHardLink(named: name, toEntry: target, of: parent)
        return Piece(name: name, workshop: directory)
    }

    /// The attributes of a file that are copied with it.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    func attributes(of name: [UInt8], in parent: OpenFile) throws(SystemCallError) -> [(name: [UInt8], value: [UInt8])]
    {
        try copiedAttributes(of: parent.openEntry(named: name, [.pathOnly]))
    }

    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    private func empty() throws(SystemCallError) {
        for name in try directoryEntries(of: directory) {
            try removeTree(FilePath(bytes: directory.procPath.bytes + "/" + name))
        }
    }

    private func nextName() -> [UInt8] {
        let number = count.withLock { count in
            count += 1
            return count
        }
        return Array("n\(number)".utf8)
    }
}
