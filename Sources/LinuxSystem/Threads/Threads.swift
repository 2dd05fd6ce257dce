internal import CLinux
internal import Glibc
internal import Synchronization
internal import SystemPackage

/// A thread of its own for one piece of blocking work that runs beside its starter, which waits for it in the end.
package final class JoinableThread: Sendable {
    private let thread: pthread_t

    /// Starts the thread.
    /// - Throws: `EAGAIN` when the system has no more.
    package init(stackSize: Int = 1 << 20, _ body: @escaping @Sendable () -> Void) throws(SystemCallError) {
        thread = try createThread(stackSize: stackSize, body)
    }

    /// Waits until the thread has ended; to be called exactly once.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package func join() { pthread_join(thread, nil) }
}

/// Does a piece of blocking work for each number below `count`, on this thread and on others beside it; returns when all is done.
///
/// - Parameters:
///   - count: how many pieces there are.
///   - threads: how many threads take part, this one included; where the system has no more, fewer do.
///   - body: the work on a piece. It is told which of the threads it runs on, from 0.
/// - Throws: what `body` threw first; pieces that were not begun are left then.
@available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
package func concurrently(
    _ count: Int,
    threads: Int,
    _ body: @escaping @Sendable (_ piece: Int, _ thread: Int) throws -> Void
) throws {
    let state = Mutex((next: 0, failure: (any Error)?.none))
    let work: @Sendable (Int) -> Void = { thread in
        func take() -> Int? {
            state.withLock { state in
                guard state.next < count, state.failure == nil else { return nil }
                defer { state.next += 1 }
                return state.next
            }
        }
        while let piece = take() {
            do {
                try body(piece, thread)
            } catch {
                state.withLock { $0.failure = $0.failure ?? error }
            }
        }
    }
    var helpers: [JoinableThread] = []
    for number in 1..<max(1, min(threads, count)) {
        guard let helper = try? JoinableThread({ work(number) }) else { break }
        helpers.append(helper)
    }
    work(0)
    for helper in helpers { helper.join() }
    if let failure = state.withLock({ $0.failure }) { throw failure }
}

/// Starts a detached thread, which ends with its work.
/// - Throws: `EAGAIN` when the system has no more.
func startThread(stackSize: Int? = nil, _ body: @escaping @Sendable () -> Void) throws(SystemCallError) {
    pthread_detach(try createThread(stackSize: stackSize, body))
}

/// Starts a thread, which must be joined or detached.
///
/// See pthread_create(3).
private func createThread(
    stackSize: Int? = nil,
    _ body: @escaping @Sendable () -> Void
) throws(SystemCallError) -> pthread_t {
    final class Body: Sendable {
        let run: @Sendable () -> Void
        init(_ run: @escaping @Sendable () -> Void) { self.run = run }
    }
    var attributes = pthread_attr_t()
    pthread_attr_init(&attributes)
    defer { pthread_attr_destroy(&attributes) }
    if let stackSize { pthread_attr_setstacksize(&attributes, stackSize) }
    var thread = pthread_t()
    let context = Unmanaged.passRetained(Body(body))
    let code = pthread_create(
        &thread,
        &attributes,
        { context in
            guard let context else { return nil }
            Unmanaged<Body>.fromOpaque(context).takeRetainedValue().run()
            return nil
        },
        context.toOpaque()
    )
    if code != 0 {
        context.release()
        throw SystemCallError("pthread_create", errno: Errno(rawValue: code))
    }
    return thread
}

/// A bounded queue between threads that may block.
package final class BlockingQueue<Element>: @unchecked Sendable {
    // Everything is guarded by `mutex`; the pointers never change.
    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let condition = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
    private let capacity: Int
    private var elements: [Element] = []
    private var isClosed = false

    package init(capacity: Int) {
        self.capacity = capacity
        pthread_mutex_init(mutex, nil)
        pthread_cond_init(condition, nil)
    }

    deinit {
        pthread_cond_destroy(condition)
        pthread_mutex_destroy(mutex)
        condition.deallocate()
        mutex.deallocate()
    }

    /// Adds an element, waiting for room.
    /// - Returns: whether it was taken; false once the queue is closed.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package func push(_ element: sending Element) -> Bool {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        while elements.count >= capacity, !isClosed { pthread_cond_wait(condition, mutex) }
        if isClosed { return false }
        elements.append(element)
        pthread_cond_broadcast(condition)
        return true
    }

    /// The oldest element, waiting for one; nil once the queue is closed and empty.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package func pop() -> sending Element? {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        while elements.isEmpty, !isClosed { pthread_cond_wait(condition, mutex) }
        if elements.isEmpty { return nil }
        // Taken out under the lock, so that no other thread has it any more.
        nonisolated(unsafe) let element = elements.removeFirst()
        pthread_cond_broadcast(condition)
        return element
    }

    /// Lets `push` refuse and, after what is left, `pop` return nil.
    package func close() {
        pthread_mutex_lock(mutex)
        isClosed = true
        pthread_cond_broadcast(condition)
        pthread_mutex_unlock(mutex)
    }
}
