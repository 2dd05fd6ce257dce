package import SystemPackage

/// Waiting for locks that are held for as long as other work takes.
extension FileLock {
    /// Waits until the lock is held, or the task is cancelled; the file is created when missing.
    ///
    /// However many wait, they take no thread of the pool: who has the lock may need those to go on.
    /// - Parameters:
    ///   - path: the file.
    ///   - mode: shared or exclusive.
    ///   - whenTaken: is called first where it has to be waited for.
    /// - Returns: the lock.
    /// - Throws: `SystemCallError`, `ThreadShortage`, `CancellationError`.
    package static func obtain(
        _ path: FilePath,
        _ mode: Mode,
        whenTaken: () async -> Void = {}
    ) async throws -> FileLock {
        try await obtain(whenTaken, { try tryAcquire(path, mode) }, { try acquire(path, mode) })
    }

    /// The same for the exclusive lock of a directory, which is there.
    package static func obtain(directory path: FilePath) async throws -> FileLock {
        try await obtain({}, { try tryAcquire(directory: path) }, { try acquire(directory: path) })
    }

    /// The same for at most some time; nil where that was not enough.
    package static func obtain(directory path: FilePath, within time: Duration) async throws -> FileLock? {
        try await withThrowingTaskGroup(of: FileLock?.self) { group in
            group.addTask { try await obtain(directory: path) }
            group.addTask {
                try await ContinuousClock().sleep(for: time)
                return nil
            }
            defer { group.cancelAll() }
            return try await group.next() ?? nil
        }
    }

    private static func obtain(
        _ whenTaken: () async -> Void,
        _ attempt: @escaping @Sendable () throws -> FileLock?,
        _ wait: @escaping @Sendable () throws -> FileLock
    ) async throws -> FileLock {
        if let lock = try await onBlockingPool({ try attempt() }) { return lock }
        await whenTaken()
        let (locks, continuation) = AsyncThrowingStream<FileLock, any Error>.makeStream(
            bufferingPolicy: .bufferingNewest(1)
        )
        // A thread that waits for a lock cannot be told to stop: it is left behind, and lets go of what it gets in the
        // end.
        Task {
            do {
                continuation.yield(try await onThreadOfItsOwn { try wait() })
                continuation.finish()
            } catch {
                continuation.finish(throwing: error)
            }
        }
        for try await lock in locks { return lock }
        throw CancellationError()
    }
}
