internal import Containers
internal import LinuxSystem
internal import Terminal

/// Connects this process's streams, terminal and signals with those of a process in a container.
struct Attachment: Sendable {
    private let environment: SlipwayEnvironment
    private let keepsInput: Bool
    private let hasTerminal: Bool

    init(_ environment: SlipwayEnvironment, keepsInput: Bool, hasTerminal: Bool) {
        self.environment = environment
        self.keepsInput = keepsInput
        self.hasTerminal = hasTerminal
    }

    /// Runs `body` with the streams; the terminal is as before afterwards, however it ends.
    func run<Value>(_ body: (AttachedStreams) async throws -> Value) async throws -> Value {
        let output = environment.output
        let errorOutput = environment.errorOutput
        // Signals come one at a time; a container that does not take them would get no more than these.
        let (signals, sender) = AsyncStream.makeStream(of: Signal.self, bufferingPolicy: .bufferingNewest(64))
        let streams = AttachedStreams(
            input: keepsInput ? try ByteReader(environment.input.duplicate()) : nil,
            signals: signals,
            terminalSize: {
                TerminalSize(of: StandardStream.output.descriptor) ?? TerminalSize(of: StandardStream.input.descriptor)
            },
            write: { stream, bytes in try await (stream == 2 ? errorOutput : output).write(bytes) }
        )
        let input = environment.input
        let modes = hasTerminal && keepsInput ? TerminalModes(of: input.descriptor) : nil
        try modes?.unprocessed.apply(to: input.descriptor)
        defer {
            try? modes?.apply(to: input.descriptor)
            if keepsInput { input.restoreWaiting() }
            sender.finish()
        }
        return try await environment.router.handling({ signal in sender.yield(signal) }) {
            try await body(streams)
        }
    }
}
