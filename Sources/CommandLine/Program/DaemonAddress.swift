internal import LinuxSystem
internal import Manual
package import RPC
internal import SystemPackage
internal import Terminal
internal import Text

/// The daemon that commands are sent to.
extension SlipwayEnvironment {
    /// What names it: `--host`, then `SLIPWAY_HOST`; nil where this process does the work.
    private var daemonName: [UInt8]? {
        guard let host = global.host else { return variable(.host) }
        return host.isEmpty ? nil : host
    }

    /// Where a daemon of this user listens unless it is told otherwise.
    var usualDaemonAddress: [UInt8] { "unix://" + privileges.runtime.path.appending("slipway.sock").bytes }

    /// Whether a command is sent to a daemon.
    func isAtDaemon(_ command: any RunnableCommand<SlipwayEnvironment>) -> Bool {
        daemonName != nil && type(of: command).about.place == .daemonToo
    }

    /// Refuses a command that a daemon is named for and that works on this machine's store alone.
    func requirePlace(of command: any RunnableCommand<SlipwayEnvironment>) throws(CommandError) {
        guard daemonName != nil, type(of: command).about.place == .thisMachine else { return }
        let tree = CommandTree(SlipwayCommands.all)
        let name = tree.spellings(of: type(of: command)).min { $0.count < $1.count } ?? "this command"
        throw .notAtDaemon(command: name, others: ["build", "builder du", "builder prune", "info"])
    }

    /// Where the daemon is; nil where this process does the work.
    /// - Throws: `CommandError` for a malformed address.
    package func daemonAddress() throws -> RPCAddress? {
        guard let name = daemonName else { return nil }
        let text = String(decoding: name, as: UTF8.self)
        if text.hasPrefix("unix://") {
            let path = FilePath(bytes: Array(name.dropFirst("unix://".utf8.count)))
            guard !path.isEmpty else { throw CommandError.invalidHost(name) }
            return .unix(workingDirectory.pushing(path))
        }
        guard text.hasPrefix("tcp://"), let colon = text.lastIndex(of: ":"),
            let port = UInt16(text[text.index(after: colon)...]), port > 0
        else { throw CommandError.invalidHost(name) }
        let host = String(text["tcp://".endIndex..<colon].filter { $0 != "[" && $0 != "]" })
        guard !host.isEmpty else { throw CommandError.invalidHost(name) }
        return .tcp(host: host, port: Int(port), tls: try clientIdentity())
    }

    /// How the daemon is called over TLS: as the flags say, else as the directory of `SLIPWAY_CERT_PATH` does.
    private func clientIdentity() throws(CommandError) -> ClientIdentity? {
        guard global.authority == nil, global.certificate == nil, global.key == nil else {
            guard (global.certificate == nil) == (global.key == nil) else { throw .halfAnIdentity }
            return ClientIdentity(
                authority: global.authority.map { path($0) },
                certificate: global.certificate.map { path($0) },
                key: global.key.map { path($0) }
            )
        }
        guard let directory = variable(.certificateDirectory).map({ path($0) }) else { return nil }
        return ClientIdentity(
            authority: directory.appending("ca.pem"),
            certificate: directory.appending("cert.pem"),
            key: directory.appending("key.pem")
        )
    }
}
