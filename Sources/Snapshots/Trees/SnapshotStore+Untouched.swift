import Archive
import LinuxSystem
import SystemPackage

extension SnapshotStore {
    /// Removes from a layer what says only what the layers below say.
    ///
    /// overlayfs copies a file up before anything of it is changed, and a directory before anything is made in it;
    /// there they stay when the change is undone, or changes nothing. Neither BuildKit nor containerd puts them into a
    /// layer.
    /// - Parameters:
    ///   - measure: of the layer.
    ///   - sums: of its files.
    ///   - layer: the layer, which nothing else uses, and in which no directory is opaque any more.
    ///   - tree: what it stands on.
    /// - Throws: `SystemCallError`, `SnapshotError`.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    func removeUntouched(
        _ measure: inout Measure,
        _ sums: FileSumRecorder,
        of layer: LayerFiles,
        above tree: FileTree
    ) throws {
        if tree.layers.isEmpty || measure.emptyDirectories.isEmpty && measure.touchedFiles.isEmpty { return }
        let below = try OverlaidLayers(tree.layers.map(layerFiles))
        let files = try UnchangedFiles(layer: layer, below: below).remove(of: measure.touchedFiles)
        for file in files { sums.forget(file.path) }
        measure.entries -= Int64(files.count)
        measure.bytes -= files.reduce(0) { $0 + $1.size }
        let directories = UntouchedDirectories(layer: layer, below: below)
        // The times of the directories tell only of the files that are gone now.
        let emptied = Set(files.map { FilePath(bytes: $0.path).removingLastComponent() })
        for candidate in Set(measure.emptyDirectories.map { FilePath(bytes: $0) }).union(emptied) {
            var path = candidate
            while !path.isEmpty, try directories.remove(path, ofAnyTime: emptied.contains(path)) {
                measure.entries -= 1
                path.removeLastComponent()
            }
        }
    }
}

/// Compares directories of a layer, which hides none as a whole, with those below them.
private struct UntouchedDirectories {
    let layer: LayerFiles
    let below: OverlaidLayers

    /// Removes a directory that is empty and was not changed; says whether it did.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    func remove(_ path: FilePath, ofAnyTime: Bool) throws -> Bool {
        guard try isUntouched(path, ofAnyTime: ofAnyTime) else { return false }
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

    private func isUntouched(_ path: FilePath, ofAnyTime: Bool) throws -> Bool {
        guard let other = try below.directory(path) else { return false }
        let mine = try directory(path)
        let (now, before) = (try mine.status(), try other.status())
        guard now.mode == before.mode, now.userID == before.userID, now.groupID == before.groupID,
            ofAnyTime || now.modified == before.modified
        else { return false }
        return try haveSameAttributes(mine, other)
    }

    private func directory(_ path: FilePath) throws(SystemCallError) -> OpenFile {
        try layer.root.open(path, [.pathOnly, .directory, .noFollow])
    }
}
