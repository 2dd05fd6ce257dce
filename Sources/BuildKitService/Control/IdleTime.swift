import LinuxSystem
import Synchronization

/// Does what would slow builds down when none has run for a while: returns the memory that they took to the system, and whatever else
/// it is given.
final class IdleTime: Sendable {
    private static let patience = Duration.seconds(10)
    /// What a large build leaves is returned at once, so that the next one begins with as little as this one; in bytes.
    private static let much = 32 << 20

    private struct State {
        var running = 0
        /// How many builds have begun.
        var begun = 0
    }

    private let state = Mutex(State())
    private let work: @Sendable () async -> Void

    init(_ work: @escaping @Sendable () async -> Void) { self.work = work }

    /// Counts a build as long as `body` runs.
    func whileBuilding<Value>(_ body: () async throws -> Value) async rethrows -> Value {
        state.withLock { state in
            state.running += 1
            state.begun += 1
        }
        defer {
            let begun = state.withLock { state in
                state.running -= 1
                return state.running == 0 ? state.begun : nil
            }
            if let begun { workUnlessBuilding(after: begun) }
        }
        return try await body()
    }

    private func workUnlessBuilding(after begun: Int) {
        // Not structured: no build waits for it, and a daemon that ends has no memory to let go of.
        Task {
            await onBlockingPool { if freeMemory() > Self.much { releaseFreeMemory() } }
            try? await Task.sleep(for: Self.patience)
            guard state.withLock({ $0.begun == begun }) else { return }
            await onBlockingPool { releaseFreeMemory() }
            await work()
        }
    }
}
