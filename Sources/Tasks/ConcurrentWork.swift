extension Sequence where Element: Sendable {
    /// Does something with each element, with a few at a time, and returns the results in the order of the elements.
    /// - Parameters:
    ///   - limit: how many at a time, at least one.
    ///   - body: the work.
    /// - Returns: the results, in the order of the elements.
    /// - Throws: the first error; the rest is cancelled then, and waited for.
    package func mapConcurrently<Value: Sendable>(
        limit: Int,
        _ body: @escaping @Sendable (Element) async throws -> Value
    ) async throws -> [Value] {
        try await withThrowingTaskGroup(of: (Int, Value).self) { group in
            var values: [Int: Value] = [:]
            var count = 0
            for element in self {
                if count >= Swift.max(1, limit), let (index, value) = try await group.next() { values[index] = value }
                let index = count
                group.addTask { (index, try await body(element)) }
                count += 1
            }
            while let (index, value) = try await group.next() { values[index] = value }
            return (0..<count).compactMap { values[$0] }
        }
    }

    /// Does something with each element, with a few at a time; see `mapConcurrently`.
    package func forEachConcurrently(limit: Int, _ body: @escaping @Sendable (Element) async throws -> Void)
        async throws
    {
        try await withThrowingTaskGroup(of: Void.self) { group in
            for (index, element) in enumerated() {
                if index >= Swift.max(1, limit) { try await group.next() }
                group.addTask { try await body(element) }
            }
            try await group.waitForAll()
        }
    }
}

/// Cleans up after something, however it ends.
///
/// The clean-up is not spared where the task is cancelled; what it calls has to bear with that.
/// - Throws: what `body` throws or else what `cleanUp` throws: the first error is the one that matters.
package func withCleanUp<Value>(
    _ body: () async throws -> Value,
    finally cleanUp: () async throws -> Void
) async throws -> Value {
    let value: Value
    do {
        value = try await body()
    } catch {
        try? await cleanUp()
        throw error
    }
    try await cleanUp()
    return value
}
