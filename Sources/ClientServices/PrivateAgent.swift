internal import LinuxSystem
package import SystemPackage
internal import Tasks
internal import Text

/// Lends the agents that a client names to `body`, each by its id.
///
/// For files of keys a `ssh-agent` of the build's own runs as long as `body` does: it reads the keys, nobody else.
/// - Parameters:
///   - sources: where the keys come from, by id.
///   - scratch: makes an empty directory of this process.
///   - body: runs while the agents do.
/// - Returns: what `body` returns.
/// - Throws: `ClientServiceError`, and what `body` throws.
package func withAgents<Value>(
    _ sources: [(id: [UInt8], source: AgentSource)],
    scratch: @escaping @Sendable () throws -> FilePath,
    _ body: ([[UInt8]: AgentSocket]) async throws -> Value
) async throws -> Value {
    var agents: [[UInt8]: AgentSocket] = [:]
    var started: [PrivateAgent] = []
    return try await withCleanUp {
        for (id, source) in sources {
            switch source {
            case .socket(let path): agents[id] = try await onBlockingPool { try AgentSocket(path) }
            case .keys(let paths):
                let agent = try await PrivateAgent.start(in: try await onBlockingPool { try scratch() })
                started.append(agent)
                for path in paths { try await agent.add(path) }
                agents[id] = agent.socket
            }
        }
        return try await body(agents)
    } finally: {
        for agent in started { try await agent.stop() }
    }
}

/// A `ssh-agent` that only this process knows of; it dies with this process, however that ends.
private struct PrivateAgent {
    private let directory: FilePath
    private let process: ChildProcess
    let socket: AgentSocket

    static func start(in directory: FilePath) async throws -> PrivateAgent {
        var configuration = ChildProcessConfiguration(.named("ssh-agent"), ["-D", "-a", "./socket"])
        configuration.environment = ["PATH=/usr/bin:/bin"]
        configuration.workingDirectory = directory
        configuration.files = [1: .pipeFromChild, 2: .pipeFromChild]
        let process = try await started(configuration)
        do {
            // It writes the socket's name once it listens.
            guard try await process.reader(1)?.read() != nil else {
                let reason = try await process.reader(2)?.readToEnd(limit: 4096) ?? []
                throw ClientServiceError.agentDidNotStart(reason: escapedForDisplay(trimmed(reason)))
            }
            let socket = try await onBlockingPool { try AgentSocket(directory.appending("socket")) }
            return PrivateAgent(directory: directory, process: process, socket: socket)
        } catch {
            try await process.terminate()
            throw error
        }
    }

    func add(_ key: FilePath) async throws {
        let file = try await onBlockingPool { try Self.read(key) }
        guard let block = PrivateKeyFile.block(in: file) else {
            throw ClientServiceError.keyRefused(key, reason: "ssh: no key found")
        }
        if let message = PrivateKeyFile.ed25519Message(block) {
            // SSH_AGENT_SUCCESS
            guard try await socket.answer(to: message)?.dropFirst(4).elementsEqual([6]) == true else {
                throw ClientServiceError.keyRefused(key, reason: "the agent refused it")
            }
            return
        }
        var configuration = ChildProcessConfiguration(.named("ssh-add"), ["-q", "-"])
        // Relative, because the name of a socket is short; without a terminal or display nothing asks for a passphrase.
        configuration.environment = ["PATH=/usr/bin:/bin", "SSH_AUTH_SOCK=./socket"]
        configuration.workingDirectory = directory
        configuration.grouping = .ownSession
        let ended: ChildProcessOutput
        do {
            ended = try await ChildProcess.run(configuration, input: block.text, outputLimit: 4096)
        } catch let error as ProgramNotFound {
            throw ClientServiceError.agentProgramMissing(error.name)
        }
        guard ended.status.shellCode == 0 else {
            throw ClientServiceError.keyRefused(key, reason: escapedForDisplay(trimmed(ended.errors)))
        }
    }

    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    private static func read(_ key: FilePath) throws -> [UInt8] {
        do throws(SystemCallError) {
            return try OpenFile.open(key, .readOnly).readToEnd(limit: PrivateKeyFile.sizeLimit)
        } catch {
            throw ClientServiceError.keyRefused(key, reason: SystemCallError.text(of: error.errno))
        }
    }

    func stop() async throws {
        try await process.terminate()
        try await onBlockingPool { [directory] in try removeTree(directory) }
    }

    private static func started(_ configuration: ChildProcessConfiguration) async throws -> ChildProcess {
        do {
            return try await ChildProcess.start(configuration)
        } catch let error as ProgramNotFound {
            throw ClientServiceError.agentProgramMissing(error.name)
        }
    }
}

/// Without the line feed at the end, and with spaces for those inside.
private func trimmed(_ bytes: [UInt8]) -> [UInt8] {
    Array(bytes.split(whereSeparator: { $0 == 0x0a || $0 == 0x0d }).joined(separator: [0x20]))
}
