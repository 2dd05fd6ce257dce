internal import Glibc

/// A count that only grows until it ends, and threads that wait for it to grow.
package final class GrowingCount: @unchecked Sendable {
    /// What a thread that waits is told.
    package enum Answer: Sendable, Hashable {
        /// The count, which is more than what was waited for.
        case count(Int64)
        /// It grows no more; whether all that was to be counted is there.
        case ended(isWhole: Bool)
        case interrupted
    }

    // Everything is guarded by `mutex`; the pointers never change.
    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let condition = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
    private var count: Int64
    private var isWhole: Bool?

    package init(_ count: Int64 = 0) {
        self.count = count
        pthread_mutex_init(mutex, nil)
        pthread_cond_init(condition, nil)
    }

    deinit {
        pthread_cond_destroy(condition)
        pthread_mutex_destroy(mutex)
        condition.deallocate()
        mutex.deallocate()
    }

    /// Lets the count grow to a number.
    package func grow(to count: Int64) { change { self.count = count } }

    /// Ends the count; without effect if it has ended.
    package func end(isWhole: Bool) { change { self.isWhole = self.isWhole ?? isWhole } }

    /// Lets those who wait look again at what interrupts them.
    package func wake() { change {} }

    /// Waits until the count is more than a number, or ends.
    /// - Parameters:
    ///   - number: what is known already.
    ///   - isInterrupted: asked at first and at each `wake`; true ends the wait.
    /// - Returns: what there is; the end only when all of the count was told.
    @available(*, noasync, message: "blocks a thread; call it inside `onThreadOfItsOwn`")
    package func wait(past number: Int64, unless isInterrupted: () -> Bool) -> Answer {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        while true {
            if isInterrupted() { return .interrupted }
            if isWhole == false { return .ended(isWhole: false) }
            if count > number { return .count(count) }
            if let isWhole { return .ended(isWhole: isWhole) }
            pthread_cond_wait(condition, mutex)
        }
    }

    private func change(_ body: () -> Void) {
        pthread_mutex_lock(mutex)
        body()
        pthread_cond_broadcast(condition)
        pthread_mutex_unlock(mutex)
    }
}
