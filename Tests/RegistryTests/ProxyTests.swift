import Fakes
import HTTP
import Logging
import OCI
import Registry
import Settings
import Testing

@Suite struct `A proxy on the way to a registry` {
    @Test func `a proxy is asked for a connection, with its credential`() async throws {
        let server = try await FaultServer.start { _ in .text(403) }
        var configuration = RegistryClient.Configuration(
            endpoints: EndpointResolver(SlipwayConfiguration()),
            credentials: GivenCredentials([:])
        )
        configuration.timekeeper = PatientClock().timekeeper
        configuration.proxies = ProxySettings(
            environment: ["HTTPS_PROXY": "http://me:p%40ss@localhost:\(server.port)"]
        )
        let logger = Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() })
        let client = RegistryClient(configuration, logger: logger)
        await #expect(throws: RegistryError.self) {
            _ = try await client.manifest(reference("registry.test/team/app:1"))
        }
        let seen = try #require(server.requests.first)
        #expect(seen.method == "CONNECT" && seen.target == "registry.test:443")
        // me:p@ss
        #expect(seen.header("Proxy-Authorization") == "Basic bWU6cEBzcw==")
    }
}
