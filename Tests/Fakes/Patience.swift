package import HTTP
package import Synchronization

/// A clock that does not wait but remembers how long it was asked to.
package final class PatientClock: Sendable {
    package let waited = Mutex<[Duration]>([])

    package init() {}

    package var timekeeper: Timekeeper {
        var timekeeper = Timekeeper.real
        timekeeper.sleep = { duration in self.waited.withLock { $0.append(duration) } }
        timekeeper.jitter = { 1 }
        return timekeeper
    }
}

/// Counts requests, so that a handler can answer each one differently.
package final class Counter: Sendable {
    private let value = Mutex(0)

    package init() {}

    /// The number of calls so far, this one included.
    package func next() -> Int {
        value.withLock {
            $0 += 1; return $0
        }
    }
}

/// Bytes that differ from their neighbours, always the same.
package func data(_ count: Int) -> [UInt8] {
    (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 8) }
}

/// Tries something for each number below a limit, 64 at once.
/// - Returns: how often it succeeded, and the text of the error of each failure.
package func outcomes(
    _ count: Int,
    _ attempt: @escaping @Sendable (Int) async throws -> Void
) async -> (successes: Int, failures: [Int: String]) {
    await withTaskGroup(of: (number: Int, failure: String?).self) { group in
        var successes = 0
        var failures: [Int: String] = [:]
        func note(_ outcome: (number: Int, failure: String?)?) {
            guard let outcome else { return }
            failures[outcome.number] = outcome.failure
            if outcome.failure == nil { successes += 1 }
        }
        for number in 0..<count {
            if number >= 64 { note(await group.next()) }
            group.addTask {
                do {
                    try await attempt(number)
                    return (number, nil)
                } catch {
                    return (number, "\(error)")
                }
            }
        }
        for await outcome in group { note(outcome) }
        return (successes, failures)
    }
}
