import LLB
import LinuxSystem
import OCI
import Snapshots
import Storage
import Synchronization
import SystemPackage
import Text

/// The directories of `RUN --mount=type=cache`: they outlive builds, and no image ever holds them.
///
/// A directory is found by a digest of its id, and of what it starts with where it starts with something, so that no id is a path.
/// `private` steps at work at the same time each get one of their own; `locked` ones wait for each other.
struct CacheMounts: Sendable {
    /// What a new directory starts with: a part of a tree, with its owner and permissions.
    struct Seed: Sendable {
        let tree: FileTree
        /// Empty for all of the tree.
        let path: [UInt8]
    }

    private let store: Store
    private let snapshots: LeasedSnapshots

    init(store: Store, snapshots: LeasedSnapshots) {
        self.store = store
        self.snapshots = snapshots
    }

    /// Lends a cache directory to `body`.
    /// - Parameters:
    ///   - id: whose directory.
    ///   - sharing: with whom.
    ///   - seed: what a new one starts with; nil for nothing.
    ///   - waits: is told when another step has the directory, and this one waits for its end.
    ///   - body: uses the directory.
    /// - Returns: what `body` returns.
    /// - Throws: what `body` throws; `CancellationError` if the task is cancelled while it waits for the directory.
    func withDirectory<Value>(
        id: [UInt8],
        sharing: CacheSharing,
        seed: Seed?,
        waits: () async -> Void,
        _ body: (FilePath) async throws -> Value
    ) async throws -> Value {
        let slots = KeptDirectory(.cacheMount, in: store.layout, name: Self.name(id: id, seed: seed))
        let lent = try await take(slots, id, sharing, waits)
        if try await onBlockingPool({ try HostFiles.status(of: lent.directory) == nil }) {
            try await fill(lent.directory, seed)
        }
        let value = try await body(lent.directory)
        withExtendedLifetime(lent.lock) {}
        return value
    }

    /// The name of the cache among all.
    private static func name(id: [UInt8], seed: Seed?) -> String {
        // As in BuildKit: what begins with other files is another cache.
        let layers = seed.map { $0.tree.layers.map { "\($0)" }.joined(separator: ",") }
        return Digest.sha256(of: id + (layers.map { ":\($0):" + (seed?.path ?? []) } ?? [])).hex
    }

    /// The directories that one step has already: a cache that it mounts twice is the same one, and not waited for.
    final class Taken: Sendable {
        private let directories = Mutex<[String: FilePath]>([:])

        func directory(id: [UInt8], seed: Seed?) -> FilePath? {
            directories.withLock { $0[CacheMounts.name(id: id, seed: seed)] }
        }

        func note(_ directory: FilePath, id: [UInt8], seed: Seed?) {
            directories.withLock { $0[CacheMounts.name(id: id, seed: seed)] = directory }
        }
    }

    private struct Lent: Sendable {
        let directory: FilePath
        let lock: FileLock
    }

    private func take(
        _ cache: KeptDirectory,
        _ id: [UInt8],
        _ sharing: CacheSharing,
        _ waits: () async -> Void
    ) async throws -> Lent {
        switch sharing {
        case .shared:
            return try await wait(for: cache, id, .shared, waits)
        case .locked:
            return try await wait(for: cache, id, .exclusive, waits)
        case .private:
            return try await onBlockingPool {
                let (number, lock) = try cache.take(id: id)
                return Lent(directory: cache.data(number), lock: lock)
            }
        }
    }

    /// Waits for the first directory, and stops waiting when the task is cancelled.
    private func wait(
        for cache: KeptDirectory,
        _ id: [UInt8],
        _ mode: FileLock.Mode,
        _ waits: () async -> Void
    ) async throws -> Lent {
        try await onBlockingPool { try cache.make(0, id: id) }
        let lock = try await FileLock.obtain(cache.lock(0), mode, whenTaken: waits)
        return Lent(directory: cache.data(0), lock: lock)
    }

    /// Makes the content of a new directory; it appears whole, whoever else makes it at the same time.
    private func fill(_ directory: FilePath, _ seed: Seed?) async throws {
        let fresh = try await onBlockingPool { [store] in try store.temporaryDirectory() }
        if let seed {
            try await snapshots.withMounted(seed.tree) { root in
                try await onBlockingPool { try copyDirectory(seed.path, of: root, to: fresh) }
            }
        } else {
            try await onBlockingPool { try OpenFile.open(fresh, [.readOnly, .directory]).changeMode(0o755) }
        }
        try await onBlockingPool {
            do throws(SystemCallError) {
                try HostFiles.rename(fresh, to: directory)
            } catch {
                try removeTree(fresh)
                if try HostFiles.status(of: directory) == nil { throw error }
            }
        }
    }
}
