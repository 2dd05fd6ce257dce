internal import Synchronization

/// A bounded queue between tasks, of which one takes.
///
/// Its capacity is a weight, so that a few big packets and many small ones fill it alike. A task that is cancelled while
/// it waits closes the queue: what it belongs to is over.
final class PacketQueue<Element: Sendable>: Sendable {
    private struct State {
        var elements: [Element] = []
        var weight = 0
        var isFinished = false
        var isClosed = false
        var taker: CheckedContinuation<Void, Never>?
        var givers: [CheckedContinuation<Void, Never>] = []
    }

    private let state = Mutex(State())
    private let capacity: Int

    init(capacity: Int) { self.capacity = capacity }

    /// Adds an element, after waiting until there is room for something.
    /// - Throws: `CancellationError` once the queue is closed.
    func add(_ element: Element, weight: Int) async throws { try await add([element], weight: weight) }

    /// Adds elements, after waiting until there is room for something.
    /// - Throws: `CancellationError` once the queue is closed.
    func add(_ elements: [Element], weight: Int) async throws {
        while true {
            let isAdded = try add(elements, weight: weight, evenIfFull: false)
            if isAdded { return }
            await wait { state, continuation in
                guard state.weight >= self.capacity else { return false }
                state.givers.append(continuation)
                return true
            }
        }
    }

    /// Adds an element without waiting.
    /// - Throws: `CancellationError` once the queue is closed.
    func addAtOnce(_ element: Element) throws { _ = try add([element], weight: 1, evenIfFull: true) }

    private func add(_ elements: [Element], weight: Int, evenIfFull: Bool) throws -> Bool {
        let taker: CheckedContinuation<Void, Never>?
        let isAdded: Bool
        (isAdded, taker) = try state.withLock { state in
            if state.isClosed { throw CancellationError() }
            guard evenIfFull || state.weight < capacity else { return (false, nil) }
            state.elements += elements
            state.weight += weight
            return (true, state.taker.take())
        }
        taker?.resume()
        return isAdded
    }

    /// All elements that wait, after waiting for one; nil at the end.
    /// - Throws: `CancellationError` once the queue is closed.
    func take() async throws -> [Element]? {
        while true {
            var givers: [CheckedContinuation<Void, Never>] = []
            let taken: [Element]?? = try state.withLock { state in
                if state.isClosed { throw CancellationError() }
                if state.elements.isEmpty { return state.isFinished ? .some(nil) : nil }
                let elements = state.elements
                state.elements = []
                state.weight = 0
                swap(&givers, &state.givers)
                return elements
            }
            for giver in givers { giver.resume() }
            if let taken { return taken }
            await wait { state, continuation in
                guard state.elements.isEmpty, !state.isFinished else { return false }
                state.taker = continuation
                return true
            }
        }
    }

    /// Nothing more is added.
    func finish() { wake { $0.isFinished = true } }

    private func close() {
        wake {
            $0.isClosed = true
            $0.elements = []
        }
    }

    private func wake(_ change: (inout State) -> Void) {
        let waiting = state.withLock { state in
            change(&state)
            let waiting = state.givers + [state.taker].compactMap(\.self)
            state.givers = []
            state.taker = nil
            return waiting
        }
        for continuation in waiting { continuation.resume() }
    }

    /// Suspends the task if `enlist` says so, until something has changed.
    private func wait(_ enlist: (inout State, CheckedContinuation<Void, Never>) -> Bool) async {
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let isWaiting = state.withLock { state in !state.isClosed && enlist(&state, continuation) }
                if !isWaiting { continuation.resume() }
            }
        } onCancel: {
            close()
        }
    }
}
