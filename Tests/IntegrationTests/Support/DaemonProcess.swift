import Foundation
import Testing

/// `slipway daemon` with a store, at a socket of its own.
final class DaemonProcess: Sendable {
    let socket: String
    private let process: RunningProcess

    /// The daemon's address, as `--host` takes it.
    var host: String { "unix://\(socket)" }

    private init(_ process: RunningProcess, socket: String) {
        self.process = process
        self.socket = socket
    }

    deinit { process.end() }

    /// Starts a daemon, and waits until it takes connections.
    static func start(
        _ slipway: Slipway,
        in scratch: TemporaryDirectory,
        _ options: [String] = []
    ) async throws -> DaemonProcess {
        let socket = scratch.path + "/s"
        let log = scratch.url.appending(path: "log")
        let process = try RunningProcess(
            try Slipway.binary,
            ["daemon", "--root", slipway.root, "--addr", "unix://\(socket)"] + options,
            output: log.path
        )
        let daemon = DaemonProcess(process, socket: socket)
        var said = ""
        while !said.contains("running server") {
            try #require(process.isRunning, "\(said)")
            try await Task.sleep(for: .milliseconds(20))
            said = try String(contentsOf: log, encoding: .utf8)
        }
        return daemon
    }

    /// Ends it at once, as a crash does.
    func kill() { process.end() }
}
