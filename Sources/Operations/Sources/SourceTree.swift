internal import LinuxSystem
internal import Snapshots

/// A tree of files as an operation reads it: a root, the paths of it that take part, and whom its files count as belonging to.
struct SourceTree: Sendable {
    enum Ownership: Sendable, Hashable {
        /// What the files say.
        case asStored
        /// Everything belongs to root, as BuildKit's client sends its directories.
        case root
    }

    let root: RootedDirectory
    let filter: PathFilter
    let ownership: Ownership
    /// How the tree is called in messages.
    let name: [UInt8]
    /// Takes down what is copied of a tree that may change meanwhile; nil for one that cannot.
    let record: CopyRecord?
    /// What files are compared with as they are read; nil for a tree that has no layers, or whose files were compared before.
    let sums: TreeSums?

    init(
        root: RootedDirectory,
        name: [UInt8],
        filter: PathFilter = .everything,
        ownership: Ownership = .asStored,
        record: CopyRecord? = nil,
        sums: TreeSums? = nil
    ) {
        self.root = root
        self.name = name
        self.filter = filter
        self.ownership = ownership
        self.record = record
        self.sums = sums
    }

    /// The tree, with what is copied of it taken down.
    func recording(_ record: CopyRecord?) -> SourceTree {
        SourceTree(root: root, name: name, filter: filter, ownership: ownership, record: record, sums: sums)
    }

    func owner(of status: FileStatus) -> (user: UInt32, group: UInt32) {
        switch ownership {
        case .asStored: (status.userID, status.groupID)
        case .root: (0, 0)
        }
    }
}
