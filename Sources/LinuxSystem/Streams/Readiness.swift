internal import CLinux
internal import Glibc
internal import Synchronization
internal import SystemPackage

/// Waits for descriptors without holding a thread each: one thread of the process sits in epoll_wait(2) for all of them.
///
/// A descriptor takes one wait at a time; whoever reads and writes the same file duplicates it for the second direction.
package enum Readiness {
    package enum Direction: Sendable { case reading, writing }

    /// Returns when `file` can be read (or written) without blocking, or has failed or ended.
    ///
    /// Regular files are always ready.
    /// - Throws: `CancellationError` when the task is cancelled first; `SystemCallError`.
    package static func wait(for file: OpenFile, _ direction: Direction) async throws {
        let poller = try Poller.shared.get()
        let token = poller.nextToken()
        defer { poller.forget(token) }
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                poller.add(token, file, direction) { continuation.resume(with: $0) }
            }
        } onCancel: {
            poller.cancel(token)
        }
    }

    /// Calls `body` once, from the polling thread, when `file` becomes readable.
    ///
    /// `body` must not block.
    static func whenReadable(_ file: OpenFile, _ body: @escaping @Sendable (Result<Void, any Error>) -> Void) {
        switch Poller.shared {
        case .success(let poller): poller.add(poller.nextToken(), file, .reading, body)
        case .failure(let error): body(.failure(error))
        }
    }
}

/// The epoll instance of the process and the thread that waits on it.
///
/// As with the blocking pool, which thread waits is a property of the process; nothing else is shared here.
private final class Poller: Sendable {
    typealias Completion = @Sendable (Result<Void, any Error>) -> Void

    static let shared: Result<Poller, any Error> = Result { try Poller() }

    private enum Wait {
        case waiting(OpenFile, Completion)
        /// Cancelled before it was added.
        case cancelled
    }

    private struct State {
        var waits: [UInt64: Wait] = [:]
        var lastToken: UInt64 = 0
    }

    private let descriptor: CInt
    private let state = Mutex(State())

    private init() throws {
        descriptor = try retryingSystemCall("epoll_create1") { slipway_epoll_create() }
        try startThread { [self] in run() }
    }

    func nextToken() -> UInt64 {
        state.withLock { state in
            state.lastToken += 1
            return state.lastToken
        }
    }

    func add(_ token: UInt64, _ file: OpenFile, _ direction: Readiness.Direction, _ completion: @escaping Completion) {
        // Adding happens under the lock, so that an event cannot be looked up before its entry is there.
        let failure: Result<Void, any Error>? = state.withLock { state in
            if case .cancelled? = state.waits.removeValue(forKey: token) { return .failure(CancellationError()) }
            if slipway_epoll_add(descriptor, file.descriptor, direction == .writing ? 1 : 0, token) == 0 {
                state.waits[token] = .waiting(file, completion)
                return nil
            }
            let code = Glibc.errno
            // Regular files cannot be polled: reads of them never wait for anybody.
            if code == EPERM { return .success(()) }
            return .failure(SystemCallError("epoll_ctl", path: file.path, errno: Errno(rawValue: code)))
        }
        if let failure { completion(failure) }
    }

    func cancel(_ token: UInt64) {
        let completion: Completion? = state.withLock { state in
            switch state.waits.removeValue(forKey: token) {
            case .waiting(let file, let completion)?:
                _ = slipway_epoll_remove(descriptor, file.descriptor)
                return completion
            case .cancelled?, nil:
                // Either not added yet, which `add` must learn, or finished already: `forget` follows.
                state.waits[token] = .cancelled
                return nil
            }
        }
        completion?(.failure(CancellationError()))
    }

    /// Drops what a cancellation that came too late has left.
    func forget(_ token: UInt64) { state.withLock { _ = $0.waits.removeValue(forKey: token) } }

    private func run() {
        var tokens = [UInt64](repeating: 0, count: 64)
        while true {
            let count = slipway_epoll_wait(descriptor, &tokens, CInt(tokens.count))
            for token in tokens.prefix(Int(max(count, 0))) {
                let completion: Completion? = state.withLock { state in
                    guard case .waiting(let file, let completion)? = state.waits.removeValue(forKey: token) else {
                        return nil
                    }
                    _ = slipway_epoll_remove(descriptor, file.descriptor)
                    return completion
                }
                completion?(.success(()))
            }
        }
    }
}
