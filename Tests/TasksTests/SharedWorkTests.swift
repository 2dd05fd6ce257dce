import Proofs
import Synchronization
import Tasks
import Testing

/// A door that opens once for all who wait at it.
private actor Door {
    private var isOpen = false
    private var waiting: [CheckedContinuation<Void, Never>] = []

    func open() {
        isOpen = true
        for continuation in waiting { continuation.resume() }
        waiting = []
    }

    /// Waits whether or not the task is cancelled.
    func pass() async {
        if isOpen { return }
        await withCheckedContinuation { waiting.append($0) }
    }
}

private struct Failure: Error, Equatable { let number: Int }

private final class Count: Sendable {
    private let state = Mutex(0)
    var value: Int { state.withLock { $0 } }
    @discardableResult func next() -> Int {
        state.withLock { number in
            number += 1
            return number
        }
    }
}

@Suite(.timeLimit(.minutes(5))) struct `Shared work` {
    /// Waits until others have come as far as they are expected to.
    private func until(_ isTrue: () -> Bool) async throws {
        while !isTrue() { try await Task.sleep(for: .milliseconds(1)) }
    }

    @Test func `runs once for all who want it at the same time, and again for those who come later`() async throws {
        let work = SharedWork<String, Int>()
        let (runs, joined, door) = (Count(), Count(), Door())
        let tasks = (0..<10).map { _ in
            Task {
                try await work.value(for: "a", joined: { _ in joined.next() }) { _ in
                    let run = runs.next()
                    await door.pass()
                    return run
                }
            }
        }
        try await until { joined.value == 10 }
        #expect(try await work.value(for: "b") { 7 } == 7)
        await door.open()
        for task in tasks { #expect(try await task.value == 1) }
        #expect(try await work.value(for: "a") { runs.next() } == 2)
    }

    @Test func `fails for all who wait, and is tried again for those who come later`() async throws {
        let work = SharedWork<Int, Int>(keepsValues: true)
        let (runs, joined, door) = (Count(), Count(), Door())
        let tasks = (0..<3).map { _ in
            Task {
                try await work.value(for: 1, joined: { _ in joined.next() }) { _ in
                    let run = runs.next()
                    await door.pass()
                    throw Failure(number: run)
                }
            }
        }
        try await until { joined.value == 3 }
        await door.open()
        for task in tasks { await #expect(throws: Failure(number: 1)) { try await task.value } }
        #expect(try await work.value(for: 1) { 5 } == 5)
    }

    @Test func `that keeps its values runs once for ever`() async throws {
        let work = SharedWork<Int, Int>(keepsValues: true)
        #expect(try await work.value(for: 1) { 5 } == 5)
        #expect(try await work.value(for: 1) { 6 } == 5)
        #expect(try await work.value(for: 2) { 6 } == 6)
    }

    @Test func `lets those who are cancelled go at once while others wait for it`() async throws {
        let work = SharedWork<Int, Int>()
        let (runs, door) = (Count(), Door())
        let body: @Sendable () async throws -> Int = {
            runs.next()
            await door.pass()
            try Task.checkCancellation()
            return 3
        }
        let first = Task { try await work.value(for: 1, body) }
        try await until { runs.value == 1 }
        let joined = Count()
        let second = Task { try await work.value(for: 1, joined: { _ in joined.next() }) { _ in try await body() } }
        try await until { joined.value == 1 }
        first.cancel()
        // The door is closed: it does not wait for the work.
        await #expect(throws: CancellationError.self) { try await first.value }
        await door.open()
        #expect(try await second.value == 3)
    }

    @Test func `is cancelled by the last who leaves, who waits for its end`() async throws {
        let work = SharedWork<Int, Int>()
        let (joined, ends, door) = (Count(), Count(), Door())
        let tasks = (0..<4).map { _ in
            Task {
                try await work.value(for: 1, joined: { _ in joined.next() }) { _ in
                    try? await Task.sleep(for: .seconds(600))
                    await door.pass()
                    ends.next()
                    return 1
                }
            }
        }
        try await until { joined.value == 4 }
        for task in tasks { task.cancel() }
        let isOver = Task {
            for task in tasks { await #expect(throws: CancellationError.self) { try await task.value } }
            return ends.value
        }
        await door.open()
        #expect(await isOver.value == 1)
    }

    @Test(.proves("D: who asks for a layer whose unpacking"))
    func `starts anew for one who comes while it is being cancelled`() async throws {
        let work = SharedWork<Int, Int>()
        let (runs, cancelled, door) = (Count(), Count(), Door())
        let first = Task {
            try await work.value(for: 1) {
                let run = runs.next()
                await withTaskCancellationHandler {
                    await door.pass()
                } onCancel: {
                    cancelled.next()
                }
                try Task.checkCancellation()
                return run
            }
        }
        try await until { runs.value == 1 }
        first.cancel()
        try await until { cancelled.value == 1 }
        // The first run is still there, dying.
        #expect(try await work.value(for: 1) { runs.next() } == 2)
        await door.open()
        await #expect(throws: CancellationError.self) { try await first.value }
    }

    @Test func `is not begun by a task that is cancelled already`() async throws {
        let work = SharedWork<Int, Int>()
        let task = Task {
            try? await Task.sleep(for: .seconds(600))
            return try await work.value(for: 1) {
                Issue.record("it was begun")
                return 1
            }
        }
        task.cancel()
        await #expect(throws: CancellationError.self) { try await task.value }
    }

    /// Many tasks come and go at random; a task that is not cancelled gets a right value every time.
    @Test(.proves("D: who asks for a layer whose unpacking")) func `gives no waiter another's cancellation`()
        async throws
    {
        let work = SharedWork<Int, Int>()
        try await withThrowingTaskGroup(of: Void.self) { group in
            for number in 0..<2000 {
                let key = number % 3
                let task = Task {
                    try await work.value(for: key) {
                        for _ in 0..<Int.random(in: 0..<5) {
                            await Task.yield()
                            try Task.checkCancellation()
                        }
                        return key
                    }
                }
                let isCancelled = number % 2 == 0
                if isCancelled { task.cancel() }
                group.addTask {
                    do {
                        #expect(try await task.value == key)
                    } catch {
                        #expect(isCancelled && error is CancellationError, "\(error)")
                    }
                }
                if number % 7 == 0 { await Task.yield() }
            }
            try await group.waitForAll()
        }
    }
}

@Suite(.timeLimit(.minutes(5))) struct `Concurrent work` {
    @Test(arguments: [0, 1, 3, 100]) func `is done with as many at a time as allowed, and keeps the order`(limit: Int)
        async throws
    {
        let state = Mutex((running: 0, most: 0))
        let doubled = try await (0..<20).mapConcurrently(limit: limit) { number in
            state.withLock { state in
                state.running += 1
                state.most = max(state.most, state.running)
            }
            for _ in 0..<(20 - number) { await Task.yield() }
            state.withLock { $0.running -= 1 }
            return number * 2
        }
        #expect(doubled == (0..<20).map { $0 * 2 })
        #expect(state.withLock { $0.most } <= max(1, limit))
        #expect(try await [Int]().mapConcurrently(limit: limit) { $0 } == [])
    }

    @Test func `ends with the first error, and cancels the rest`() async throws {
        let begun = Count()
        await #expect(throws: Failure(number: 3)) {
            try await (0..<1000).forEachConcurrently(limit: 4) { number in
                begun.next()
                if number == 3 { throw Failure(number: 3) }
                if number < 3 { try await Task.sleep(for: .seconds(600)) }
            }
        }
        #expect(begun.value < 1000)
    }

    @Test func `is cleaned up after, and the first error counts`() async throws {
        let cleaned = Count()
        #expect(
            try await withCleanUp {
                4
            } finally: {
                cleaned.next()
            } == 4
        )
        await #expect(throws: Failure(number: 1)) {
            try await withCleanUp {
                throw Failure(number: 1)
            } finally: {
                cleaned.next()
                throw Failure(number: 2)
            }
        }
        await #expect(throws: Failure(number: 2)) {
            try await withCleanUp {
            } finally: {
                throw Failure(number: 2)
            }
        }
        #expect(cleaned.value == 2)
    }
}
