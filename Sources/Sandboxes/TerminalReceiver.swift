internal import LinuxSystem
internal import SystemPackage

/// Takes the terminal that the runtime makes for a process, through a socket.
struct TerminalReceiver: Sendable {
    private let socket: LocalSocketListener
    /// Short enough for a socket's name, wherever the store is.
    private let directory: FilePath
    var path: FilePath { directory.appending("t") }

    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    init() throws {
        directory = try makeScratchDirectory(in: "/tmp", prefix: "slipway-")
        do {
            socket = try LocalSocketListener(at: directory.appending("t"))
        } catch {
            try? removeTree(directory)
            throw error
        }
    }

    /// Waits for the terminal; nil when the runtime ends before it sends one.
    func receive(unless child: ChildProcess) async throws -> PseudoTerminal? {
        defer { Task { [directory] in await onBlockingPool { try? removeTree(directory) } } }
        return try await withThrowingTaskGroup(of: PseudoTerminal?.self) { group in
            group.addTask { PseudoTerminal(try await socket.receiveFile()) }
            group.addTask {
                _ = try await child.wait()
                return nil
            }
            let first = try await group.next()
            group.cancelAll()
            return first ?? nil
        }
    }
}
