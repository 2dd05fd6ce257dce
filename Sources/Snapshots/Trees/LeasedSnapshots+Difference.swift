import Archive
import LinuxSystem
import Storage
import SystemPackage

extension LeasedSnapshots {
    /// What makes one tree of another.
    ///
    /// Of a tree that was made from the other one, these are the layers above it, as they are. Of any two others it is
    /// one layer with what is different.
    package func difference(from lower: FileTree, to upper: FileTree) async throws -> FileTree {
        if upper.layers.starts(with: lower.layers) {
            return FileTree(layers: Array(upper.layers.dropFirst(lower.layers.count)))
        }
        let (_, layer) = try await withMounted(upper) { model in
            try await withActiveSnapshot(on: lower) { active in
                try await onCancellablePool { isCancelled in
                    try TreeAlignment(
                        target: RootedDirectory(active.root),
                        model: RootedDirectory(model),
                        isCancelled: isCancelled
                    ).run()
                }
            }
        }
        return FileTree(layers: [layer])
    }
}
