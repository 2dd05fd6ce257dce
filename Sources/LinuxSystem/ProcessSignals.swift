internal import CLinux
internal import Glibc
internal import SystemPackage

/// A signal by its number.
package struct ProcessSignal: RawRepresentable, Sendable, Hashable {
    package let rawValue: CInt
    package init(rawValue: CInt) { self.rawValue = rawValue }

    package static let interrupt = ProcessSignal(rawValue: SIGINT)
    package static let terminate = ProcessSignal(rawValue: SIGTERM)
    package static let hangUp = ProcessSignal(rawValue: SIGHUP)
    package static let quit = ProcessSignal(rawValue: SIGQUIT)
    package static let windowChange = ProcessSignal(rawValue: SIGWINCH)
    package static let brokenPipe = ProcessSignal(rawValue: SIGPIPE)
    package static let user1 = ProcessSignal(rawValue: SIGUSR1)
    package static let user2 = ProcessSignal(rawValue: SIGUSR2)
}

/// The signals of the process as a stream of values. See signal(7).
///
/// Handlers are reset by execve(2), so programs that this process starts get the default behaviour again.
package enum ProcessSignals {
    /// Makes writing to a closed pipe an error rather than the end of the process.
    ///
    /// The disposition is inherited through execve(2): who starts a program resets it.
    package static func ignoreBrokenPipe() { _ = slipway_ignore_signal(SIGPIPE) }

    /// Puts back what a signal does by itself.
    package static func restoreDefault(_ signal: ProcessSignal) { _ = slipway_default_signal(signal.rawValue) }

    /// Delivers the given signals to the returned source from now on, instead of what they do by themselves.
    /// Called once in the life of a process.
    package static func receive(_ signals: [ProcessSignal]) throws(SystemCallError) -> ProcessSignalSource {
        var ends: [CInt] = [-1, -1]
        _ = try retryingSystemCall("pipe2") { slipway_signal_pipe(&ends) }
        let source = ProcessSignalSource(reading: OpenFile(owning: ends[0], path: "signals"), writing: ends[1])
        for signal in signals {
            _ = try retryingSystemCall("sigaction") { slipway_signal_to_descriptor(signal.rawValue, ends[1]) }
        }
        return source
    }
}

/// Where received signals come out, in order.
package final class ProcessSignalSource: Sendable {
    private let file: OpenFile
    /// Kept open, and never closed, for handlers that may still run.
    private let writing: CInt

    fileprivate init(reading file: OpenFile, writing: CInt) {
        self.file = file
        self.writing = writing
    }

    /// Waits for the next signal. Holds a thread of the blocking pool while it waits.
    package func next() async throws -> ProcessSignal {
        try await onBlockingPool { [file] in
            var byte: UInt8 = 0
            let count = try withUnsafeMutableBytes(of: &byte) { buffer in try file.read(into: buffer) }
            guard count == 1 else { throw SystemCallError("read", path: file.path, errno: .badFileDescriptor) }
            return ProcessSignal(rawValue: CInt(byte))
        }
    }
}
