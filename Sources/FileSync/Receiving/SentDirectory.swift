internal import LinuxSystem
internal import SystemPackage
internal import Text

/// A directory that was sent, which its entries refer to.
final class SentDirectory: Sendable {
    /// Empty for the root.
    let path: [UInt8]
    /// What it shall have in the end; nil for the root, which is not sent.
    let metadata: EntryMetadata?

    init(path: [UInt8], metadata: EntryMetadata?) {
        self.path = path
        self.metadata = metadata
    }
}

/// Open handles of the directories that work goes on in; a few at a time, however deep the tree is.
struct DirectoryHandles {
    private static let limit = 64

    private let root: RootedDirectory
    private var open: [ObjectIdentifier: OpenFile] = [:]

    init(root: RootedDirectory) { self.root = root }

    /// The handle of a directory, opened by its path unless it is at hand.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    mutating func handle(of directory: SentDirectory) throws(SystemCallError) -> OpenFile {
        if directory.path.isEmpty { return root.directory }
        if let handle = open[ObjectIdentifier(directory)] { return handle }
        let handle = try root.open(FilePath(bytes: directory.path), [.pathOnly, .directory, .noFollow])
        keep(handle, for: directory)
        return handle
    }

    /// Opens a directory by its name in a parent, following no link.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    mutating func enter(_ directory: SentDirectory, in parent: OpenFile) throws(SystemCallError) -> OpenFile {
        let handle = try parent.openEntry(named: directory.path.lastComponent, [.pathOnly, .directory])
        keep(handle, for: directory)
        return handle
    }

    private mutating func keep(_ handle: OpenFile, for directory: SentDirectory) {
        if open.count >= Self.limit { open.removeAll(keepingCapacity: true) }
        open[ObjectIdentifier(directory)] = handle
    }
}
