import Glibc
import LinuxSystem
import Proofs
import Synchronization
import SystemPackage
import Testing

@Suite struct `The blocking pool` {
    @Test func `runs more blocked calls at once than the machine has cores`() async throws {
        // Each waits for all others: with fewer threads than calls none would return.
        let count = 24
        let barrier = try Barrier(count: count)
        let sum = try await withThrowingTaskGroup(of: Int.self) { group in
            for _ in 0..<count { group.addTask { try await onBlockingPool { () throws -> Int in barrier.arrive() } } }
            return try await group.reduce(0, +)
        }
        #expect(sum == count)
    }

    /// From 65 processors on, the steps that wait for one cache mount alone are more than the pool has threads.
    @Test(.proves("D: steps that wait for one locked")) func `what waits for a lock takes no thread from it`()
        async throws
    {
        let path = FilePath("/tmp/slipway-lock-\(getpid())-\(UInt64.random(in: 0 ... .max))")
        let lock = HeldLock(try await onBlockingPool { try FileLock.acquire(path, .exclusive) })
        let count = 140
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<count {
                group.addTask {
                    _ = try await FileLock.obtain(path, .exclusive, whenTaken: { lock.waiting.withLock { $0 += 1 } })
                }
            }
            while lock.waiting.withLock({ $0 }) < count { try await Task.sleep(for: .milliseconds(5)) }
            // All are waiting; the one that has the lock still gets a thread to end with.
            #expect(await onBlockingPool { 1 } == 1)
            lock.held.withLock { $0 = nil }
            try await group.waitForAll()
        }
        _ = try await onBlockingPool { try HostFiles.remove(path) }
    }

    @Test func `lets go of what work held when it has run`() async throws {
        final class Held: Sendable {}
        weak var seen: Held?
        for _ in 0..<20 {
            var held: Held? = Held()
            seen = held
            await onBlockingPool { [held] in withExtendedLifetime(held) {} }
            held = nil
            // The thread drops the work just after it has answered.
            for _ in 0..<200 where seen != nil { try await Task.sleep(for: .milliseconds(5)) }
            #expect(seen == nil)
        }
    }

    @Test func `passes errors on`() async {
        struct Boom: Error {}
        await #expect(throws: Boom.self) { try await onBlockingPool { () throws -> Int in throw Boom() } }
    }

    @Test(arguments: [1, 4]) func `several threads do every piece once`(threads: Int) async throws {
        let done = try await onBlockingPool {
            let done = Mutex([(piece: Int, thread: Int)]())
            try concurrently(100, threads: threads) { piece, thread in done.withLock { $0.append((piece, thread)) } }
            return done.withLock { $0 }
        }
        #expect(done.map(\.piece).sorted() == Array(0..<100))
        #expect(done.allSatisfy { (0..<threads).contains($0.thread) })
    }

    @Test func `several threads work at the same time`() async throws {
        let barrier = try Barrier(count: 4)
        try await onBlockingPool { try concurrently(4, threads: 4) { _, _ in _ = barrier.arrive() } }
    }

    @Test func `threads begin nothing after a failure`() async {
        struct Boom: Error {}
        let begun = Mutex(0)
        await #expect(throws: Boom.self) {
            try await onBlockingPool {
                try concurrently(100_000, threads: 2) { piece, _ in
                    begun.withLock { $0 += 1 }
                    if piece == 3 { throw Boom() }
                }
            }
        }
        #expect(begun.withLock { $0 } < 100_000)
    }
}

/// A lock, and how many wait for it.
private final class HeldLock: Sendable {
    let held: Mutex<FileLock?>
    let waiting = Mutex(0)

    init(_ lock: FileLock) { held = Mutex(lock) }
}

/// Lets nobody through before all are there.
private final class Barrier: @unchecked Sendable {
    // Only ever touched through pthread_barrier_wait, which is its own synchronization.
    private let storage = UnsafeMutablePointer<pthread_barrier_t>.allocate(capacity: 1)

    init(count: Int) throws {
        try #require(pthread_barrier_init(storage, nil, UInt32(count)) == 0)
    }

    func arrive() -> Int {
        pthread_barrier_wait(storage)
        return 1
    }
}
