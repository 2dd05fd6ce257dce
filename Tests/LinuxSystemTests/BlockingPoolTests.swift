import Glibc
import LinuxSystem
import Synchronization
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
