internal import CLinux
internal import Glibc
internal import Synchronization
internal import SystemPackage

/// A process that this one has started.
///
/// It is always reaped when it ends, whether or not anybody waits. Signals go through a pidfd and therefore never to another
/// process that was given the same number. See pidfd_open(2).
package final class ChildProcess: Sendable {
    private struct State: ~Copyable {
        var status: Result<ExitStatus, any Error>?
        var usage: ResourceUsage?
        var waiters: [UInt64: CheckedContinuation<ExitStatus, any Error>] = [:]
        var cancelled: Set<UInt64> = []
        var lastWaiter: UInt64 = 0
        var writers: [CInt: ByteWriter]
    }

    /// The process's number in this process's namespace; for messages and `/proc`, never for signals.
    package let processID: Int32
    private let handle: OpenFile
    /// The peak of this process when it started the child, which the kernel counts as the child's.
    private let inheritedPeak: Int64
    private let readers: [CInt: ByteReader]
    private let state: Mutex<State>

    init(processID: Int32, handle: OpenFile, readers: [CInt: ByteReader], writers: [CInt: ByteWriter]) {
        self.processID = processID
        self.handle = handle
        self.readers = readers
        inheritedPeak = ResourceUsage.ownPeakMemory()
        state = Mutex(State(writers: writers))
        // The poller keeps this object until the process ends, so that it is reaped even if nobody else keeps it.
        Readiness.whenReadable(handle) { result in self.ended(result) }
    }

    /// What the child writes to a descriptor that is `.pipeFromChild`.
    package func reader(_ descriptor: CInt) -> ByteReader? { readers[descriptor] }

    /// The writing end of a `.pipeToChild`, handed over: the pipe is closed when the caller lets go of it.
    package func takeWriter(_ descriptor: CInt) -> ByteWriter? {
        state.withLock { $0.writers.removeValue(forKey: descriptor) }
    }

    /// Sends a signal; false when the process has ended already.
    ///
    /// See pidfd_send_signal(2).
    @discardableResult
    package func send(signal: Signal) throws(SystemCallError) -> Bool {
        do throws(SystemCallError) {
            _ = try retryingSystemCall("pidfd_send_signal") {
                slipway_pidfd_send_signal(handle.descriptor, signal.rawValue)
            }
            return true
        } catch {
            if error.errno == .noSuchProcess { return false }
            throw error
        }
    }

    /// How it ended; nil while it runs.
    package var statusIfEnded: Result<ExitStatus, any Error>? { state.withLock { $0.status } }

    /// What it used, with the processes that it waited for; nil while it runs.
    package var usageIfEnded: ResourceUsage? { state.withLock { $0.usage } }

    /// Waits for the end, without holding a thread.
    ///
    /// Any number of tasks may wait.
    ///
    /// - Throws: `CancellationError` when the waiting task is cancelled; the process runs on.
    package func wait() async throws -> ExitStatus {
        let waiter = state.withLock { state in
            state.lastWaiter += 1
            return state.lastWaiter
        }
        return try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                let result: Result<ExitStatus, any Error>? = state.withLock { state in
                    if let status = state.status { return status }
                    if state.cancelled.remove(waiter) != nil { return .failure(CancellationError()) }
                    state.waiters[waiter] = continuation
                    return nil
                }
                if let result { continuation.resume(with: result) }
            }
        } onCancel: {
            let continuation = state.withLock { state in
                let continuation = state.waiters.removeValue(forKey: waiter)
                if continuation == nil { state.cancelled.insert(waiter) }
                return continuation
            }
            continuation?.resume(throwing: CancellationError())
        }
    }

    /// Waits for the end; when the task is cancelled the process is asked to end and then made to, and only then this throws.
    /// - Parameters:
    ///   - signal: what asks.
    ///   - grace: how long the process may take before SIGKILL.
    /// - Returns: how it ended.
    /// - Throws: `CancellationError` after the process is gone.
    package func waitOrTerminate(signal: Signal = .terminate, grace: Duration = .seconds(2)) async throws -> ExitStatus
    {
        do {
            return try await wait()
        } catch is CancellationError {
            try await terminate(signal: signal, grace: grace)
            throw CancellationError()
        }
    }

    /// Asks the process to end, makes it end after `grace`, and returns when it is gone.
    ///
    /// Works in a cancelled task.
    @discardableResult
    package func terminate(signal: Signal = .terminate, grace: Duration = .seconds(2)) async throws -> ExitStatus {
        try send(signal: signal)
        if await !hasEnded(within: grace) { try send(signal: .kill) }
        // Waiting in a task of its own: this one may be cancelled, and the process is as good as gone.
        return try await Task { try await self.wait() }.value
    }

    /// Waits for the end at most some time, also in a cancelled task; whether it has ended.
    package func hasEnded(within time: Duration) async -> Bool {
        let milliseconds = CInt(
            clamping: time.components.seconds * 1000 + time.components.attoseconds / 1_000_000_000_000_000
        )
        let handle = handle
        return await onBlockingPool { () -> Bool in
            var poll = pollfd(fd: handle.descriptor, events: Int16(POLLIN), revents: 0)
            return Glibc.poll(&poll, 1, milliseconds) > 0
        }
    }

    private func ended(_ result: Result<Void, any Error>) {
        let status: Result<ExitStatus, any Error>
        var code: CInt = 0
        var value: CInt = 0
        var used = slipway_usage()
        var usage: ResourceUsage?
        switch (result, slipway_wait(handle.descriptor, 0, &code, &value, &used)) {
        case (.failure(let error), _): status = .failure(error)
        case (.success, 1):
            status = .success(ExitStatus(code: code, status: value))
            usage = ResourceUsage(used, inherited: inheritedPeak)
        case (.success, _):
            status = .failure(SystemCallError("waitid", errno: Errno(rawValue: Glibc.errno)))
        }
        let waiters = state.withLock { state in
            state.status = status
            state.usage = usage
            defer { state.waiters = [:] }
            return Array(state.waiters.values)
        }
        for waiter in waiters { waiter.resume(with: status) }
    }
}
