import Glibc
import LLB
import LinuxSystem
import OCI
import Snapshots
import Storage
import SystemPackage

/// The directories of `RUN --mount=type=cache`: they outlive builds, and no image ever holds them.
///
/// A directory is found by a digest of its id, so that no id is a path. `private` steps at work at the same time each get one of
/// their own; `locked` ones wait for each other.
struct CacheMounts: Sendable {
    private let store: Store
    private let snapshots: SnapshotStore

    init(store: Store, snapshots: SnapshotStore) {
        self.store = store
        self.snapshots = snapshots
    }

    /// Lends a cache directory to `body`; a new one starts as the directory of `seed` that `selector` names.
    func withDirectory<Value>(
        id: [UInt8],
        sharing: CacheSharing,
        seed: FileTree?,
        selector: [UInt8],
        _ body: (FilePath) async throws -> Value
    ) async throws -> Value {
        let base = store.root.appending("cachemounts").appending(Digest.sha256(of: id).hex)
        let lent = try await onBlockingPool { try Self.take(base, sharing) }
        if try await onBlockingPool({ try RootedDirectory(lent.directory).statusIfPresent("data") == nil }) {
            try await fill(lent.directory, seed, selector)
        }
        let value = try await body(lent.directory.appending("data"))
        withExtendedLifetime(lent.lock) {}
        return value
    }

    private struct Lent: Sendable {
        let directory: FilePath
        let lock: FileLock
    }

    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    private static func take(_ base: FilePath, _ sharing: CacheSharing) throws -> Lent {
        func made(_ number: Int) throws(SystemCallError) -> FilePath {
            let directory = base.appending("\(number)")
            for path in [base.removingLastComponent(), base, directory] {
                do throws(SystemCallError) {
                    _ = try retryingSystemCall("mkdir", path: path) { path.withPlatformString { mkdir($0, 0o700) } }
                } catch {
                    if error.errno != .fileExists { throw error }
                }
            }
            return directory
        }
        switch sharing {
        case .shared:
            let directory = try made(0)
            return Lent(directory: directory, lock: try FileLock.acquire(directory.appending("lock"), .shared))
        case .locked:
            let directory = try made(0)
            return Lent(directory: directory, lock: try FileLock.acquire(directory.appending("lock"), .exclusive))
        case .private:
            var number = 0
            while true {
                let directory = try made(number)
                if let lock = try FileLock.tryAcquire(directory.appending("lock"), .exclusive) {
                    return Lent(directory: directory, lock: lock)
                }
                number += 1
            }
        }
    }

    /// Makes the content of a new directory; it appears whole, whoever else makes it at the same time.
    private func fill(_ directory: FilePath, _ seed: FileTree?, _ selector: [UInt8]) async throws {
        func adopt(_ made: FilePath) async throws {
            try await onBlockingPool {
                let target = directory.appending("data")
                let result = made.withPlatformString { source in target.withPlatformString { rename(source, $0) } }
                if result == 0 { return }
                try removeTree(made)
                if try RootedDirectory(directory).statusIfPresent("data") == nil {
                    throw SystemCallError("rename", path: target, errno: .ioError)
                }
            }
        }
        let fresh = try await onBlockingPool { [store] in try store.temporaryDirectory() }
        if let seed {
            try await snapshots.withMounted(seed) { root in
                try await onBlockingPool {
                    let tree = try RootedDirectory(root)
                    let path = rootedPath(selector).filePath
                    let from = path.isEmpty ? tree : try tree.openDirectory(path)
                    let status = try from.open(".", O_PATH).status()
                    try copyTree(from: from, to: RootedDirectory(fresh))
                    let made = try OpenFile.open(fresh, O_RDONLY | O_DIRECTORY)
                    try made.changeOwner(user: status.userID, group: status.groupID)
                    try made.changeMode(UInt32(status.mode))
                }
            }
        } else {
            try await onBlockingPool { try OpenFile.open(fresh, O_RDONLY | O_DIRECTORY).changeMode(0o755) }
        }
        try await adopt(fresh)
    }
}
