import LinuxSystem
package import Snapshots

/// What a vertex of a build gives.
package enum BuildOutput: Sendable {
    /// Files of the store.
    case tree(FileTree)
    /// A directory that is read where it is: the build context.
    case directory(LocalDirectory)

    /// The files of the store; nil for a directory, which is none of the store's.
    package var tree: FileTree? {
        switch self {
        case .tree(let tree): tree
        case .directory: nil
        }
    }
}

/// A directory of the host as a source of files: which of them the build may see, and what was seen of them.
package struct LocalDirectory: Sendable {
    let tree: SourceTree
}
