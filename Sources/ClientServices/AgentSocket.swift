package import LinuxSystem
package import SystemPackage

/// The socket of a running agent.
package struct AgentSocket: Sendable {
    /// Lends the path under which the socket can be reached.
    ///
    /// The name of a socket has at most 107 bytes; below an open directory any path is short enough.
    private let directory: OpenFile
    private let name: FilePath.Component
    private let path: FilePath
    /// Whether the other end decides what may be asked, and whether an agent answers at all.
    fileprivate let isClients: Bool

    /// Opens the socket's directory, which must exist; the socket itself is looked for by `connect`.
    /// - Parameters:
    ///   - path: of the socket.
    ///   - isClients: whether a remote client answers, which may offer any socket, and refuses itself what must not be
    ///     asked.
    /// - Throws: `ClientServiceError.agentUnreachable`.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package init(_ path: FilePath, isClients: Bool = false) throws(ClientServiceError) {
        guard let name = path.lastComponent else {
            throw .agentUnreachable(path, SystemCallError("connect", errno: .isDirectory))
        }
        do throws(SystemCallError) {
            directory = try OpenFile.open(path.removingLastComponent(), [.pathOnly, .directory])
        } catch {
            throw .agentUnreachable(path, error)
        }
        self.name = name
        self.path = path
        self.isClients = isClients
    }

    /// A path by which programs that this process starts can reach the agent, for as long as this value lives.
    package var pathForChildren: FilePath {
        directory.pathForChildren.appending(name)
    }

    /// What the agent says to a message, both with their lengths; nil where it says nothing.
    func answer(to message: [UInt8]) async throws -> [UInt8]? {
        let stream = try AgentStream(try connect())
        try await stream.write(message)
        return try await stream.message()
    }

    /// Answers requests, as far as a step may make them, until there are no more; each is a message with its length.
    package func answer(
        _ next: () async throws -> [UInt8]?,
        _ reply: ([UInt8]) async throws -> Void
    ) async throws {
        let agent = try AgentStream(try connect())
        while let request = try await next() {
            guard AgentProtocol.isAllowed(Array(request.dropFirst(4))) else {
                try await reply(AgentProtocol.refusal)
                continue
            }
            try await agent.write(request)
            guard let answer = try await agent.message() else { return }
            try await reply(answer)
        }
    }

    /// Connects to the agent.
    package func connect() throws(ClientServiceError) -> OpenFile {
        do throws(SystemCallError) {
            return try connectLocalSocket(directory.reachable(name), keepsMessages: false)
        } catch {
            throw .agentUnreachable(path, error)
        }
    }
}

extension OpenFile {
    /// A short path of a file in this directory, for the time that the directory is open.
    func reachable(_ name: FilePath.Component) -> FilePath {
        FilePath("/proc/self/fd/\(descriptor)").appending(name)
    }
}

/// The socket that a step finds: what comes in on it goes to the client's agent, as far as a step may ask it.
package struct AgentForwarder: Sendable {
    private let agent: AgentSocket
    private let listener: LocalSocketListener
    /// Keeps the path valid that the socket was bound by.
    private let directory: OpenFile
    /// Where the socket is.
    package let socket: FilePath

    /// Makes the socket.
    /// - Parameters:
    ///   - agent: where requests go.
    ///   - directory: where the socket is made.
    ///   - owner: of the socket: user and group.
    ///   - mode: its permissions.
    /// - Throws: `SystemCallError` if it cannot be made, or not be given to its owner.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package init(
        to agent: AgentSocket,
        in directory: FilePath,
        owner: (user: UInt32, group: UInt32),
        mode: UInt32
    ) throws(SystemCallError) {
        self.agent = agent
        self.directory = try OpenFile.open(directory, [.readOnly, .directory])
        let name: FilePath.Component = "agent"
        listener = try LocalSocketListener(at: self.directory.reachable(name))
        socket = directory.appending(name)
        let root = try RootedDirectory(directory)
        try root.changeOwner(FilePath(root: nil, [name]), user: owner.user, group: owner.group)
        try root.changeMode(FilePath(root: nil, [name]), mode)
    }

    /// Serves the socket until the task is cancelled.
    package func serve() async {
        await listener.serve { try await forward($0) }
    }

    /// Requests and answers of an agent alternate on a connection; what else is forwarded comes as it likes.
    private func forward(_ connection: OpenFile) async throws {
        if agent.isClients { return try await relay(between: connection, and: try agent.connect()) }
        let step = try AgentStream(connection)
        try await agent.answer({ try await step.message() }, { try await step.write($0) })
    }
}

/// Carries what comes from either of two connections to the other, and its end, until both have ended.
private func relay(between one: OpenFile, and other: OpenFile) async throws {
    try await withThrowingTaskGroup { group in
        for (source, target) in [(one, other), (other, one)] {
            group.addTask {
                let (reader, writer) = (try ByteReader(source), try ByteWriter(target))
                while let bytes = try await reader.read() { try await writer.write(bytes) }
                // One that is gone altogether hears nothing more.
                try? target.finishWriting()
            }
        }
        try await group.waitForAll()
    }
}

/// One end of a connection between SSH and an agent.
private final class AgentStream {
    private let reader: ByteReader
    private let writer: ByteWriter

    init(_ socket: OpenFile) throws(SystemCallError) {
        reader = try ByteReader(socket)
        writer = try ByteWriter(socket)
    }

    func write(_ message: [UInt8]) async throws { try await writer.write(message) }

    /// The next message with its length; nil at the end, and where what comes is none.
    func message() async throws -> [UInt8]? {
        guard let prefix = try await read(4), let length = AgentProtocol.length(prefix),
            let body = try await read(length)
        else { return nil }
        return prefix + body
    }

    private func read(_ count: Int) async throws -> [UInt8]? {
        var bytes: [UInt8] = []
        while bytes.count < count {
            guard let chunk = try await reader.read(limit: count - bytes.count) else { return nil }
            bytes += chunk
        }
        return bytes
    }
}
