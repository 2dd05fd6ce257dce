package import LinuxSystem
package import SystemPackage

/// Takes the terminal that the runtime makes for a process, through a socket.
package struct TerminalReceiver: Sendable {
    private let socket: LocalSocketListener
    /// Short enough for a socket's name, wherever the store is.
    private let directory: FilePath
    package var path: FilePath { directory.appending("t") }

    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package init() throws {
        directory = try makeScratchDirectory(in: "/tmp", prefix: "slipway-")
        do {
            socket = try LocalSocketListener(at: directory.appending("t"))
        } catch {
            try? removeTree(directory)
            throw error
        }
    }

    /// Waits for the terminal; nil when the runtime ends before it sends one.
    package func receive(unless child: ChildProcess) async throws -> PseudoTerminal? {
        defer { Task { [directory] in await onBlockingPool { try? removeTree(directory) } } }
        return try await withThrowingTaskGroup(of: PseudoTerminal?.self) { group in
            group.addTask { PseudoTerminal(try await socket.receiveFile()) }
            group.addTask {
                _ = try await child.wait()
                return nil
            }
            defer { group.cancelAll() }
            if let terminal = try await group.next() ?? nil { return terminal }
            // A runtime that has done its work may have ended before its message was read.
            group.addTask {
                try await ContinuousClock().sleep(for: .milliseconds(100))
                return nil
            }
            return try await group.next() ?? nil
        }
    }
}
