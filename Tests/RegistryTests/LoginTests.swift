import Fakes
import Foundation
import HTTP
import LinuxSystem
import Logging
import Registry
import Settings
import SystemPackage
import Testing
import Text

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
        try await withDockerConfiguration(nil) { (path: FilePath) async throws in
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
        try await withDockerConfiguration(nil) { (path: FilePath) async throws in
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
