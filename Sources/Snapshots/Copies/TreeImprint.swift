import Archive
import LinuxSystem
import SystemPackage
import Text

/// What a tree looked like at one moment: enough to find out later what was changed in it.
struct TreeImprint {
    /// A file and the time of its last change of any kind.
    ///
    /// See stat(2), st_ctime.
    struct Stamp {
        fileprivate let inode: UInt64
        fileprivate let changed: FileTime

        init(_ status: FileStatus) {
            inode = status.inode
            changed = status.changed
        }

        /// Whether nothing about a file itself has changed.
        func isSame(_ status: FileStatus) -> Bool { inode == status.inode && changed == status.changed }
    }

    /// A directory.
    struct Directory {
        private let inode: UInt64
        /// The number of a directory that is gone is soon given to another.
        private let created: FileTime?
        private let content: DirectoryContent
        /// What was in it, by name.
        var entries: [[UInt8]: Stamp] = [:]

        init(_ directory: OpenFile, _ status: FileStatus) throws(SystemCallError) {
            inode = status.inode
            created = try directory.created()
            content = try DirectoryContent(directory, status)
        }

        /// Whether it still is the very one that it was, whatever is in it.
        func isSame(_ other: Directory) -> Bool { inode == other.inode && created == other.created }

        /// Whether it says the same of itself: a mount point may have come and gone in it.
        func isUntouched(_ other: Directory) -> Bool { content == other.content }
    }

    /// What a layer would say of a directory.
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

    /// By their paths from the root, which is empty.
    private var directories: [[UInt8]: Directory] = [:]
    /// The latest change in the tree.
    ///
    /// What comes after it must be later to be seen.
    private(set) var latest = FileTime.epoch

    init() {}

    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    init(of tree: RootedDirectory) throws(SystemCallError) {
        var pending: [[UInt8]] = [[]]
        while let path = pending.popLast() {
            let opened = try tree.open(FilePath(bytes: path), [.readOnly, .directory, .noFollow])
            var directory = try Directory(opened, try opened.status())
            for name in try directoryEntries(of: opened) {
                guard let status = try opened.entryStatus(named: name) else { continue }
                directory.entries[name] = Stamp(status)
                latest = max(latest, status.changed)
                if status.type == .directory { pending.append(path.isEmpty ? name : path + "/" + name) }
            }
            directories[path] = directory
        }
        latest = max(latest, try tree.directory.status().changed)
    }

    /// A directory as it was; nil where there was none.
    subscript(path: [UInt8]) -> Directory? { directories[path] }

    /// Adds a directory with what is in it.
    mutating func add(_ directory: Directory, at path: [UInt8]) {
        directories[path] = directory
        for stamp in directory.entries.values { latest = max(latest, stamp.changed) }
    }

    /// Notes what a file, other than a directory, looks like now.
    mutating func stamp(_ name: [UInt8], in directory: [UInt8], _ status: FileStatus) {
        directories[directory]?.entries[name] = Stamp(status)
        latest = max(latest, status.changed)
    }
}
