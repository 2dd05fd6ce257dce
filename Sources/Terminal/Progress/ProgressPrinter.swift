package import BuildGraph
internal import Synchronization

/// Shows the events of a build while it runs.
package final class ProgressPrinter: Sendable {
    /// Where a display is written.
    package struct Output: Sendable {
        /// Columns and lines of the terminal; nil where there is none.
        package let size: @Sendable () -> (columns: Int, rows: Int)?
        package let write: @Sendable ([UInt8]) async throws -> Void

        package init(
            size: @escaping @Sendable () -> (columns: Int, rows: Int)?,
            write: @escaping @Sendable ([UInt8]) async throws -> Void
        ) {
            self.size = size
            self.write = write
        }
    }

    private struct State {
        var display: any ProgressDisplay
        var warnings: [VertexWarning] = []
        var isBroken = false
    }

    private let state: Mutex<State>
    private let output: Output
    private let now: @Sendable () -> Timestamp
    private let clock: any Clock<Duration>
    private let interval: Duration
    /// One writer at a time, so that the order of writing is that of drawing.
    private let turn = Slots(count: 1)

    /// - Parameters:
    ///   - display: What it looks like.
    ///   - output: Where it goes.
    ///   - now: The clock that the events' times come from.
    ///   - clock: The clock that says when to draw again.
    ///   - interval: How long to wait between two drawings.
    package init(
        _ display: any ProgressDisplay,
        output: Output,
        now: @escaping @Sendable () -> Timestamp = Timestamp.system,
        clock: any Clock<Duration> = ContinuousClock(),
        interval: Duration = .milliseconds(100)
    ) {
        state = Mutex(State(display: display))
        self.output = output
        self.now = now
        self.clock = clock
        self.interval = interval
    }

    /// Shows events until they end, and returns the warnings among them.
    ///
    /// An output that cannot be written does not stop the build: the rest is taken in silently. A cancelled task goes on to the end
    /// of the events, so that the last word on each step is shown; whoever cancels ends them.
    package func show(_ events: ProgressChannel) async -> [VertexWarning] {
        await withTaskGroup { group in
            group.addTask {
                while (try? await self.clock.sleep(for: self.interval)) != nil { await self.draw() }
            }
            for await event in events {
                if take(event) { await draw() }
            }
            group.cancelAll()
        }
        await write { $0.finish(at: $1) }
        return state.withLock { $0.warnings }
    }

    /// Takes an event in; true if so much is waiting that it must be drawn at once.
    private func take(_ event: ProgressEvent) -> Bool {
        let moment = moment()
        return state.withLock { state in
            if case .warning(let warning) = event { state.warnings.append(warning) }
            if state.isBroken { return false }
            state.display.update(event, at: moment)
            return state.display.pendingBytes > 64 << 10
        }
    }

    private func draw() async {
        do {
            try await turn.withSlot { await write { $0.refresh(at: $1) } }
        } catch {
            // Cancelled while it waited for its turn: what is new is drawn at the end.
        }
    }

    private func write(_ drawing: (inout any ProgressDisplay, DisplayMoment) -> [UInt8]) async {
        let moment = moment()
        let bytes = state.withLock { $0.isBroken ? [] : drawing(&$0.display, moment) }
        if bytes.isEmpty { return }
        do { try await output.write(bytes) } catch { state.withLock { $0.isBroken = true } }
    }

    private func moment() -> DisplayMoment {
        let size = output.size()
        return DisplayMoment(now: now(), width: size?.columns ?? 80, height: size?.rows ?? 10)
    }
}
