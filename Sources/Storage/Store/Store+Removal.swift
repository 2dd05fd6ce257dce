internal import LinuxSystem
package import SystemPackage
internal import Text

/// The removal of a whole store, in whatever state it is: nothing of it needs to be readable.
extension Store {
    /// Whether a directory has a store, or what is left of one.
    package static func isPresent(at root: FilePath) async throws -> Bool {
        let layout = StoreLayout(root: root)
        return try await onBlockingPool {
            try whileDoing("looking for a store", in: root) {
                for sign in [layout.database, layout.records, layout.removed]
                where try HostFiles.status(of: sign) != nil {
                    return true
                }
                // A store that has lost them; one of these names alone may be any directory's.
                return try [layout.blobs, layout.snapshots, layout.ingest].allSatisfy {
                    try HostFiles.status(of: $0)?.type == .directory
                }
            }
        }
    }

    /// Waits until no other process uses a store.
    /// - Parameters:
    ///   - root: the store's directory.
    ///   - time: how long to wait at most.
    /// - Throws: `StorageError.inUse` with a process that still uses it then.
    package static func awaitDisuse(of root: FilePath, atMost time: Duration) async throws {
        let layout = StoreLayout(root: root)
        try await onBlockingPool {
            try whileDoing("looking for processes", in: root) {
                let end = ContinuousClock.now + time
                for suffix in StoreDatabase.suffixes {
                    let file = StoreDatabase.file(suffix, of: layout.database)
                    guard let status = try HostFiles.status(of: file) else { continue }
                    for process in try ProcessReference.holding(status)
                    where try !process.waitUntilEnded(atMost: max(.zero, end - ContinuousClock.now)) {
                        throw StorageError.inUse(root: root, process: process.processID)
                    }
                }
                // Those whose database is gone.
                if try HostFiles.status(of: layout.run) != nil { try checkAlone(in: layout) }
            }
        }
    }

    /// Removes a store and its directory, in which no process is at work.
    ///
    /// Cut short, it leaves something that `isPresent` finds, and the next removal goes on.
    /// - Returns: what else is in the directory, which stays.
    /// - Throws: `StorageError.system`.
    package static func remove(at root: FilePath) async throws -> [[UInt8]] {
        let layout = StoreLayout(root: root)
        return try await onBlockingPool {
            try whileDoing("removing the store", in: root) {
                try detachMounts(in: layout)
                try removeTree(layout.removed)
                try HostFiles.createDirectory(layout.removed, mode: 0o700)
                for name in try HostFiles.entries(of: root) where isOwn(name, in: layout) {
                    try setAside(FilePath(bytes: root.bytes + "/" + name), in: layout)
                }
                try removeTree(layout.removed)
                let others = try HostFiles.entries(of: root)
                if others.isEmpty { removeDirectory(root) }
                return others
            }
        }
    }

    /// Whether an entry of the root is the store's, or a file of it that a killed process was about to write.
    private static func isOwn(_ name: [UInt8], in layout: StoreLayout) -> Bool {
        layout.entries.map(\.bytes.lastComponent).contains { known in
            name == known || name.starts(with: known + ".") && Array(name.suffix(8)) == ".partial"
        }
    }

    /// Moves something to where no command finds it.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    private static func setAside(_ path: FilePath, in layout: StoreLayout) throws(SystemCallError) {
        do throws(SystemCallError) {
            try HostFiles.rename(
                path,
                to: FilePath(bytes: layout.removed.bytes + "/" + path.bytes.lastComponent)
            )
        } catch {
            // A file system of its own is mounted there, which stays.
            guard error.errno == .resourceBusy || error.errno == .improperLink else { throw error }
            for name in try HostFiles.entries(of: path) { try removeTree(FilePath(bytes: path.bytes + "/" + name)) }
        }
    }

    /// A volume, as of a pod, cannot be removed from inside; nor can a directory whose parent is another user's.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    private static func removeDirectory(_ root: FilePath) { _ = try? HostFiles.removeDirectoryIfEmpty(root) }

    /// Takes off what is mounted where only Slipway mounts something: removing goes into what is mounted, as a volume of the host.
    /// - Throws: `EBUSY` with the place of what stays mounted.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    private static func detachMounts(in layout: StoreLayout) throws(SystemCallError) {
        guard try HostFiles.status(of: layout.root) != nil else { return }
        let root = try HostFiles.resolved(layout.root)
        let own = [layout.containers, layout.mounts, layout.tmp, layout.removed].compactMap(\.lastComponent)
            .map { root.appending($0) }
        func mounted() throws(SystemCallError) -> [FilePath] {
            try MountNamespace.mountPoints().filter { place in own.contains { place.starts(with: $0) } }
        }
        for place in try mounted().reversed() { try unmount(place, lazy: true) }
        if let place = try mounted().last { throw SystemCallError("umount2", path: place, errno: .resourceBusy) }
    }
}
