import LinuxSystem
import Storage
package import SystemPackage

extension SnapshotStore {
    /// Mounts a tree at a directory of the caller's, with the caller's own directory for what is written to it.
    ///
    /// The mount stays in this process's mount namespace, for containers that outlive the process; the caller unmounts it, or lets it go
    /// with the namespace.
    package func mount(_ tree: FileTree, writing changes: FilePath, work: FilePath, at target: FilePath) async throws {
        try await store.hold(tree.layers.map { .layer($0) })
        try await unpack(tree.layers)
        try await onCancellablePool { isCancelled in
            if try self.isCopied(tree) {
                // Whole or not at all; a container that ran before goes on with the files it has.
                if try HostFiles.entries(of: changes).isEmpty {
                    let copy = work.appending("copy")
                    try removeTree(copy)
                    try HostFiles.createNewDirectory(copy)
                    try self.copyTree(tree, to: copy, links: .kept, isCancelled: isCancelled)
                    try HostFiles.rename(copy, to: changes)
                }
                return try DetachedMount.bind(changes).attach(at: target)
            }
            var mounts = TreeMount(root: "", mountPoints: [])
            let lower = try self.lowerDirectories(of: tree, &mounts)
            if lower.isEmpty {
                try DetachedMount.bind(changes).attach(at: target)
            } else {
                try OverlayMount(lower: lower, writable: (changes, work)).attach(at: target)
            }
        }
    }
}
