import Operations
import Synchronization
import SystemPackage

/// What is known of the copies of clients' directories, as long as no sync has changed them.
final class KnownCopies: Sendable {
    /// The last used last.
    private let copies = Mutex<[(path: FilePath, files: KnownFiles)]>([])
    /// Files of all copies; one takes about half a kilobyte.
    private static let limit = 100_000

    /// Takes what is known of a copy, which a sync may change now.
    func take(_ path: FilePath) -> KnownFiles? {
        copies.withLock { copies in
            guard let index = copies.firstIndex(where: { $0.path == path }) else { return nil }
            return copies.remove(at: index).files
        }
    }

    /// Says that a copy is as it was when this was read.
    func put(_ files: KnownFiles, of path: FilePath) {
        copies.withLock { copies in
            copies.removeAll { $0.path == path }
            copies.append((path, files))
            var count = 0
            // From the last used on, as many as there is room for; the one at hand always.
            let kept = copies.reversed().prefix { copy in
                count += copy.files.count
                return count <= Self.limit || copy.path == path
            }
            copies = kept.reversed()
        }
    }
}
