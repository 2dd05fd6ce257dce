import LinuxSystem
import Storage
import SystemPackage

extension SnapshotStore {
    /// Whether a tree is copied rather than mounted: always without overlayfs, and where a layer has another form than the
    /// overlayfs that this process mounts.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    func isCopied(_ tree: FileTree) throws -> Bool {
        if tree.layers.isEmpty { return false }
        if try meansBlocking() == .copying { return true }
        return try tree.layers.contains { try layerFiles(of: $0).form != overlayForm }
    }

    /// Fills an empty directory with the files of a tree.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    func copyTree(
        _ tree: FileTree,
        to directory: FilePath,
        links: EntryCopier.Links,
        identities: IdentityMaps? = nil,
        isCancelled: @escaping @Sendable () -> Bool
    ) throws {
        let layers = try tree.layers.map { try layerFiles(of: $0) }
        try whileDoing("copying the files of \(layers.count) layers", in: store.root) {
            try TreeCopy(layers: layers, identities: identities, isCancelled: isCancelled)
                .make(at: directory, links: links)
        }
    }

    /// Shows the files of a tree in a directory of its own: they are the layers' very files.
    ///
    /// It is bound read-only; where nothing can be mounted, only this program reads it, and no process of others sees it.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    func bindReadOnly(_ tree: FileTree, isCancelled: @escaping @Sendable () -> Bool) throws -> TreeMount {
        var mount = TreeMount(root: "", mountPoints: [])
        let scratch = try store.temporaryDirectory()
        mount.scratch = scratch
        do {
            try copyTree(tree, to: scratch, links: .toSource, isCancelled: isCancelled)
            guard level.mounts else {
                mount.root = scratch
                return mount
            }
            let point = try store.mountPoint()
            try DetachedMount.bind(scratch, readOnly: true).attach(at: point)
            mount.mountPoints = [point]
            mount.root = point
            return mount
        } catch {
            try? mount.unmount()
            throw error
        }
    }

    /// Remembers what a copied tree looks like.
    ///
    /// What is changed from now on will be seen.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    func imprint(_ directory: FilePath, scratch: FilePath) throws -> TreeImprint {
        let imprint = try TreeImprint(of: try RootedDirectory(directory))
        try waitForChange(after: imprint, scratch: scratch)
        return imprint
    }

    /// Waits until a change of a tree would be seen.
    ///
    /// The kernel's clock for files ticks some hundred times a second: a change within the same tick would not show.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    func waitForChange(after imprint: TreeImprint, scratch: FilePath) throws {
        let clock = try OpenFile.open(scratch.appending("clock"), [.writeOnly, .create], mode: 0o600)
        try clock.setTimes(modified: .epoch)
        while try clock.status().changed == imprint.latest {
            pauseThread(for: .milliseconds(1))
            try clock.setTimes(modified: .epoch)
        }
    }

    /// Makes the directory of a layer of what was changed in a copied tree, without files that are as they were.
    /// - Returns: the directory that holds the layer's files, and what the tree looks like then, if it `isKept`.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    func writeDifference(
        of tree: FilePath,
        from imprint: TreeImprint,
        without restored: Set<[UInt8]>,
        isKept: Bool
    ) throws -> (scratch: FilePath, imprint: TreeImprint?) {
        let scratch = try store.temporaryDirectory()
        do {
            let files = scratch.appending(LayerForm.marked.rawValue)
            try HostFiles.createNewDirectory(files)
            var difference = TreeDifference(
                tree: try RootedDirectory(tree),
                imprint: imprint,
                restored: restored,
                layer: try RootedDirectory(files)
            )
            try difference.write()
            return (scratch, isKept ? try difference.settle() : nil)
        } catch {
            try? removeTree(scratch)
            throw error
        }
    }
}
