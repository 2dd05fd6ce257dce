import LinuxSystem
import Synchronization

/// Returns the memory that builds took to the system when no build has run for a while.
///
/// This slows the next build a little, so it does not happen between builds that follow each other.
final class IdleMemory: Sendable {
    private static let patience = Duration.seconds(10)

    private struct State {
        var running = 0
        /// How many builds have begun.
        var begun = 0
    }

    private let state = Mutex(State())

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
            if let begun { releaseUnlessBuilding(after: begun) }
        }
        return try await body()
    }

    private func releaseUnlessBuilding(after begun: Int) {
        // Not structured: no build waits for it, and a daemon that ends has no memory to let go of.
        Task {
            try? await Task.sleep(for: Self.patience)
            guard state.withLock({ $0.begun == begun }) else { return }
            await onBlockingPool { releaseFreeMemory() }
        }
    }
}
