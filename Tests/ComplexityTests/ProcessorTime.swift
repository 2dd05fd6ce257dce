import Glibc
import Testing

/// Work on an input of some size, and the means to tell a square from what it should be.
struct Work: Sendable {
    let name: String
    /// Half of the greatest size that is tried.
    let limit: Int
    /// Makes an input of a size and gives what works on it: only the work is measured.
    let prepare: @Sendable (Int) throws -> @Sendable () async throws -> Void

    init(
        _ name: String,
        limit: Int = 10_000,
        _ prepare: @escaping @Sendable (Int) throws -> @Sendable () async throws -> Void
    ) {
        self.name = name
        self.limit = limit
        self.prepare = prepare
    }

    /// How many times the processor time of a size four times that size takes.
    ///
    /// Noise only ever adds to a time, so the least of several is the nearest to the truth, and to measure more often cannot make
    /// a square (which takes sixteen times) look like less. Twice the linear growth is left for caches that are too small.
    func growth(from size: Int) async throws -> Double {
        let (small, large) = (try prepare(size), try prepare(4 * size))
        let count = max(1, Int(0.01 / max(1e-6, try await Self.time(small))))
        var least = (small: Double.infinity, large: Double.infinity)
        for round in 1...8 {
            least.small = min(least.small, try await Self.time(small, count: count))
            least.large = min(least.large, try await Self.time(large, count: count))
            if round > 1 || least.large > 0.2, least.large / least.small < Self.bound { break }
        }
        return least.large / least.small
    }

    static let bound = 8.0

    /// The processor time of this thread: what else the machine does is not in it.
    private static func time(_ work: @Sendable () async throws -> Void, count: Int = 1) async throws -> Double {
        while true {
            let (thread, start) = (pthread_self(), now())
            for _ in 0..<count { try await work() }
            let end = now()
            // Nothing here waits; should a task go on elsewhere, its time would be another thread's.
            if pthread_equal(thread, pthread_self()) != 0 { return end - start }
        }
    }

    private static func now() -> Double {
        var time = timespec()
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }
}
