internal import OCI
internal import Synchronization

/// Carries progress events from a solve to its display.
///
/// Life-cycle events are few and never wait. Counters of the same activity replace each other while nobody reads. Log output
/// waits while more than `limit` bytes of it are pending, so that a slow terminal slows the process down instead of filling
/// memory. There is one reader. It reads to the end although its task is cancelled, because what a cancelled solve says last is worth
/// showing; whoever owns the channel calls `finish`.
package final class ProgressChannel: AsyncSequence, Sendable {
    package typealias Element = ProgressEvent

    private let state: Mutex<State>

    /// - Parameter limit: How many bytes of log output may be pending.
    package init(limit: Int = 1 << 20) { state = Mutex(State(limit: limit)) }

    /// Adds an event without waiting.
    package func post(_ event: ProgressEvent) {
        state.withLock { $0.add(event) }?.resume()
    }

    /// Adds an event, and waits for the reader if it is far behind.
    package func send(_ event: ProgressEvent) async {
        post(event)
        await withCheckedContinuation { continuation in
            let proceeds = state.withLock { state in
                if state.isFinished || state.pendingBytes <= state.limit { return true }
                state.senders.append(continuation)
                return false
            }
            if proceeds { continuation.resume() }
        }
    }

    /// The steps that were told of so far, read or not, also once the channel is finished.
    package var steps: [RecordedStep] { state.withLock { $0.journal.steps } }

    /// Ends the sequence after what was sent so far; later events are dropped.
    ///
    /// The reader, too, calls it when it leaves early.
    package func finish() {
        let (reader, senders) = state.withLock { $0.finish() }
        reader?.resume()
        for sender in senders { sender.resume() }
    }

    package func makeAsyncIterator() -> Iterator { Iterator(channel: self) }

    package struct Iterator: AsyncIteratorProtocol {
        let channel: ProgressChannel

        package mutating func next() async -> ProgressEvent? {
            while true {
                let (step, senders) = channel.state.withLock { state in (state.take(), state.takeSenders()) }
                for sender in senders { sender.resume() }
                switch step {
                case .event(let event): return event
                case .end: return nil
                case .wait: await channel.waitForEvent()
                }
            }
        }
    }

    private func waitForEvent() async {
        await withCheckedContinuation { continuation in
            let isReady = state.withLock { state in
                if state.isFinished || !state.isEmpty { return true }
                state.reader = continuation
                return false
            }
            if isReady { continuation.resume() }
        }
    }
}

extension ProgressChannel {
    fileprivate enum Step {
        case event(ProgressEvent), wait, end
    }

    fileprivate struct State: ~Copyable {
        let limit: Int
        var journal = ProgressJournal()
        var pendingBytes = 0
        var isFinished = false
        var reader: CheckedContinuation<Void, Never>?
        var senders: [CheckedContinuation<Void, Never>] = []
        private var events: [ProgressEvent] = []
        private var head = 0
        /// Where in `events` the pending counter of an activity is.
        private var counters: [Counter: Int] = [:]

        private struct Counter: Hashable {
            let vertex: Digest
            let id: String
        }

        init(limit: Int) { self.limit = limit }

        var isEmpty: Bool { head == events.count }

        mutating func add(_ event: ProgressEvent) -> CheckedContinuation<Void, Never>? {
            // A reader that has left does not make the record of the build end there.
            journal.note(event)
            if isFinished { return nil }
            switch event {
            case .measured: return nil
            case .vertex, .warning: events.append(event)
            case .log(let log):
                pendingBytes += log.data.count
                events.append(event)
            case .status(let status):
                let counter = Counter(vertex: status.vertex, id: status.id)
                if let position = counters[counter] {
                    events[position] = event
                } else {
                    counters[counter] = events.count
                    events.append(event)
                }
            }
            defer { reader = nil }
            return reader
        }

        mutating func take() -> Step {
            guard head < events.count else { return isFinished ? .end : .wait }
            let event = events[head]
            head += 1
            switch event {
            case .vertex, .warning, .measured: break
            case .log(let log): pendingBytes -= log.data.count
            case .status(let status): counters[Counter(vertex: status.vertex, id: status.id)] = nil
            }
            if head == events.count {
                events.removeAll(keepingCapacity: events.count < 1024)
                head = 0
            }
            return .event(event)
        }

        mutating func takeSenders() -> [CheckedContinuation<Void, Never>] {
            if pendingBytes > limit { return [] }
            defer { senders = [] }
            return senders
        }

        mutating func finish() -> (CheckedContinuation<Void, Never>?, [CheckedContinuation<Void, Never>]) {
            isFinished = true
            defer {
                reader = nil
                senders = []
            }
            return (reader, senders)
        }
    }
}
