package import LinuxSystem
package import SystemPackage

/// Takes a file that the runtime makes for a process, as its terminal, through a socket.
package struct RuntimeFileReceiver: Sendable {
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

    /// Waits for a terminal; nil when the runtime ends before it sends one.
    package func receiveTerminal(unless child: ChildProcess) async throws -> PseudoTerminal? {
        try await receive(unless: child).map { PseudoTerminal($0) }
    }

    /// Waits for the file; nil when the runtime ends before it sends one.
    package func receive(unless child: ChildProcess) async throws -> OpenFile? {
        defer { Task { [directory] in await onBlockingPool { try? removeTree(directory) } } }
        return try await withThrowingTaskGroup(of: OpenFile?.self) { group in
            group.addTask { try await socket.receiveFile() }
            group.addTask {
                _ = try await child.wait()
                return nil
            }
            defer { group.cancelAll() }
            if let file = try await group.next() ?? nil { return file }
            // A runtime that has done its work may have ended before its message was read.
            group.addTask {
                try await ContinuousClock().sleep(for: .milliseconds(100))
                return nil
            }
            return try await group.next() ?? nil
        }
    }
}
