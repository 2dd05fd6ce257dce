internal import LinuxSystem
package import SystemPackage
internal import Tasks
package import Text

/// What a client offers to the steps of its build, by the ids that `RUN --mount` asks for.
package struct ClientServices: Sendable {
    package var secrets: [[UInt8]: SecretSource]
    package var agents: [[UInt8]: AgentSocket]
    /// Is asked for what is not among these.
    package private(set) var remote: (any RemoteClient)?
    private var tunnels: AgentTunnels?

    package init(secrets: [[UInt8]: SecretSource] = [:], agents: [[UInt8]: AgentSocket] = [:]) {
        self.secrets = secrets
        self.agents = agents
    }

    /// Lends the same with a client behind it that answers for all other ids.
    /// - Parameters:
    ///   - remote: the client; nil for none.
    ///   - scratch: makes an empty directory that only this process may enter.
    ///   - body: runs while the client is asked.
    /// - Returns: what `body` returns.
    /// - Throws: what `body` throws.
    package func asking<Value>(
        _ remote: (any RemoteClient)?,
        scratch: @escaping @Sendable () throws -> FilePath,
        _ body: (ClientServices) async throws -> Value
    ) async throws -> Value {
        guard let remote else { return try await body(self) }
        let tunnels = AgentTunnels(to: remote, scratch: scratch)
        var services = self
        services.remote = remote
        services.tunnels = tunnels
        return try await withCleanUp {
            async let _ = tunnels.serve()
            // Leaving this scope cancels what the tunnels do and waits for it, however `body` ends.
            return try await body(services)
        } finally: {
            try await tunnels.removeSockets()
        }
    }

    /// The secret of an id; nil where none is offered and `isOptional` says that this is no error.
    ///
    /// A file is read each time: what a step gets is what the file holds when the step starts.
    /// - Throws: `ClientServiceError`.
    package func secret(_ id: [UInt8], isOptional: Bool) async throws -> Secret? {
        guard let source = secrets[id] else {
            if let secret = try await remote?.secret(id) { return secret }
            if isOptional { return nil }
            throw ClientServiceError.secretNotFound(id)
        }
        switch source {
        case .value(let value): return value
        case .file(let path):
            return try await onBlockingPool {
                let bytes: [UInt8]
                do throws(SystemCallError) {
                    bytes = try OpenFile.open(path, .readOnly).readToEnd(limit: SecretSource.sizeLimit + 1)
                } catch {
                    throw ClientServiceError.secretUnreadable(id, error)
                }
                guard bytes.count <= SecretSource.sizeLimit else { throw ClientServiceError.secretTooLarge(id) }
                return Secret(bytes)
            }
        }
    }

    /// A secret as it goes into a header of HTTP, without the line break that files end with; nil where none is offered.
    /// - Throws: `ClientServiceError`.
    package func headerSecret(_ id: [UInt8]) async throws -> Secret? {
        guard let secret = try await secret(id, isOptional: true) else { return nil }
        let isSpace: (UInt8) -> Bool = { $0 == 0x20 || (0x09...0x0d).contains($0) }
        let value = secret.revealBytes().drop(while: isSpace)
        let end = value.lastIndex { !isSpace($0) }.map { $0 + 1 } ?? value.startIndex
        let text = Array(value[..<end])
        guard !text.isEmpty, text.allSatisfy({ $0 >= 0x20 && $0 != 0x7f }) else {
            throw ClientServiceError.secretIsNoHeader(id)
        }
        return Secret(text)
    }

    /// The agent of an id; nil where none is offered and `isOptional` says that this is no error.
    /// - Throws: `ClientServiceError`, and what goes wrong with the connection to a client.
    package func agent(_ id: [UInt8], isOptional: Bool) async throws -> AgentSocket? {
        if let agent = agents[id] { return agent }
        do {
            if let tunnels { return try await tunnels.socket(for: id) }
            throw agents.isEmpty ? ClientServiceError.noAgentForwarded(id) : .agentNotFound(id)
        } catch let error as ClientServiceError {
            if isOptional { return nil }
            throw error
        }
    }
}

/// Where the bytes of a secret come from: `--secret`.
package enum SecretSource: Sendable, Hashable {
    case file(FilePath)
    case value(Secret)

    /// BuildKit's limit: a secret travels in one message.
    package static let sizeLimit = 500 << 10
}

/// Where an agent's keys come from: `--ssh`.
package enum AgentSource: Sendable, Hashable {
    /// The socket of a running agent.
    case socket(FilePath)
    /// Files of private keys, which an agent of the build's own holds while the build lasts.
    case keys([FilePath])
}
