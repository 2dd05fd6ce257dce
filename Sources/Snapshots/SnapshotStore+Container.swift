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
        try await onBlockingPool {
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
