import Foundation
import NIOCore
import Testing

/// Runs this program's daemon as long as `body` does.
func withDaemon(
    _ slipway: Slipway,
    _ scratch: TemporaryDirectory,
    _ body: (SocketAddress) async throws -> Void
) async throws {
    let socket = scratch.url.appending(path: "s").path
    let log = scratch.url.appending(path: "log")
    let process = try RunningProcess(
        try Slipway.binary,
        ["daemon", "--root", slipway.root, "--addr", "unix://\(socket)"],
        output: log.path
    )
    defer { process.end() }
    var said = ""
    while !said.contains("running server") {
        try #require(process.isRunning, "\(said)")
        try await Task.sleep(for: .milliseconds(20))
        said = try String(contentsOf: log, encoding: .utf8)
    }
    try await body(try SocketAddress(unixDomainSocketPath: socket))
}
