package import LinuxSystem
import Storage
package import SystemPackage

extension LeasedSnapshots {
    /// Mounts a tree at a directory of the caller's, with the caller's own directory for what is written to it.
    ///
    /// The mount stays in this process's mount namespace, for containers that outlive the process; the caller unmounts it, or lets it go
    /// with the namespace.
    /// - Parameters:
    ///   - tree: what is shown.
    ///   - changes: where what is written goes.
    ///   - work: for what is made on the way; on the same file system.
    ///   - target: where.
    ///   - identities: the namespace in which files have the owners that they have in the tree: a copy of it, with other owners here.
    /// - Throws: `SnapshotError`, `SystemCallError`.
    package func mount(
        _ tree: FileTree,
        writing changes: FilePath,
        work: FilePath,
        at target: FilePath,
        identities: IdentityMaps? = nil
    ) async throws {
        try await lease.hold(tree.layers.map { .layer($0) })
        try await unpack(tree.layers)
        try await onCancellablePool { [snapshots] isCancelled in
            if try identities != nil || snapshots.isCopied(tree) {
                // Whole or not at all; a container that ran before goes on with the files it has.
                if try HostFiles.entries(of: changes).isEmpty {
                    let copy = work.appending("copy")
                    try removeTree(copy)
                    try HostFiles.createNewDirectory(copy)
                    try snapshots.copyTree(
                        tree,
                        to: copy,
                        links: .kept,
                        identities: identities,
                        isCancelled: isCancelled
                    )
                    try HostFiles.rename(copy, to: changes)
                }
                return try DetachedMount.bind(changes).attach(at: target)
            }
            var mounts = TreeMount(root: "", mountPoints: [])
            let lower = try snapshots.lowerDirectories(of: tree, &mounts)
            if lower.isEmpty {
                try DetachedMount.bind(changes).attach(at: target)
            } else {
                try snapshots.overlay(of: lower, writing: (changes, work)).attach(at: target)
            }
        }
    }
}
