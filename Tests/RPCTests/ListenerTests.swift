import Fakes
import Foundation
import LinuxSystem
import NIOCore
import NIOSSL
import RPC
import RPCFakes
import SystemPackage
import Testing

@Suite struct `A listener` {
    private func status(_ path: FilePath) throws -> mode_t {
        let attributes = try FileManager.default.attributesOfItem(atPath: path.string)
        return mode_t(try #require(attributes[.posixPermissions] as? NSNumber).uint32Value)
    }

    @Test func `makes its socket with the permissions asked for, and removes it at the end`() async throws {
        try await withTemporaryDirectory { directory in
            let path = directory.appending("below/it/s")
            try await withServer(at: [.unix(path, group: nil, mode: 0o620)]) { _ in
                let mode = try status(path)
                #expect(mode == 0o620)
            }
            #expect(!FileManager.default.fileExists(atPath: path.string))
        }
    }

    @Test func `takes the place of a socket that a server left behind`() async throws {
        try await withTemporaryDirectory { directory in
            let path = directory.appending("s")
            let left = try await onBlockingPool { try bindLocalSocket(path, mode: 0o600, group: nil) }
            close(left)
            try await withServer([TestService()], at: [.unix(path, group: nil, mode: 0o600)]) { addresses in
                try await withConnection(to: addresses[0]) { try await $0.expectEcho("new") }
            }
        }
    }

    @Test func `does not take the place of a server that lives, or of what is no socket`() async throws {
        try await withTemporaryDirectory { directory in
            let (path, file) = (directory.appending("s"), directory.appending("f"))
            try Data("text".utf8).write(to: URL(filePath: file.string))
            try await withServer([TestService()], at: [.unix(path, group: nil, mode: 0o600)]) { addresses in
                for (taken, reason) in [(path, "another process listens there"), (file, "is not a socket")] {
                    let error = await #expect(throws: ListenerError.self) {
                        try await withServer(at: [.unix(taken, group: nil, mode: 0o600)]) { _ in }
                    }
                    #expect("\(try #require(error))".contains(reason))
                }
                try await withConnection(to: addresses[0]) { try await $0.expectEcho("old") }
            }
            #expect(try Data(contentsOf: URL(filePath: file.string)) == Data("text".utf8))
        }
    }

    @Test(arguments: ["0.0.0.0", "::"]) func `beyond the machine itself needs TLS`(host: String) async throws {
        let error = await #expect(throws: ListenerError.self) {
            try await withServer(at: [.tcp(host: host, port: 0, tls: nil)]) { _ in }
        }
        #expect("\(try #require(error))".contains("without TLS"))
        try await withServer([TestService()], at: [.tcp(host: "127.0.0.1", port: 0, tls: nil)]) { addresses in
            try await withConnection(to: addresses[0]) { try await $0.expectEcho("near") }
        }
    }

    // MARK: TLS

    /// Certificates of two authorities, each with one for a server and a client.
    private func withCertificates(_ body: (_ ours: FilePath, _ others: FilePath) async throws -> Void) async throws {
        try await withTemporaryDirectory { directory in
            for name in ["ours", "others"] {
                let process = Process()
                process.executableURL = URL(filePath: "/bin/sh")
                process.arguments = ["-euc", Self.script, "sh", directory.appending(name).string]
                process.standardError = FileHandle.nullDevice
                try process.run()
                process.waitUntilExit()
                try #require(process.terminationStatus == 0)
            }
            try await body(directory.appending("ours"), directory.appending("others"))
        }
    }

    private static let script = """
        mkdir "$1" && cd "$1"
        new='openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes'
        $new -x509 -subj /CN=authority -keyout authority.key -out authority.pem -days 2
        for name in server client; do
            $new -subj "/CN=$name" -keyout "$name.key" -out "$name.csr"
            echo "subjectAltName=IP:127.0.0.1" > extensions
            openssl x509 -req -in "$name.csr" -CA authority.pem -CAkey authority.key -CAcreateserial -days 2 \\
                -extfile extensions -out "$name.pem"
        done
        """

    private func client(_ authority: FilePath, certificate: FilePath?) throws -> TLSConfiguration {
        var settings = TLSConfiguration.makeClientConfiguration()
        settings.trustRoots = .file(authority.appending("authority.pem").string)
        settings.applicationProtocols = ["h2"]
        if let certificate {
            settings.certificateChain = try NIOSSLCertificate.fromPEMFile(certificate.appending("client.pem").string)
                .map { .certificate($0) }
            let key = try NIOSSLPrivateKey(file: certificate.appending("client.key").string, format: .pem)
            settings.privateKey = .privateKey(key)
        }
        return settings
    }

    @Test func `with an authority takes only clients that it has signed`() async throws {
        try await withCertificates { ours, others in
            let identity = ServerIdentity(
                certificate: ours.appending("server.pem"),
                key: ours.appending("server.key"),
                clientAuthority: ours.appending("authority.pem")
            )
            let listener = RPCListener.tcp(host: "127.0.0.1", port: 0, tls: identity)
            try await withServer([TestService()], at: [listener]) { addresses in
                let known = try client(ours, certificate: ours)
                try await withConnection(to: addresses[0], tls: known) { try await $0.expectEcho("tls") }
                for stranger in [nil, others] {
                    let settings = try client(ours, certificate: stranger)
                    let failed = try await failure {
                        try await withConnection(to: addresses[0], tls: settings) { _ = try await $0.echo("no") }
                    }
                    #expect(failed?.code == .unavailable)
                }
                // Without TLS there is no answer at all.
                let failed = try await failure {
                    try await withConnection(to: addresses[0]) { _ = try await $0.echo("no") }
                }
                #expect(failed?.code == .unavailable)
            }
        }
    }

    @Test func `with a certificate that cannot be read says so`() async throws {
        let identity = ServerIdentity(
            certificate: "/nonexistent/c.pem",
            key: "/nonexistent/k.pem",
            clientAuthority: nil
        )
        let error = await #expect(throws: ListenerError.self) {
            try await withServer(at: [.tcp(host: "127.0.0.1", port: 0, tls: identity)]) { _ in }
        }
        #expect("\(try #require(error))".hasPrefix("cannot listen with TLS"))
    }
}
