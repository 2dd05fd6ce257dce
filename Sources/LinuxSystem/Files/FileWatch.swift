internal import Glibc
package import SystemPackage

/// Waits for what other processes write into files.
package enum FileWatch {
    /// How often it is looked where the system gives no more watches.
    private static let interval = Duration.milliseconds(50)

    /// Looks, and looks again whenever something changes in one of some directories, until there is something to be
    /// found.
    ///
    /// - Parameters:
    ///   - directories: where changes count: those of entries, and of files in them. What is not there is not watched;
    ///     it should stand beside a directory that is, so that its coming is noticed.
    ///   - process: after its end nothing is written any more, and it is looked once again; nil is one that lives for
    ///     ever.
    ///   - time: how long to wait at most; nil for as long as it takes.
    ///   - look: finds what is waited for.
    /// - Returns: what was found; nil where the process or the time has come to its end before.
    /// - Throws: what `look` throws, `CancellationError`.
    package static func wait<Value: Sendable>(
        in directories: [FilePath],
        while process: ProcessReference? = nil,
        atMost time: Duration? = nil,
        _ look: @escaping @Sendable () throws -> Value?
    ) async throws -> Value? {
        let end = time.map { ContinuousClock.now + $0 }
        while true {
            let (watch, isLast, found) = try await onBlockingPool {
                // In this order: what comes after the look wakes the wait.
                let isLast = try process?.waitUntilEnded(atMost: .zero) ?? false
                let watch = try? Self.watch(directories)
                return (watch, isLast, try look())
            }
            if let found { return found }
            if isLast || end.map({ $0 <= ContinuousClock.now }) ?? false { return nil }
            let pause = watch == nil ? ContinuousClock.now + interval : nil
            try await next(watch, process, [end, pause].compactMap(\.self).min())
        }
    }

    /// Returns with the first of the things that are waited for.
    private static func next(
        _ watch: OpenFile?,
        _ process: ProcessReference?,
        _ end: ContinuousClock.Instant?
    ) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            if let watch { group.addTask { try await Readiness.wait(for: watch, .reading) } }
            if let process { group.addTask { try await process.waitUntilEnded() } }
            if let end { group.addTask { try await ContinuousClock().sleep(until: end) } }
            try await group.next()
            group.cancelAll()
        }
    }

    /// See inotify(7).
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    private static func watch(_ directories: [FilePath]) throws(SystemCallError) -> OpenFile {
        let descriptor = try retryingSystemCall("inotify_init1") { inotify_init1(CInt(IN_CLOEXEC)) }
        let watch = OpenFile(owning: descriptor, path: "inotify")
        let changes = UInt32(IN_MODIFY | IN_CREATE | IN_MOVED_TO | IN_DELETE | IN_DELETE_SELF | IN_CLOSE_WRITE)
        for directory in directories {
            do throws(SystemCallError) {
                _ = try retryingSystemCall("inotify_add_watch", path: directory) {
                    directory.withPlatformString { inotify_add_watch(descriptor, $0, changes) }
                }
            } catch {
                if error.errno != .noSuchFileOrDirectory { throw error }
            }
        }
        return watch
    }
}
