import HTTP
import OCI
import Proofs
import Registry
import Testing

@Suite struct `Challenges` {
    @Test func `a bearer challenge has its realm, service and scope`() {
        let found = Challenge.parse([
            #"Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:library/python:pull,push""#
        ])
        #expect(
            found == [
                Challenge(
                    scheme: "bearer",
                    parameters: [
                        "realm": "https://auth.docker.io/token", "service": "registry.docker.io",
                        "scope": "repository:library/python:pull,push",
                    ]
                )
            ]
        )
    }

    @Test(arguments: [
        (#"Basic realm="a", Bearer realm="b",service=c"#, ["basic", "bearer"]),
        (#"Negotiate, Basic realm="x\"y""#, ["negotiate", "basic"]),
        (#"BASIC"#, ["basic"]),
        (#"Bearer realm="unterminated"#, ["bearer"]),
        (#",, ,"#, []),
        (#"="#, []),
    ])
    func `several challenges share a header`(header: String, schemes: [String]) {
        #expect(Challenge.parse([header]).map(\.scheme) == schemes)
    }
}

@Suite struct `Where credentials go` {
    @Test(
        .proves("A18: a token service on another port of the registry's host"),
        arguments: [
            ("https://registry-1.docker.io/v2/", "https://auth.docker.io/token", true),
            ("https://ghcr.io/v2/", "https://ghcr.io/token", true),
            ("https://registry.gitlab.com/v2/", "https://gitlab.com/jwt/auth", true),
            ("https://registry.example.co.uk/v2/", "https://auth.example.co.uk/t", true),
            ("https://registry.example.co.uk/v2/", "https://evil.co.uk/t", false),
            ("https://a.github.io/v2/", "https://b.github.io/t", false),
            ("https://registry.example.com/v2/", "https://evil.com/t", false),
            ("https://registry.example.com/v2/", "https://example.com.evil.com/t", false),
            ("https://registry.example.com/v2/", "http://registry.example.com/t", false),
            ("https://registry.example.com/v2/", "https://registry.example.com:8443/t", true),
            ("https://registry.example.com/v2/", "https://127.0.0.1/t", false),
            ("https://registry.example.com/v2/", "https://0x7f.1/t", false),
            ("https://registry.example.com/v2/", "https://[::ffff:169.254.169.254]/t", false),
            ("https://registry.example.com/v2/", "https://localhost/t", false),
            ("http://127.0.0.1:5000/v2/", "http://127.0.0.1:5001/t", true),
            ("http://127.0.0.1:5000/v2/", "http://evil.com/t", false),
            ("https://registry.example.com/v2/", "https://auth.allowed.org/t", true),
        ]
    )
    func `a realm gets them by scheme and owner`(registry: String, realm: String, allowed: Bool) throws {
        let policy = RealmPolicy(registry: try HTTPURL(parsing: registry), allowedHosts: ["auth.allowed.org"])
        #expect((policy.refusalOfCredentials(to: try HTTPURL(parsing: realm)) == nil) == allowed)
    }
}
