internal import CLinux
internal import SystemPackage

/// The signals of the process as a stream of values.
///
/// See signal(7).
///
/// Handlers are reset by execve(2), so programs that this process starts get the default behaviour again.
///
/// SIGPIPE is ignored before the first line of Swift runs, so that writing to a closed pipe throws `EPIPE`. Programs that are
/// started inherit that through execve(2), so the code that starts one restores the default.
package enum ProcessSignals {
    /// Puts back what a signal does by itself.
    package static func restoreDefault(_ signal: Signal) { _ = slipway_default_signal(signal.rawValue) }

    /// Delivers the given signals to the returned source from now on, instead of what they do by themselves.
    ///
    /// Called once in the life of a process.
    package static func receive(_ signals: [Signal]) throws(SystemCallError) -> ProcessSignalSource {
        let pipe = try makePipe()
        // Never closed, for handlers that may still run; and it never waits.
        let writing = try retryingSystemCall("fcntl") { slipway_duplicate_above(pipe.writing.descriptor, 3) }
        _ = try retryingSystemCall("fcntl") { slipway_set_nonblocking(writing, 1) }
        let source = ProcessSignalSource(try ByteReader(pipe.reading))
        for signal in signals {
            _ = try retryingSystemCall("sigaction") { slipway_signal_to_descriptor(signal.rawValue, writing) }
        }
        return source
    }
}

/// Where received signals come out, in order.
package final class ProcessSignalSource: Sendable {
    private let reader: ByteReader

    fileprivate init(_ reader: ByteReader) { self.reader = reader }

    /// Waits for the next signal, without holding a thread; nil never comes while the process lives.
    /// - Throws: `CancellationError`.
    package func next() async throws -> Signal? {
        try await reader.read(limit: 1)?.first.map { Signal(rawValue: CInt($0)) }
    }
}
