import LinuxSystem
import Storage
package import SystemPackage

extension LeasedSnapshots {
    /// Lends the files of a tree, read-only, as one directory; they are fetched and unpacked first where that is needed.
    package func withMounted<Value>(_ tree: FileTree, _ body: (FilePath) async throws -> Value) async throws -> Value {
        try await lease.hold(tree.layers.map { .layer($0) })
        try await unpack(tree.layers)
        let mount = try await onCancellablePool { try snapshots.mountReadOnly(tree, isCancelled: $0) }
        do {
            let value = try await body(mount.root)
            try await onBlockingPool { try mount.unmount() }
            return value
        } catch {
            await onBlockingPool { try? mount.unmount() }
            throw error
        }
    }

}

extension SnapshotStore {
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    func mountReadOnly(_ tree: FileTree, isCancelled: @escaping @Sendable () -> Bool) throws -> TreeMount {
        if tree.layers.isEmpty { return TreeMount(root: try emptyLayer(), mountPoints: []) }
        if try isCopied(tree) { return try bindReadOnly(tree, isCancelled: isCancelled) }
        var mounts = TreeMount(root: "", mountPoints: [])
        do {
            var lower = try lowerDirectories(of: tree, &mounts)
            _ = try showOwners(of: tree, in: &lower, &mounts)
            // The kernel wants two layers for a view without an upper directory.
            if lower.count == 1 { lower.append(try emptyLayer()) }
            try mounts.attach(overlay(of: lower), at: try store.mountPoint())
            return mounts
        } catch {
            try? mounts.unmount()
            throw error
        }
    }

    /// A view of layers, the topmost first, as this process mounts it.
    func overlay(of lower: [FilePath], writing changes: (upper: FilePath, work: FilePath)? = nil) -> OverlayMount {
        var overlay = OverlayMount(lower: lower, writable: changes)
        overlay.attributes = level.overlayAttributes
        return overlay
    }

    /// The directories of a tree's layers, the topmost first, few enough for one mount.
    ///
    /// More than the kernel takes become a mount of their own, lowest first; overlayfs may stand on overlayfs once.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    func lowerDirectories(of tree: FileTree, _ mounts: inout TreeMount) throws -> [FilePath] {
        var directories: [FilePath] = []
        var seen: Set<LayerID> = []
        // The kernel refuses a layer that stands twice; what the upper one says holds wherever the lower one would speak.
        for layer in tree.layers.reversed() where seen.insert(layer).inserted {
            directories.append(files(of: layer))
            // overlayfs does not look at the root directory's own mark: what is below is left out here.
            if try layerFiles(of: layer).hidesEverything { break }
        }
        let limit = OverlayMount.maximumLayers - 2
        while directories.count > limit {
            let group = Array(directories.suffix(limit))
            directories.removeLast(group.count)
            let point = try store.mountPoint()
            try mounts.attach(overlay(of: group), at: point)
            mounts.lowerRoots.append(point)
        }
        // Groups were taken from the bottom up; the last one taken is the topmost of them.
        return directories + mounts.lowerRoots.reversed()
    }
}

/// What was mounted to show one tree.
struct TreeMount: Sendable {
    var root: FilePath
    /// In the order of mounting.
    var mountPoints: [FilePath]
    var lowerRoots: [FilePath] = []
    /// Removed after the last unmount.
    var scratch: FilePath?

    init(root: FilePath, mountPoints: [FilePath]) {
        self.root = root
        self.mountPoints = mountPoints
    }

    /// Mounts an overlay; it becomes the root.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    mutating func attach(_ overlay: OverlayMount, at point: FilePath) throws(SnapshotError) {
        do throws(SystemCallError) {
            try overlay.attach(at: point)
        } catch {
            throw .mount(error, layers: overlay.lower.count)
        }
        mountPoints.append(point)
        root = point
    }

    /// Takes everything down, the last one first.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    func unmount() throws(SystemCallError) {
        for point in mountPoints.reversed() {
            try LinuxSystem.unmount(point, lazy: true)
            // Never more than the empty directory: something may still be mounted there.
            try HostFiles.removeDirectoryIfEmpty(point)
        }
        if let scratch { try removeTree(scratch) }
    }
}
