internal import Images
internal import OCI
internal import Synchronization
internal import Terminal
internal import Text

/// Shows a pull or a push: one line a layer, redrawn in place on a terminal; lines after each other elsewhere.
final class TransferDisplay: Sendable {
    private struct State {
        /// Lines that are complete, waiting to be written.
        var pending: [String] = []
        var layers: [(digest: Digest, step: TransferEvent.Step)] = []
        /// Where each stands in `layers`.
        var places: [Digest: Int] = [:]
        /// How many layer lines the terminal shows below what is final.
        var drawn = 0
        var isDirty = false

        /// Makes the layers' lines final: what follows is written below them.
        mutating func flushLayers() {
            pending += layers.map { "\($0.digest.short): \($0.step.words)" }
            layers = []
            places = [:]
        }
    }

    private let output: TextOutput
    private let isQuiet: Bool
    private let state = Mutex(State())
    /// Wakes the writer; one waiting wake-up is as good as many.
    private let wake: AsyncStream<Void>
    private let waker: AsyncStream<Void>.Continuation

    init(_ output: TextOutput, isQuiet: Bool) {
        self.output = output
        self.isQuiet = isQuiet
        (wake, waker) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
    }

    /// Runs a transfer and writes what it tells until it ends.
    func showing<Value: Sendable>(
        _ transfer: @escaping @Sendable (@escaping TransferObserver) async throws -> Value
    ) async throws -> Value {
        async let written: Void = write()
        let result: Result<Value, any Error>
        do {
            result = .success(try await transfer { [self] event in note(event) })
        } catch {
            result = .failure(error)
        }
        waker.finish()
        try await written
        return try result.get()
    }

    private func note(_ event: TransferEvent) {
        if isQuiet { return }
        state.withLock { state in
            switch event {
            case .line(let text):
                if output.isTerminal { state.flushLayers() }
                state.pending.append(text)
            case .layer(let digest, let step):
                let index = state.places[digest]
                // Without a terminal only the stages are told, not the bytes.
                let isNews = index.map { state.layers[$0].step.words != step.words } ?? true
                state.places[digest] = index ?? state.layers.count
                if let index { state.layers[index].step = step } else { state.layers.append((digest, step)) }
                if !output.isTerminal, isNews { state.pending.append(event.description) }
            }
            state.isDirty = true
        }
        waker.yield()
    }

    private func write() async throws {
        for await _ in wake { try await output.write(next()) }
        try await output.write(next())
    }

    /// Bytes, for a terminal's own sequences are among them: everything else is made safe here.
    private func next() -> [UInt8] {
        let width = output.columns ?? 80
        return state.withLock { state in
            guard state.isDirty else { return [] }
            state.isDirty = false
            guard output.isTerminal else {
                defer { state.pending = [] }
                return Array(state.pending.map { safeText($0) + "\n" }.joined().utf8)
            }
            var text = state.drawn > 0 ? "\u{1b}[\(state.drawn)A" : ""
            for line in state.pending { text += "\u{1b}[2K\(safeText(line))\n" }
            for layer in state.layers { text += "\u{1b}[2K\(Self.line(layer.digest, layer.step, width))\n" }
            state.drawn = state.layers.count
            state.pending = []
            return Array(text.utf8)
        }
    }

    private static func line(_ digest: Digest, _ step: TransferEvent.Step, _ width: Int) -> String {
        let text = "\(digest.short): \(step.words)"
        guard let progress = step.progress, progress.total > 0 else { return text }
        let amount = "\(ByteCount.decimal(progress.current, digits: 4))/\(ByteCount.decimal(progress.total, digits: 4))"
        guard width >= 110 else { return "\(text) \(amount)" }
        let done = Int(min(50, max(0, progress.current * 50 / progress.total)))
        let bar = String(repeating: "=", count: done) + (done < 50 ? ">" : "")
        return "\(text) [\(bar.padded(to: 50))]  \(amount)"
    }
}
