import Synchronization
import Tasks

/// Values that are there for a time, by their names.
///
/// A look-up waits for one that has not come yet.
package final class Arrivals<Value: Sendable>: Sendable {
    private struct State {
        var values: [String: Value] = [:]
        var waiting: [String: [Int: Promise<Value?>]] = [:]
        var next = 0
    }

    private let state = Mutex(State())

    package init() {}

    /// Adds a value, for which some may be waiting.
    /// - Returns: false if the name is taken; nothing has changed then.
    package func add(_ value: Value, named name: String) -> Bool {
        let waiting: [Int: Promise<Value?>]? = state.withLock { state in
            if state.values[name] != nil { return nil }
            state.values[name] = value
            return state.waiting.removeValue(forKey: name) ?? [:]
        }
        guard let waiting else { return false }
        for promise in waiting.values { promise.keep(value) }
        return true
    }

    package func remove(_ name: String) { state.withLock { $0.values[name] = nil } }

    /// Finds a value, or waits until it comes.
    /// - Returns: nil if it does not come within the time.
    /// - Throws: `CancellationError`, as soon as the task is cancelled.
    package func value(named name: String, within patience: Duration) async throws -> Value? {
        let promise = Promise<Value?>()
        let (known, number): (Value?, Int) = state.withLock { state in
            if let value = state.values[name] { return (value, 0) }
            state.next += 1
            state.waiting[name, default: [:]][state.next] = promise
            return (nil, state.next)
        }
        if let known { return known }
        defer {
            state.withLock { state in
                state.waiting[name]?[number] = nil
                if state.waiting[name]?.isEmpty ?? false { state.waiting[name] = nil }
            }
        }
        async let _ = timer(patience, promise)
        let found = await withTaskCancellationHandler {
            await promise.value()
        } onCancel: {
            promise.keep(nil)
        }
        try Task.checkCancellation()
        return found
    }

    /// How many look-ups wait.
    var waitingCount: Int { state.withLock { $0.waiting.values.reduce(0) { $0 + $1.count } } }

    private func timer(_ patience: Duration, _ promise: Promise<Value?>) async {
        try? await Task.sleep(for: patience)
        promise.keep(nil)
    }
}
