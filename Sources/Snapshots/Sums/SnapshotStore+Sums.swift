import Archive
import LinuxSystem
import Storage
import SystemPackage

/// The sums of a layer's files lie beside them, in `snapshots/<id>/sums`: they come and go with the files.
///
/// They are complete in names from the start, so that a name is known to be another layer's. The sums of what was unpacked are taken as it
/// is written; those of what a step wrote when its archive is made, or else when a file is read first. A layer of an older version has
/// none, and none is as good as one that is damaged itself: nothing is then said of the layer, and of those below it.
extension SnapshotStore {
    private static let sumsName = "sums"

    /// The sums of a layer's files; nil where they are not known.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    func sums(of layer: LayerID) throws -> FileSums? {
        let path = store.layout.snapshot(layer).appending(Self.sumsName)
        do throws(SystemCallError) {
            return FileSums(encoded: try OpenFile.open(path, .readOnly).readToEnd())
        } catch {
            // A sector that cannot be read is a loss of this file alone.
            guard error.errno == .noSuchFileOrDirectory || error.errno == .ioError else { throw error }
            return nil
        }
    }

    /// Puts sums into a directory that is to become a layer's.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    func write(_ sums: FileSums?, to scratch: FilePath) throws {
        guard let sums else { return }
        try HostFiles.write(sums.encoded, to: scratch.appending(Self.sumsName), mode: 0o600)
    }

    /// Puts sums in the place of those that a layer has.
    ///
    /// They only help: a layer that is being removed, or a full disk, is no error.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    func replaceSums(of layer: LayerID, by sums: FileSums) throws {
        do throws(SystemCallError) {
            let path = store.layout.snapshot(layer).appending(Self.sumsName)
            let pending = try PendingFile(replacing: path, mode: 0o600)
            do throws(SystemCallError) {
                try pending.file.write(sums.encoded)
                try pending.publish(isDurable: false)
            } catch {
                pending.discard()
                throw error
            }
        } catch {
            let harmless: [Errno] = [.noSuchFileOrDirectory, .noSpace, .diskQuotaExceeded, .readOnlyFileSystem]
            guard harmless.contains(error.errno) else { throw error }
        }
    }
}

extension LeasedSnapshots {
    /// What is known of the contents of a tree's files, whose layers are unpacked.
    package func sums(of tree: FileTree) -> TreeSums { TreeSums(tree, in: snapshots) }
}
