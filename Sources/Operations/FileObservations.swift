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

    private struct State {
        var stamps: [[UInt8]: Stamp] = [:]
        /// Not in `stamps` yet: when all that is copied is in the cache, nobody asks.
        var noted: [(path: [UInt8], status: FileStatus)] = []
    }

    private let state = Mutex(State())

    func note(_ seen: [(path: [UInt8], status: FileStatus)]) { state.withLock { $0.noted += seen } }

    /// Whether a file is still what was digested under its path; true for one that was not.
    func agrees(_ path: [UInt8], _ status: FileStatus) -> Bool {
        state.withLock { state in
            for (path, status) in state.noted { state.stamps[path] = Stamp(status) }
            state.noted = []
            return state.stamps[path].map { $0 == Stamp(status) } ?? true
        }
    }
}
