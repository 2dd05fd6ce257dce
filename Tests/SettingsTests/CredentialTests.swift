import Fakes
import Foundation
import LinuxSystem
import Settings
import Synchronization
import SystemPackage
import Testing
import Text

/// A helper that keeps what it is given in memory and speaks the protocol.
final class MemoryHelper: CredentialHelper {
    let kept = Mutex<[String: String]>([:])

    func run(_ name: String, action: String, input: Secret) -> (succeeded: Bool, output: Secret) {
        switch action {
        case "get":
            guard let entry = kept.withLock({ $0[input.reveal()] }) else {
                return (false, Secret("credentials not found in native keychain\n"))
            }
            return (true, Secret(entry))
        case "store":
            let fields = input.reveal().components(separatedBy: "\"ServerURL\":\"")
            let server = (fields.last ?? "").prefix { $0 != "\"" }.replacing("\\/", with: "/")
            kept.withLock { $0[String(server)] = input.reveal() }
            return (true, Secret(""))
        case "erase":
            return (kept.withLock { $0.removeValue(forKey: input.reveal()) } != nil, Secret("credentials not found"))
        default: return (false, Secret("unknown action"))
        }
    }
}

private func text(_ path: FilePath) throws -> String {
    try String(contentsOf: URL(filePath: path.string), encoding: .utf8)
}

@Suite struct `Stored credentials` {
    private let login = Credential.password(user: "me", password: Secret("pä:ss"))

    @Test func `a login is kept as docker keeps it, for its owner only`() async throws {
        try await withDockerConfiguration(nil) { (path: FilePath) async throws in
            let store = DockerCredentials(path: path)
            #expect(try await store.credential(for: "docker.io") == nil)
            #expect(try await store.store(login, for: "docker.io") == .file(path))
            #expect(try await store.credential(for: "docker.io") == login)
            #expect(try text(path).contains(#""https://index.docker.io/v1/""#))
            let mode = try FileManager.default.attributesOfItem(atPath: path.string)[.posixPermissions] as? Int
            #expect(mode == 0o600)
            #expect(
                try FileManager.default.contentsOfDirectory(atPath: path.removingLastComponent().string) == [
                    "config.json"
                ]
            )
        }
    }

    @Test func `fields that are not ours are kept`() async throws {
        let old =
            #"{"detachKeys":"ctrl-e,e","auths":{"a.io":{"auth":"dTpw","email":"x"}},"HttpHeaders":{"X":"1"},"n":1.5,"big":9007199254740993,"t":[true,null]}"#
        try await withDockerConfiguration(old) { (path: FilePath) async throws in
            let store = DockerCredentials(path: path)
            _ = try await store.store(login, for: "b.io:5000")
            let new = try text(path)
            for piece in [
                #""detachKeys": "ctrl-e,e""#, #""email": "x""#, #""X": "1""#, "1.5", "9007199254740993", "null",
            ] {
                #expect(new.contains(piece), "\(piece) in \(new)")
            }
            #expect(try await store.erase(for: "b.io:5000"))
            #expect(try await store.erase(for: "b.io:5000") == false)
            #expect(try await store.credential(for: "a.io") == .password(user: "u", password: Secret("p")))
        }
    }

    @Test(arguments: [
        ("https://index.docker.io/v1/", "docker.io"), ("docker.io", "docker.io"), ("https://a.io/v1/", "a.io"),
        ("http://a.io:5000", "a.io:5000"),
    ])
    func `old spellings of a registry are understood`(key: String, domain: String) async throws {
        try await withDockerConfiguration(#"{"auths":{"\#(key)":{"username":"u","password":"p"}}}"#) {
            (path: FilePath) async throws in
            #expect(
                try await DockerCredentials(path: path).credential(for: domain)
                    == .password(user: "u", password: Secret("p"))
            )
        }
    }

    @Test func `tokens stand before passwords`() async throws {
        let file =
            #"{"auths":{"a.io":{"auth":"dTpw","identitytoken":"it"},"b.io":{"auth":"dTpw","registrytoken":"rt"}}}"#
        try await withDockerConfiguration(file) { (path: FilePath) async throws in
            let store = DockerCredentials(path: path)
            #expect(try await store.credential(for: "a.io") == .identityToken(Secret("it")))
            #expect(try await store.credential(for: "b.io") == .registryToken(Secret("rt")))
        }
    }

    @Test(arguments: [
        "[]", "{", #"{"auths":[]}"#, #"{"auths":{"a.io":{"auth":"%%%"}}}"#, #"{"auths":{"a.io":1}}"#,
        #"{"credsStore":1}"#,
    ])
    func `a damaged file is named and not written over`(content: String) async throws {
        try await withDockerConfiguration(content) { (path: FilePath) async throws in
            let error = await #expect(throws: SettingsError.self) {
                try await DockerCredentials(path: path).credential(for: "a.io")
            }
            #expect(error.map { "\($0)".contains(path.string) } == true)
            #expect(try text(path) == content)
        }
    }

    @Test func `a helper keeps the login in place of the file`() async throws {
        try await withDockerConfiguration(#"{"credHelpers":{"a.io":"memory"}}"#) { (path: FilePath) async throws in
            let helper = MemoryHelper()
            let store = DockerCredentials(path: path, helper: helper)
            #expect(try await store.credential(for: "a.io") == nil)
            #expect(try await store.store(login, for: "a.io") == .helper("memory"))
            #expect(try await store.credential(for: "a.io") == login)
            #expect(try text(path).contains("auth\"") == false)
            #expect(try await store.store(.identityToken(Secret("t")), for: "a.io") == .helper("memory"))
            #expect(try await store.credential(for: "a.io") == .identityToken(Secret("t")))
            #expect(try await store.erase(for: "a.io"))
            #expect(helper.kept.withLock { $0.isEmpty })
        }
    }

    @Test func `a helper that is not installed is named with what to do`() async throws {
        try await withDockerConfiguration(#"{"credsStore":"no-such-helper"}"#) { (path: FilePath) async throws in
            let error = await #expect(throws: SettingsError.self) {
                try await DockerCredentials(path: path).credential(for: "a.io")
            }
            #expect(error.map { "\($0)".contains("docker-credential-no-such-helper") } == true)
        }
    }

    @Test func `a helper's name cannot be a path`() async throws {
        try await withDockerConfiguration(#"{"credsStore":"../../bin/sh"}"#) { (path: FilePath) async throws in
            await #expect(throws: SettingsError.self) {
                try await DockerCredentials(path: path).credential(for: "a.io")
            }
        }
    }

    @Test(
        arguments: [
            (nil, "docker.io"), ("", "docker.io"), ("https://index.docker.io/v1/", "docker.io"),
            ("localhost:5000", "localhost:5000"),
            ("https://a.io/", "a.io"),
        ] as [(String?, String)]
    )
    func `the server of a login is a registry`(server: String?, domain: String) {
        #expect(DockerCredentials.domain(ofServer: server) == domain)
    }
}
