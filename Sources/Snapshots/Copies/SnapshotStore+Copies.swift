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
        isCancelled: @escaping @Sendable () -> Bool
    ) throws {
        let layers = try tree.layers.map { try layerFiles(of: $0) }
        try whileDoing("copying the files of \(layers.count) layers", in: store.root) {
            try TreeCopy(layers: layers, isCancelled: isCancelled).make(at: directory, links: links)
        }
    }

    /// Shows the files of a tree in a directory of its own, which is bound read-only: they are the layers' very files.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    func bindReadOnly(_ tree: FileTree, isCancelled: @escaping @Sendable () -> Bool) throws -> TreeMount {
        var mount = TreeMount(root: "", mountPoints: [])
        let scratch = try store.temporaryDirectory()
        mount.scratch = scratch
        do {
            try copyTree(tree, to: scratch, links: .toSource, isCancelled: isCancelled)
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
        let clock = try OpenFile.open(scratch.appending("clock"), [.writeOnly, .create], mode: 0o600)
        // The kernel's clock for files ticks some hundred times a second: a change within the same tick would not show.
        repeat {
            pauseThread(for: .milliseconds(1))
            try clock.setTimes(modified: .epoch)
        } while try clock.status().changed == imprint.latest
        return imprint
    }

    /// Makes the directory of a layer of what was changed in a copied tree.
    /// - Returns: the directory that holds the layer's files.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    func writeDifference(of tree: FilePath, from imprint: TreeImprint) throws -> FilePath {
        let scratch = try store.temporaryDirectory()
        do {
            let files = scratch.appending(LayerForm.marked.rawValue)
            try HostFiles.createNewDirectory(files)
            try TreeDifference(
                tree: try RootedDirectory(tree),
                imprint: imprint,
                layer: try RootedDirectory(files)
            ).write()
            return scratch
        } catch {
            try? removeTree(scratch)
            throw error
        }
    }
}
