package import LinuxSystem
internal import Synchronization

/// Where a command writes: one of the process's standard streams, or memory in tests.
///
/// This is the one place where text becomes output, so here it is made safe: names, labels, errors of registries and all else that
/// did not come from us may hold escape sequences. What acts on a terminal by intent is written as bytes.
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

    /// Writes all bytes as they are before it returns: what containers write, files, and our own displays.
    /// - Throws: `SystemCallError`.
    package func write(_ bytes: [UInt8]) async throws {
        if bytes.isEmpty { return }
        if let stream {
            try await stream.write(bytes)
        } else {
            memory.withLock { $0 += bytes }
        }
    }

    /// Writes tables and sentences: what could act on a terminal is shown as `\xNN`.
    package func write(_ text: String) async throws { try await write(Array(safeLines(text).utf8)) }

    /// Writes what the user's own `--format` made: as Docker gives it, byte for byte, except to a terminal.
    package func writeFormatted(_ text: String) async throws {
        if isTerminal { try await write(text) } else { try await write(Array(text.utf8)) }
    }

    package func writeLine(_ text: String) async throws { try await write(text + "\n") }

    /// The number of columns; nil where it is no terminal.
    package var columns: Int? { stream.flatMap { TerminalSize(of: $0.descriptor) }.map { Int($0.columns) } }
}
