import HTTP
import Settings
import SystemPackage
import Testing

@Suite struct `slipway.toml` {
    private func parse(_ text: String) throws -> SlipwayConfiguration {
        try SlipwayConfiguration(parsing: Array(text.utf8), file: "/etc/slipway/slipway.toml")
    }

    @Test func `registries have mirrors, schemes, authorities and client certificates`() throws {
        let configuration = try parse(
            """
            [registry."docker.io"]
              mirrors = ["localhost:5000", "http://harbor.local/proxy/docker"]
            [registry."localhost:5000"]
              http = true
            [registry."secure.local"]
              insecure = false
              ca = ["ca.pem", "/etc/ca2.pem"]
              auth_hosts = ["Auth.example.org"]
              [[registry."secure.local".keypair]]
                key = "key.pem"
                cert = "cert.pem"
            """
        )
        #expect(
            configuration.registries["docker.io"]?.mirrors == ["localhost:5000", "http://harbor.local/proxy/docker"]
        )
        #expect(configuration.registries["localhost:5000"]?.http == true)
        let secure = try #require(configuration.registries["secure.local"])
        #expect(secure.authorities == ["/etc/slipway/ca.pem", "/etc/ca2.pem"])
        #expect(secure.keyPairs == [.init(certificate: "/etc/slipway/cert.pem", key: "/etc/slipway/key.pem")])
        #expect(secure.authHosts == ["auth.example.org"])
    }

    @Test(arguments: [
        (
            "[registry.\"a.io\"]\nhttp = \"yes\"",
            "/etc/slipway/slipway.toml: registry.\"a.io\".http: expected true or false"
        ),
        ("[registry.\"a.io\"]\nmirror = []", "registry.\"a.io\".mirror: unknown key"),
        ("[registry.\"a.io\"]\nmirrors = [1]", "registry.\"a.io\".mirrors: expected an array of strings"),
        (
            "[registry.\"a.io\"]\nmirrors = [\"http://u@h/\"]",
            "registry.\"a.io\".mirrors: \"http://u@h/\" is not host[:port][/path]"
        ),
        ("[registry.\"a b\"]\nhttp = true", "registry.\"a b\": expected a host with an optional port"),
        ("[[registry.\"a.io\".keypair]]\nkey = \"k\"", "registry.\"a.io\".keypair[0]: both key and cert are needed"),
        ("[grpc]\nx = 1", "grpc.x: unknown key"),
        ("[registry\n", "/etc/slipway/slipway.toml: line 1"),
        ("[", "/etc/slipway/slipway.toml: line 1, column 2: expected the name of a table"),
        ("[dns]\noptions = [}", "/etc/slipway/slipway.toml: line 2, column 12: expected a value"),
        ("\"\\u001b\" = 1", "slipway.toml: \"\\x1b\": unknown key"),
    ])
    func `a mistake is reported with its file and key`(text: String, message: String) {
        let error = #expect(throws: SettingsError.self) { try parse(text) }
        #expect(error.map { "\($0)".contains(message) } == true, "\(error.map { "\($0)" } ?? "")")
    }
}
