import CommandLine
import LinuxSystem
import RPC
import SystemPackage
import Terminal
import Testing
import Text

/// What `--host` and its companions mean.
@Suite struct `The address of a daemon` {
    private func address(
        _ variables: [String: String] = [:],
        _ change: (inout GlobalOptions) -> Void = { _ in }
    ) throws -> RPCAddress? {
        var global = GlobalOptions()
        change(&global)
        let environment = SlipwayEnvironment(
            global: global,
            variables: Dictionary(
                uniqueKeysWithValues: variables.map { (Array($0.key.utf8), Array($0.value.utf8)) }
            ),
            workingDirectory: "/here",
            output: TextOutput(.output),
            errorOutput: TextOutput(.error),
            clock: { FileTime(seconds: 0) }
        )
        return try environment.daemonAddress()
    }

    @Test func `is that of the flag, else of the variable`() throws {
        #expect(try address() == nil)
        #expect(try address(["SLIPWAY_HOST": "unix:///run/a"]) == .unix("/run/a"))
        #expect(try address(["SLIPWAY_HOST": "unix:///run/a"]) { $0.host = "unix://b" } == .unix("/here/b"))
        #expect(try address(["SLIPWAY_HOST": "unix:///run/a"]) { $0.host = [] } == nil)
    }

    @Test func `of TCP has a host and a port, and the certificates that are given`() throws {
        #expect(try address { $0.host = "tcp://[::1]:9" } == .tcp(host: "::1", port: 9, tls: nil))
        let directory = try address(["SLIPWAY_CERT_PATH": "keys"]) { $0.host = "tcp://a.example:1234" }
        let identity = ClientIdentity(
            authority: "/here/keys/ca.pem",
            certificate: "/here/keys/cert.pem",
            key: "/here/keys/key.pem"
        )
        #expect(directory == .tcp(host: "a.example", port: 1234, tls: identity))
        let flags = try address(["SLIPWAY_CERT_PATH": "keys"]) {
            $0.host = "tcp://a.example:1234"
            $0.authority = "/ca"
        }
        #expect(flags == .tcp(host: "a.example", port: 1234, tls: ClientIdentity(authority: "/ca")))
    }

    @Test(arguments: [
        "a", "unix://", "tcp://a", "tcp://a:0", "tcp://:1", "tcp://a:x", "ssh://a", "docker-container://a",
    ])
    func `of any other form is refused`(_ text: String) {
        #expect(throws: CommandError.invalidHost(Array(text.utf8))) { try address { $0.host = Array(text.utf8) } }
    }

    @Test func `with half a certificate is refused`() {
        #expect(throws: CommandError.halfAnIdentity) {
            try address {
                $0.host = "tcp://a:1"
                $0.certificate = "/c"
            }
        }
    }
}
