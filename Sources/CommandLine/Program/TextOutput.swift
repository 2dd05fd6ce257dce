package import LinuxSystem
internal import Synchronization

/// Where a command writes: one of the process's standard streams, or memory in tests.
package final class TextOutput: Sendable {
    private let stream: StandardStream?
    private let memory = Mutex<[UInt8]>([])
    package let isTerminal: Bool

    package init(_ stream: StandardStream) {
        self.stream = stream
        isTerminal = stream.isTerminal
    }

    /// Keeps what is written.
    package init(inMemoryAsTerminal isTerminal: Bool) {
        stream = nil
        self.isTerminal = isTerminal
    }

    /// What was written to memory.
    package var written: [UInt8] { memory.withLock { $0 } }

    /// Writes all bytes before it returns.
    /// - Throws: `SystemCallError`.
    package func write(_ bytes: [UInt8]) async throws {
        if bytes.isEmpty { return }
        if let stream {
            try await stream.write(bytes)
        } else {
            memory.withLock { $0 += bytes }
        }
    }

    package func write(_ text: String) async throws { try await write(Array(text.utf8)) }

    package func writeLine(_ text: String) async throws { try await write(text + "\n") }

    /// The number of columns; nil where it is no terminal.
    package var columns: Int? { stream.flatMap { TerminalSize(of: $0.descriptor) }.map { Int($0.columns) } }
}
