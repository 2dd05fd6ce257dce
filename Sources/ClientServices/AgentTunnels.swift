internal import LinuxSystem
internal import Synchronization
internal import SystemPackage
internal import Tasks

/// Sockets of this machine behind which the agents of a remote client answer, made when something asks for them.
final class AgentTunnels: Sendable {
    private struct Tunnel: Sendable {
        let listener: LocalSocketListener
        let id: [UInt8]
    }

    private let client: any RemoteClient
    private let scratch: @Sendable () throws -> FilePath
    private let made = SharedWork<[UInt8], AgentSocket>(keepsValues: true)
    private let tunnels = AsyncStream.makeStream(of: Tunnel.self)
    private let directories = Mutex<[FilePath]>([])

    /// - Parameters:
    ///   - client: has the agents.
    ///   - scratch: makes an empty directory that only this process may enter.
    init(to client: any RemoteClient, scratch: @escaping @Sendable () throws -> FilePath) {
        self.client = client
        self.scratch = scratch
    }

    /// The socket for an agent.
    /// - Throws: as `RemoteClient.checkAgent`.
    func socket(for id: [UInt8]) async throws -> AgentSocket {
        try await made.value(for: id) { [self] in
            try await client.checkAgent(id)
            return try await onBlockingPool { [self] in
                let path = try scratch()
                directories.withLock { $0.append(path) }
                let name: FilePath.Component = "agent"
                let directory = try OpenFile.open(path, [.readOnly, .directory])
                let listener = try LocalSocketListener(at: directory.reachable(name))
                tunnels.continuation.yield(Tunnel(listener: listener, id: id))
                return try AgentSocket(path.appending(name), isClients: true)
            }
        }
    }

    /// Removes the sockets and their directories.
    func removeSockets() async throws {
        let directories = directories.withLock { $0 }
        try await onBlockingPool { for directory in directories { try removeTree(directory) } }
    }

    /// Carries the connections to the sockets until the task is cancelled.
    func serve() async {
        await withDiscardingTaskGroup { group in
            for await tunnel in tunnels.stream {
                group.addTask { [client] in
                    await tunnel.listener.serve { try await client.forward($0, toAgent: tunnel.id) }
                }
            }
        }
    }
}

extension LocalSocketListener {
    /// Gives each connection to `body` until the task is cancelled; one that fails is closed, and no other hears of it.
    func serve(_ body: @escaping @Sendable (OpenFile) async throws -> Void) async {
        await withDiscardingTaskGroup { group in
            // A listener fails when its step is over: SSH then says that it has no agent.
            while let connection = try? await accept() {
                group.addTask { try? await body(connection) }
            }
        }
    }
}
