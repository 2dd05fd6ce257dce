internal import LinuxSystem
internal import Synchronization

/// What identified the content of files when they were digested, so that a later copy notices a change in between.
final class FileObservations: Sendable {
    struct Stamp: Hashable, Sendable {
        let inode: UInt64
        let size: Int64
        let modified: FileTime
        let changed: FileTime

        init(_ status: FileStatus) {
            inode = status.inode
            size = status.size
            modified = status.modified
            changed = status.changed
        }
    }

    private let stamps = Mutex<[[UInt8]: Stamp]>([:])

    func note(_ seen: [(path: [UInt8], status: FileStatus)]) {
        stamps.withLock { stamps in
            for (path, status) in seen { stamps[path] = Stamp(status) }
        }
    }

    /// Whether a file is still what was digested under its path; true for one that was not.
    func agrees(_ path: [UInt8], _ status: FileStatus) -> Bool {
        stamps.withLock { stamps in stamps[path].map { $0 == Stamp(status) } ?? true }
    }
}
