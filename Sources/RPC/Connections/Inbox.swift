internal import Synchronization

/// What a channel in memory has been given to read.
final class Inbox<Element: Sendable>: Sendable {
    private struct State {
        var elements: [Element] = []
        var size = 0
        var isFinished = false
        var isClosed = false
        var writer: CheckedContinuation<Void, Never>?
    }

    private let state = Mutex(State())
    private static var capacity: Int { 1 << 20 }

    var hasNews: Bool { state.withLock { !$0.elements.isEmpty || $0.isFinished } }

    /// - Returns: whether nothing more should be added before something is taken.
    func add(_ element: Element, size: Int) -> Bool {
        state.withLock { state in
            guard !state.isClosed else { return false }
            state.elements.append(element)
            state.size += size
            return state.size >= Self.capacity
        }
    }

    func finish() { state.withLock { $0.isFinished = true } }

    /// All that is there, and whether nothing more comes.
    func take() -> (elements: [Element], isFinished: Bool) {
        let (elements, isFinished) = state.withLock { state in
            defer {
                state.elements = []
                state.size = 0
            }
            return (state.elements, state.isFinished)
        }
        wake()
        return (elements, isFinished)
    }

    /// Nothing is read any more.
    func close() {
        state.withLock { state in
            state.isClosed = true
            state.elements = []
            state.size = 0
        }
        wake()
    }

    /// Waits until less than a limit is unread, the inbox is closed, or the task is cancelled.
    func waitForRoom() async {
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let hasRoom = state.withLock { state -> Bool in
                    if state.size < Self.capacity || Task.isCancelled { return true }
                    precondition(state.writer == nil, "one task waits for room in an inbox")
                    state.writer = continuation
                    return false
                }
                if hasRoom { continuation.resume() }
            }
        } onCancel: {
            wake()
        }
    }

    private func wake() {
        let writer = state.withLock { state in
            defer { state.writer = nil }
            return state.writer
        }
        writer?.resume()
    }
}
