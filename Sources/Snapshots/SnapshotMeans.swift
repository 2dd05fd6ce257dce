import LinuxSystem
import SystemPackage
import Text

/// How the trees of a store are shown and changed.
package enum SnapshotMeans: String, Sendable, CaseIterable {
    /// Layers laid over each other by the kernel.
    case overlay = "overlayfs"
    /// Whole copies of trees, for stores on file systems that overlayfs cannot write to, and kernels without it.
    case copying = "copy"

    /// Tries in an empty directory what a build needs of overlayfs: a mount, a removed name and a directory that hides another.
    ///
    /// - Parameters:
    ///   - directory: empty, on the file system of the store.
    ///   - merged: an empty directory elsewhere: a killed process may leave the mount there, and `directory` is removed with all in it.
    ///   - attributes: where overlayfs keeps its marks.
    /// - Returns: overlayfs where all of it works.
    /// - Throws: only what says nothing about overlayfs, as a full disk.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    static func probe(
        in directory: FilePath,
        mountingAt merged: FilePath,
        _ attributes: OverlayAttributes
    ) throws(SystemCallError) -> SnapshotMeans {
        do throws(SystemCallError) {
            return try worksAsNeeded(in: directory, mountingAt: merged, attributes) ? .overlay : .copying
        } catch {
            let unrelated: [Errno] = [
                .noSpace, .diskQuotaExceeded, .noMemory, .tooManyOpenFiles, .tooManyOpenFilesInSystem,
            ]
            if unrelated.contains(error.errno) { throw error }
            return .copying
        }
    }

    private static func worksAsNeeded(
        in directory: FilePath,
        mountingAt merged: FilePath,
        _ attributes: OverlayAttributes
    ) throws(SystemCallError) -> Bool {
        let files = try RootedDirectory(directory)
        for name: FilePath in ["lower", "lower/old", "upper", "work"] { try files.createDirectory(name) }
        _ = try files.open("lower/file", [.writeOnly, .createNew], mode: 0o600)
        var overlay = OverlayMount(lower: [directory.appending("lower")])
        overlay.writable = (directory.appending("upper"), directory.appending("work"))
        overlay.attributes = attributes
        overlay.isVolatile = true
        try overlay.attach(at: merged)
        do throws(SystemCallError) {
            let view = try RootedDirectory(merged)
            try view.remove("file")
            try view.remove("old", directory: true)
            try view.createDirectory("old")
        } catch {
            try unmount(merged, lazy: true)
            throw error
        }
        try unmount(merged, lazy: true)
        let upper = LayerFiles(root: try files.openDirectory("upper"), form: LayerForm(attributes))
        let gone = try upper.root.status("file")
        guard gone.isWhiteout else { return false }
        return try upper.isOpaque(try upper.root.open("old", .pathOnly))
    }
}
