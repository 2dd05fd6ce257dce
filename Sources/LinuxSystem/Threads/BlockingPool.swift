internal import CLinux
internal import Glibc
internal import Synchronization
package import SystemPackage

/// Runs blocking work on a thread of its own, away from Swift's cooperative pool.
///
/// The cooperative pool has one thread a core: two blocked ones would stall every task of the process. Cancellation of the
/// calling task does not interrupt `body`; long work checks for it itself. What waits for other work, as for a lock, must not
/// wait here: the pool has a limit, and the other work may need one of its threads. See `onThreadOfItsOwn`.
/// - Throws: what `body` throws, and `ThreadShortage` where the system has no thread for it.
package func onBlockingPool<Value: Sendable>(_ body: @escaping @Sendable () throws -> Value) async throws -> Value {
    try await withCheckedThrowingContinuation { continuation in
        do throws(ThreadShortage) {
            try BlockingPool.shared.submit { continuation.resume(with: Result { try body() }) }
        } catch {
            continuation.resume(throwing: error)
        }
    }
}

/// Runs blocking work that cannot fail on a thread of its own; see the throwing form.
package func onBlockingPool<Value: Sendable>(_ body: @escaping @Sendable () -> Value) async -> Value {
    await withCheckedContinuation { continuation in
        let work: BlockingPool.Work = { continuation.resume(returning: body()) }
        do throws(ThreadShortage) {
            try BlockingPool.shared.submit(work)
        } catch {
            // It has no way to fail, as it cleans up: then it blocks the thread that is here.
            work()
        }
    }
}

/// Runs work that waits for other work, as for a lock, on a thread that ends with it.
///
/// Any number of them may wait: they take nothing from the pool.
/// - Throws: what `body` throws, and `ThreadShortage` where the system has no thread for it.
package func onThreadOfItsOwn<Value: Sendable>(
    stackSize: Int = 1 << 18,
    _ body: @escaping @Sendable () throws -> Value
) async throws -> Value {
    try await withCheckedThrowingContinuation { continuation in
        do throws(SystemCallError) {
            try startThread(stackSize: stackSize) { continuation.resume(with: Result { try body() }) }
        } catch {
            continuation.resume(throwing: ThreadShortage(error.errno))
        }
    }
}

/// Makes sure that this process may start as many threads as it needs to do anything at all.
///
/// Swift's own pool cannot report that it gets no thread: it tries again for ever, and the process would hang without a word.
/// - Throws: `ThreadShortage`.
@available(*, noasync, message: "blocks a thread; call it before anything else is started")
package func requireThreads() throws(ThreadShortage) {
    let gate = Semaphore()
    var threads: [JoinableThread] = []
    defer {
        for _ in threads { gate.signal() }
        for thread in threads { thread.join() }
    }
    // One a processor for tasks, and some for what blocks and for signals; all at the same time.
    for _ in 0..<(availableProcessorCount() + 6) {
        do throws(SystemCallError) {
            threads.append(try JoinableThread(stackSize: 1 << 16) { gate.wait() })
        } catch {
            throw ThreadShortage(error.errno)
        }
    }
}

/// The system gives this process no more threads.
package struct ThreadShortage: Error, Hashable, CustomStringConvertible {
    /// EAGAIN, mostly.
    package let errno: Errno

    init(_ errno: Errno) { self.errno = errno }

    package var description: String {
        "\(SystemCallError("pthread_create", errno: errno)): no thread can be started; "
            + "raise the limit of processes (ulimit -u, pids.max) or free memory"
    }
}

/// Runs blocking work that asks from time to time whether its task was cancelled.
package func onCancellablePool<Value: Sendable>(
    _ body: @escaping @Sendable (_ isCancelled: @escaping @Sendable () -> Bool) throws -> Value
) async throws -> Value {
    let flag = CancellationFlag()
    return try await withTaskCancellationHandler {
        try await onBlockingPool { try body { flag.isSet } }
    } onCancel: {
        flag.set()
    }
}

private final class CancellationFlag: Sendable {
    private let state = Mutex(false)
    var isSet: Bool { state.withLock { $0 } }
    func set() { state.withLock { $0 = true } }
}

/// Threads that exist to be blocked: started on demand, kept a while, at most `limit` at once.
///
/// The one global of the target: which threads run blocking calls is a property of the process, as the cooperative pool is.
private final class BlockingPool: Sendable {
    static let shared = BlockingPool(limit: 128)

    typealias Work = @Sendable () -> Void

    private struct State: ~Copyable {
        var waiting: [Work?] = []
        var head = 0
        var threads = 0
        var idle = 0
    }

    private let limit: Int
    private let state = Mutex(State())
    private let wakeUp = Semaphore()

    init(limit: Int) { self.limit = limit }

    /// Has the work done by a thread of the pool.
    /// - Throws: where it would need a new thread and there is none: those at work may be waiting for this very work.
    func submit(_ work: @escaping Work) throws(ThreadShortage) {
        let startsThread = state.withLock { state in
            if state.idle > state.waiting.count - state.head || state.threads >= limit {
                state.waiting.append(work)
                return false
            }
            state.threads += 1
            return true
        }
        guard startsThread else { return wakeUp.signal() }
        do throws(SystemCallError) {
            // It begins with this work, so that no work waits for a thread that cannot be made.
            let first = FirstWork(work)
            try LinuxSystem.startThread(stackSize: 1 << 20) { [self] in
                first.take()?()
                runThread()
            }
        } catch {
            state.withLock { $0.threads -= 1 }
            throw ThreadShortage(error.errno)
        }
    }

    private func runThread() {
        while true {
            state.withLock { $0.idle += 1 }
            wakeUp.wait()
            let work: Work? = state.withLock { state in
                state.idle -= 1
                guard state.head < state.waiting.count else { return nil }
                // Taken out, not copied: what a closure holds, as open files, must go when it has run.
                let work = state.waiting[state.head].take()
                state.head += 1
                if state.head > 64, state.head * 2 > state.waiting.count {
                    state.waiting.removeFirst(state.head)
                    state.head = 0
                }
                return work
            }
            work?()
        }
    }
}

/// What a new thread does first; gone when it is taken, for the thread lives on and what it holds, as open files, must not.
private final class FirstWork: Sendable {
    private let work: Mutex<BlockingPool.Work?>

    init(_ work: @escaping BlockingPool.Work) { self.work = Mutex(work) }

    func take() -> BlockingPool.Work? { work.withLock { $0.take() } }
}

/// A counting semaphore.
///
/// See sem_overview(7).
private final class Semaphore: @unchecked Sendable {
    // The semaphore is its own synchronization; the pointer never changes.
    private let storage = UnsafeMutablePointer<sem_t>.allocate(capacity: 1)

    init() { sem_init(storage, 0, 0) }

    deinit {
        sem_destroy(storage)
        storage.deallocate()
    }

    func signal() { sem_post(storage) }

    func wait() {
        while sem_wait(storage) == -1, Glibc.errno == EINTR {}
    }
}
