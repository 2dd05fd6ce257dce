internal import BuildKitService
internal import LinuxSystem
internal import RPC
internal import Synchronization
internal import Terminal

/// What signals do to a daemon: at the first, the builds that run go on to their end and no other begins; at the second they are
/// ended; at the third the process is.
final class DaemonEnd: Sendable {
    private let door: RPCServer
    private let server: BuildServer
    private let output: TextOutput
    private let signals = Mutex(0)

    init(door: RPCServer, server: BuildServer, output: TextOutput) {
        self.door = door
        self.server = server
        self.output = output
    }

    func receive(_ signal: Signal) {
        guard [.interrupt, .terminate, .hangUp, .quit].contains(signal) else { return }
        let count = signals.withLock { count in
            count += 1
            return count
        }
        switch count {
        case 1: letBuildsEnd()
        case 2: door.closeConnections()
        default: ProcessContext.exitAtOnce(CommandStatus.interrupted.rawValue)
        }
    }

    private func letBuildsEnd() {
        door.stopListening()
        let running = server.beginNoMore()
        // Not structured, because a signal is not waited for; the daemon's end, which it leads to, is.
        Task { [door, server, output] in
            if running > 0 {
                try? await output.write("stopping when the builds that run have ended: \(running)\n")
                await server.ended()
                // Clients are still to be told how their builds ended, and then they go.
                await door.connectionsEnded(within: .seconds(2))
            }
            door.stop()
        }
    }
}
