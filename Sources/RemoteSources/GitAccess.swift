internal import ClientServices
internal import FoundationEssentials
internal import LLB
internal import LinuxSystem
internal import Storage
internal import SystemPackage
internal import Tasks
internal import Text

/// What proves the user to a repository's server, for one call of git: neither on its command line, which everybody
/// can see, nor in its environment.
struct GitAccess: Sendable {
    /// A header for an address and everything below it.
    var header: (address: [UInt8], value: [UInt8])?
    /// For ssh.
    var variables: [String: [UInt8]] = [:]
}

extension GitRepositories {
    /// Lends what a source's transport needs: a header made of a secret or of the address, or the agent and the known hosts.
    func withAccess<Value>(to source: GitSource, _ body: (GitAccess) async throws -> Value) async throws -> Value {
        switch source.remote.transport {
        case .git: return try await body(GitAccess())
        case .http, .https: return try await body(GitAccess(header: try await header(source)))
        case .ssh: break
        }
        var agent: AgentSocket?
        if let id = source.agent { agent = try await client.agent(id, isOptional: false) }
        // Its path is good for as long as it lives.
        defer { withExtendedLifetime(agent) {} }
        var access = GitAccess()
        if let agent { access.variables["SSH_AUTH_SOCK"] = agent.pathForChildren.bytes }
        guard let lines = source.knownHosts else {
            access.variables["GIT_SSH_COMMAND"] = Array(Self.sshCommand(knownHosts: nil).utf8)
            return try await body(access)
        }
        let scratch = try await onBlockingPool { [store] in try store.temporaryDirectory() }
        let file = scratch.appending("known_hosts")
        access.variables["GIT_SSH_COMMAND"] = Array(Self.sshCommand(knownHosts: file).utf8)
        return try await withCleanUp {
            try await onBlockingPool { try OpenFile.open(file, [.writeOnly, .createNew], mode: 0o600).write(lines) }
            return try await body(access)
        } finally: {
            try await onBlockingPool { try removeTree(scratch) }
        }
    }

    /// Uses the keys of the agent alone.
    ///
    /// A host whose key the user knows must have that key; as with BuildKit, others are believed,
    /// but they are not remembered: a build changes nothing of its user's.
    private static func sshCommand(knownHosts: FilePath?) -> String {
        let common = "ssh -F /dev/null -o BatchMode=yes -o IdentityFile=none"
        guard let knownHosts else {
            return common + " -o StrictHostKeyChecking=accept-new -o 'UserKnownHostsFile=/dev/null ~/.ssh/known_hosts'"
        }
        let quoted = knownHosts.string.replacing("'", with: "'\\''")
        return common + " -o StrictHostKeyChecking=yes -o 'UserKnownHostsFile=\"\(quoted)\"'"
    }

    // MARK: HTTP

    /// A secret for the host goes before one for all hosts, a header before a token, and any of them before the address.
    private func header(_ source: GitSource) async throws -> (address: [UInt8], value: [UInt8])? {
        let host = "." + source.remote.host
        let names: [(id: [UInt8]?, isToken: Bool)] = [
            (source.authorizationSecret.map { $0 + host }, false), (source.tokenSecret.map { $0 + host }, true),
            (source.authorizationSecret, false), (source.tokenSecret, true),
        ]
        for case (let id?, let isToken) in names {
            guard let value = try await client.headerSecret(id) else { continue }
            let authorization =
                isToken ? Self.basic("x-access-token:" + value.revealBytes()) : value.revealBytes()
            return (Self.scope(of: source.remote), "Authorization: " + authorization)
        }
        guard let user = source.remote.userInformation else { return nil }
        let pair = user.contains(":") ? user : user + ":"
        let server: [UInt8] = "\(source.remote.transport.rawValue)://" + source.remote.host + "/"
        return (server, "Authorization: " + Self.basic(percentDecoded(pair)))
    }

    private static func basic(_ pair: [UInt8]) -> [UInt8] {
        "Basic \(Data(pair).base64EncodedString())"
    }

    /// What a secret is sent to: the repository alone or, as GitHub's own tools have it, all of GitHub.
    private static func scope(of remote: GitRemote) -> [UInt8] {
        let address = remote.publicAddress
        for prefix in ["https://github.com/", "https://www.github.com/"] where address.starts(with: prefix.utf8) {
            return Array(prefix.utf8)
        }
        return address
    }
}
