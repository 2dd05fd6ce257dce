internal import CLinux
internal import Glibc
internal import SystemPackage

/// The signals that reach this process, as a stream.
///
/// From its making on the signals no longer have their usual effect. There is one at a time: the process has one set of dispositions.
package struct SignalStream: Sendable {
    private let reader: ByteReader
    /// Kept open: the handlers write to it as long as the process lives.
    private let descriptor: CInt

    /// Takes over signals, for example `[SIGINT, SIGTERM, SIGWINCH]`. See sigaction(2).
    package init(_ signals: [CInt]) throws {
        let pipe = try makePipe()
        reader = try ByteReader(pipe.reading)
        descriptor = try retryingSystemCall("fcntl") { slipway_duplicate_above(pipe.writing.descriptor, 3) }
        _ = try retryingSystemCall("fcntl") { slipway_set_nonblocking(descriptor, 1) }
        for signal in signals {
            let code = slipway_forward_signal(signal, descriptor)
            if code != 0 { throw SystemCallError("sigaction", errno: Errno(rawValue: code)) }
        }
    }

    /// The next signal; nil never comes while the process lives.
    /// - Throws: `CancellationError`.
    package func next() async throws -> CInt? {
        try await reader.read(limit: 1)?.first.map { CInt($0) }
    }
}
