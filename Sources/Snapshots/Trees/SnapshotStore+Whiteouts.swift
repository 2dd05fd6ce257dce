import Archive
import LinuxSystem
import SystemPackage
import Text

extension SnapshotStore {
    /// Says of each name that a directory hides that it is gone, instead of saying that the directory hides all names.
    ///
    /// overlayfs marks a directory that takes the place of another as hiding everything below and, depending on the
    /// kernel's settings, any new one. A layer that says so would hide files of other layers that it never saw, where
    /// it is merged with them; with BuildKit and containerd layers name what they remove.
    /// - Parameters:
    ///   - opaque: the directories of the layer that hide everything.
    ///   - layer: the layer, which nothing else uses.
    ///   - tree: what it stands on.
    /// - Returns: how many marks were made.
    /// - Throws: `SystemCallError`, `SnapshotError`.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    func nameHidden(_ opaque: [[UInt8]], of layer: LayerFiles, above tree: FileTree) throws -> Int64 {
        guard !opaque.isEmpty else { return 0 }
        let below = try OverlaidLayers(tree.layers.map(layerFiles))
        var count: Int64 = 0
        // A directory comes before those in it.
        var pending = opaque.map { FilePath(bytes: $0) }.reversed() as [FilePath]
        while let path = pending.popLast() {
            let directory = try layer.root.open(path, [.readOnly, .directory, .noFollow])
            let own = Set(try directoryEntries(of: directory))
            try layer.root.keepingTime(of: path) {
                for (name, isDirectory) in try below.entries(of: path) {
                    if !own.contains(name) {
                        try directory.createNode(named: name, SpecialFile(.characterDevice), mode: 0)
                        count += 1
                    } else if isDirectory, try directory.entryStatus(named: name)?.type == .directory {
                        pending.append(path.appending(name: name))
                    }
                }
            }
            if let attributes = layer.form.overlayAttributes, try layer.isOpaque(directory) {
                try directory.removeExtendedAttribute(attributes.opaque)
            }
        }
        return count
    }
}
