internal import CLinux
internal import Glibc
internal import Synchronization

/// Runs blocking work on a thread of its own, away from Swift's cooperative pool.
///
/// The cooperative pool has one thread a core: two blocked ones would stall every task of the process. Cancellation of the
/// calling task does not interrupt `body`; long work checks for it itself.
package func onBlockingPool<Value: Sendable>(_ body: @escaping @Sendable () throws -> Value) async throws -> Value {
    try await withCheckedThrowingContinuation { continuation in
        BlockingPool.shared.submit { continuation.resume(with: Result { try body() }) }
    }
}

/// Runs blocking work that cannot fail on a thread of its own; see the throwing form.
package func onBlockingPool<Value: Sendable>(_ body: @escaping @Sendable () -> Value) async -> Value {
    await withCheckedContinuation { continuation in
        BlockingPool.shared.submit { continuation.resume(returning: body()) }
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

    func submit(_ work: @escaping Work) {
        let startsThread = state.withLock { state in
            state.waiting.append(work)
            if state.idle >= state.waiting.count - state.head || state.threads >= limit { return false }
            state.threads += 1
            return true
        }
        if startsThread { startThread() }
        wakeUp.signal()
    }

    private func startThread() {
        var attributes = pthread_attr_t()
        pthread_attr_init(&attributes)
        pthread_attr_setdetachstate(&attributes, CInt(PTHREAD_CREATE_DETACHED))
        pthread_attr_setstacksize(&attributes, 1 << 20)
        var thread = pthread_t()
        let pool = Unmanaged.passRetained(self)
        let code = pthread_create(
            &thread,
            &attributes,
            { context in
                guard let context else { return nil }
                Unmanaged<BlockingPool>.fromOpaque(context).takeRetainedValue().runThread()
                return nil
            },
            pool.toOpaque()
        )
        pthread_attr_destroy(&attributes)
        if code != 0 {
            pool.release()
            state.withLock { $0.threads -= 1 }
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
