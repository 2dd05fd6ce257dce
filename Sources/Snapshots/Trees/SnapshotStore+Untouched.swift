import Archive
import LinuxSystem
import SystemPackage

extension SnapshotStore {
    /// Removes directories from a layer that say of themselves only what the layers below say, and those above them that then do.
    ///
    /// overlayfs copies a directory up before anything is made in it, and leaves it there when that is gone again: such a directory is
    /// no change, and neither BuildKit nor containerd puts it into a layer.
    /// - Parameters:
    ///   - candidates: directories of the layer with nothing in them.
    ///   - layer: the layer, which nothing else uses.
    ///   - tree: what it stands on.
    /// - Returns: how many were removed.
    /// - Throws: `SystemCallError`, `SnapshotError`.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    func removeUntouched(_ candidates: [[UInt8]], of layer: LayerFiles, above tree: FileTree) throws -> Int64 {
        guard !candidates.isEmpty, !tree.layers.isEmpty else { return 0 }
        let difference = UntouchedDirectories(layer: layer, below: try OverlaidLayers(tree.layers.map(layerFiles)))
        var count: Int64 = 0
        for candidate in candidates {
            var path = FilePath(bytes: candidate)
            while !path.isEmpty, try difference.remove(path) {
                count += 1
                path.removeLastComponent()
            }
        }
        return count
    }
}

/// Compares directories of a layer with those below them.
private struct UntouchedDirectories {
    let layer: LayerFiles
    let below: OverlaidLayers

    /// Removes a directory that is empty and was not changed; says whether it did.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    func remove(_ path: FilePath) throws -> Bool {
        guard try isUntouched(path) else { return false }
        do {
            try layer.root.keepingTime(of: path.removingLastComponent()) {
                try layer.root.remove(path, directory: true)
            }
            return true
        } catch let error as SystemCallError {
            if error.errno == .directoryNotEmpty || error.errno == .fileExists { return false }
            throw error
        }
    }

    private func isUntouched(_ path: FilePath) throws -> Bool {
        // What stands below a name counts only while the layer shows it: no part of the path hides it.
        var prefix = FilePath("")
        for component in path.components {
            prefix.append(component)
            if try layer.isOpaque(try directory(prefix)) { return false }
        }
        guard let other = try below.directory(path) else { return false }
        let mine = try directory(path)
        let (now, before) = (try mine.status(), try other.status())
        guard now.mode == before.mode, now.userID == before.userID, now.groupID == before.groupID,
            now.modified == before.modified
        else { return false }
        return try attributes(of: mine) == attributes(of: other)
    }

    private func directory(_ path: FilePath) throws(SystemCallError) -> OpenFile {
        try layer.root.open(path, [.pathOnly, .directory, .noFollow])
    }

    private func attributes(of directory: OpenFile) throws(SystemCallError) -> [[[UInt8]]] {
        try copiedAttributes(of: directory).map { [$0.name, $0.value] }
    }
}
