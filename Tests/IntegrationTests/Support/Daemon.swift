import Foundation
import NIOCore
import Testing

/// Runs this program's daemon as long as `body` does.
func withDaemon(
    _ slipway: Slipway,
    _ scratch: TemporaryDirectory,
    _ body: (SocketAddress) async throws -> Void
) async throws {
    let daemon = try await DaemonProcess.start(slipway, in: scratch)
    try await body(try SocketAddress(unixDomainSocketPath: daemon.socket))
}
