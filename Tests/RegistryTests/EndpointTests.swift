import HTTP
import Proofs
import Registry
import Settings
import SystemPackage
import Testing

@Suite struct `Hosts of a registry` {
    private func parse(_ text: String) throws -> SlipwayConfiguration {
        try SlipwayConfiguration(parsing: Array(text.utf8), file: "/etc/slipway/slipway.toml")
    }

    @Test func `docker.io is asked at its mirrors first and at its own host last`() throws {
        let configuration = try parse(
            """
            [registry."docker.io"]
            mirrors = ["localhost:5000", "http://harbor.local/proxy/docker"]
            """
        )
        let endpoints = try EndpointResolver(configuration).pullEndpoints(for: "docker.io")
        #expect(endpoints.map(\.authority.host) == ["localhost", "harbor.local", "registry-1.docker.io"])
        #expect(endpoints.map(\.schemes) == [[.https, .http], [.http], [.https]])
        #expect(endpoints.map(\.pathPrefix) == ["", "proxy/docker", ""])
        #expect(endpoints.map(\.isMirror) == [true, true, false])
        #expect(try EndpointResolver(configuration).originEndpoint(for: "docker.io").domain == "docker.io")
    }

    @Test(.proves("image, registry"))
    func `a registry that is trusted may speak plain HTTP and need not prove who it is, and no other may`() throws {
        let plain = EndpointResolver(try parse(""))
        let resolver = plain.trusting("registry.example:5000")
        let trusted = try resolver.originEndpoint(for: "registry.example:5000")
        #expect(trusted.schemes == [.https, .http] && !trusted.trust.verifies)
        for endpoint in [
            try resolver.originEndpoint(for: "registry.example"),
            try plain.originEndpoint(for: "registry.example:5000"),
        ] { #expect(endpoint.schemes == [.https] && endpoint.trust.verifies) }
    }
}
