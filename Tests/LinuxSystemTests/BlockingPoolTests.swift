import Glibc
import LinuxSystem
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
