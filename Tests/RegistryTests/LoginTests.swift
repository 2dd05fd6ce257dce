import Foundation
import LinuxSystem
import Logging
import Registry
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

private func withConfiguration(_ text: String?, _ body: (FilePath) async throws -> Void) async throws {
    let directory = FileManager.default.temporaryDirectory.appending(path: "slipway-credentials-\(UUID().uuidString)")
    defer { try? FileManager.default.removeItem(at: directory) }
    let path = directory.appending(path: "config.json")
    if let text {
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        try Data(text.utf8).write(to: path)
    }
    try await body(FilePath(path.path))
}

private func text(_ path: FilePath) throws -> String {
    try String(contentsOf: URL(filePath: path.string), encoding: .utf8)
}

@Suite struct `Logging in` {
    private func login(_ server: FaultServer, _ path: FilePath) -> RegistryLogin {
        let host = server.host
        return RegistryLogin(credentials: DockerCredentials(path: path)) { source in
            var tables = SlipwayConfiguration()
            tables.registries[host, default: .init()].http = true
            var configuration = RegistryClient.Configuration(endpoints: EndpointResolver(tables), credentials: source)
            configuration.timekeeper = PatientClock().timekeeper
            return RegistryClient(configuration, logger: .init(label: "test"))
        }
    }

    @Test func `a password that is right is kept, a wrong one is not`() async throws {
        let server = try await FaultServer.start { request in
            request.header("Authorization") == "Basic dTpw"
                ? .text(200)
                : .error(401, "UNAUTHORIZED", "authentication required", [("WWW-Authenticate", "Basic realm=r")])
        }
        try await withConfiguration(nil) { (path: FilePath) async throws in
            let error = await #expect(throws: RegistryError.self) {
                try await login(server, path).logIn(to: server.host, user: "u", password: Secret("wrong"))
            }
            #expect(
                error.map { "\($0)" }?.hasPrefix("unauthorized: incorrect username or password for user \"u\"") == true
            )
            #expect(FileManager.default.fileExists(atPath: path.string) == false)
            #expect(
                try await login(server, path).logIn(to: server.host, user: "u", password: Secret("p")) == .file(path)
            )
            #expect(try await login(server, path).logInWithStored(to: server.host)?.user == "u")
            #expect(try await login(server, path).logOut(of: server.host))
            #expect(try await login(server, path).logInWithStored(to: server.host) == nil)
        }
    }

    @Test func `an identity token is kept in place of the password`() async throws {
        let server = try await FaultServer.start { request in
            if request.path == "/token" {
                return request.target.contains("offline_token=true") && request.header("Authorization") == "Basic dTpw"
                    ? .text(200, #"{"token":"t","refresh_token":"refresh"}"#) : .text(401)
            }
            let realm = "http://\(request.header("Host") ?? "")/token"
            return .text(401, "", [("WWW-Authenticate", #"Bearer realm="\#(realm)",service="s""#)])
        }
        try await withConfiguration(nil) { (path: FilePath) async throws in
            _ = try await login(server, path).logIn(to: server.host, user: "u", password: Secret("p"))
            #expect(
                try await DockerCredentials(path: path).credential(for: server.host)
                    == .identityToken(Secret("refresh"))
            )
            await #expect(throws: RegistryError.self) {
                try await login(server, path).logIn(to: server.host, user: "u", password: Secret("wrong"))
            }
        }
    }
}
