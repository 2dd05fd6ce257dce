import Foundation
import Testing

/// OpenSSH's server on a loopback port, which takes one key and runs what its user asks for.
final class SSHServer: Sendable {
    let port: Int
    /// The private key that it takes.
    let key: String
    /// Its own key, as a line of `known_hosts`.
    let knownHost: String
    private let process: RunningProcess
    private let scratch: TemporaryDirectory

    private init(port: Int, key: String, knownHost: String, process: RunningProcess, scratch: TemporaryDirectory) {
        self.port = port
        self.key = key
        self.knownHost = knownHost
        self.process = process
        self.scratch = scratch
    }

    deinit { process.end() }

    static func start() async throws -> SSHServer {
        let scratch = try TemporaryDirectory()
        let directory = scratch.path
        let made = try await runProgram(
            "sh",
            [
                "-ec",
                """
                mkdir -p /run/sshd
                ssh-keygen -q -t ed25519 -N '' -f host; ssh-keygen -q -t ed25519 -N '' -f user
                """,
            ],
            in: scratch.url
        )
        try #require(made.status == 0, "\(made.errorText)")
        // A port that somebody takes meanwhile makes the server end: then the next is tried.
        for _ in 0..<5 {
            let port = Int.random(in: 20_000..<32_000)
            try scratch.write(
                """
                Port \(port)
                ListenAddress 127.0.0.1
                HostKey \(directory)/host
                AuthorizedKeysFile \(directory)/user.pub
                PidFile none
                StrictModes no
                UsePAM no
                PasswordAuthentication no
                PermitRootLogin prohibit-password
                """,
                to: "sshd_config"
            )
            let log = directory + "/log"
            let process = try RunningProcess.behind(
                ["/usr/sbin/sshd", "-D", "-e", "-f", directory + "/sshd_config"],
                output: log
            )
            for _ in 0..<600 {
                let text = (try? String(contentsOfFile: log, encoding: .utf8)) ?? ""
                if text.contains("Server listening on") {
                    let line = try String(contentsOfFile: directory + "/host.pub", encoding: .utf8)
                    return SSHServer(
                        port: port,
                        key: directory + "/user",
                        knownHost: "[127.0.0.1]:\(port) " + line,
                        process: process,
                        scratch: scratch
                    )
                }
                if text.contains("Cannot bind") || text.contains("error:") { break }
                try await Task.sleep(for: .milliseconds(50))
            }
            process.end()
        }
        throw RegistryServer.NotReady()
    }
}
