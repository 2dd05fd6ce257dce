import BuildCache
import LinuxSystem
import Storage
import Synchronization

/// Looks after the size of the build cache from time to time, after builds, as the daemon's policies say.
final class CacheKeeper: Sendable {
    /// How often at most, in seconds.
    private static let pause: Int64 = 60

    private let store: Store
    private let policies: [CachePolicy]
    private let isAtWork = Mutex(false)

    init(_ store: Store, _ policies: [CachePolicy]) {
        self.store = store
        self.policies = policies
    }

    /// Begins to, where it is time for that; does not wait for the end.
    func look() {
        if policies.isEmpty { return }
        let wasAtWork = isAtWork.withLock { isAtWork in
            defer { isAtWork = true }
            return isAtWork
        }
        if wasAtWork { return }
        // Not structured: a build's answer does not wait for it, and a daemon that ends leaves it to the next one.
        Task {
            defer { isAtWork.withLock { $0 = false } }
            // What goes wrong here goes wrong again in the next build, which tells it.
            guard (try? await store.takesTurnToCollect(every: Self.pause)) == true else { return }
            _ = try? await store.prune(policies)
        }
    }
}
