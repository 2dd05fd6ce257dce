import OCI
import Registry
import SystemPackage
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

@Suite struct `URLs` {
    @Test(arguments: [
        ("https://Example.com/v2/?a=b#c", "https://example.com/v2/?a=b"),
        ("http://localhost:5000", "http://localhost:5000/"),
        ("https://[::1]:8443/x", "https://[::1]:8443/x"),
        ("https://host:443/x", "https://host/x"),
        // RFC 3986, section 3.2.3: an empty port is the scheme's.
        ("https://host:/", "https://host/"),
    ])
    func `an address is read and written in one way`(text: String, canonical: String) throws {
        #expect(try HTTPURL(parsing: text).description == canonical)
    }

    @Test(arguments: [
        "ftp://host/", "https://user:password@host/", "https://host\\@evil/", "https:///x", "https://ho st/",
        "https://host\r\nX: y/",
        "https://höst/", "https://169.254.169.254\u{301}/", "https://host:99999/", "https://..",
        "//host/", "/x", "",
        "https://h%6fst/",
    ])
    func `an address that could be read in two ways is refused`(text: String) {
        #expect(throws: RegistryError.self) { try HTTPURL(parsing: text) }
    }

    @Test(arguments: [
        ("/v2/x/blobs/uploads/1?_state=a", "https://r.io/v2/x/blobs/uploads/1?_state=a"),
        ("https://cdn.io/b", "https://cdn.io/b"),
        ("//cdn.io/b", "https://cdn.io/b"),
        ("?page=2", "https://r.io/v2/x/tags?page=2"),
        ("other", "https://r.io/v2/x/other"),
    ])
    func `a location is resolved against what was asked for`(location: String, result: String) throws {
        #expect(try HTTPURL(parsing: "https://r.io/v2/x/tags?n=1").resolving(location: location).description == result)
    }
}

@Suite struct `Where credentials go` {
    @Test(arguments: [
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
    ])
    func `a realm gets them by scheme and owner`(registry: String, realm: String, allowed: Bool) throws {
        let policy = RealmPolicy(registry: try HTTPURL(parsing: registry), allowedHosts: ["auth.allowed.org"])
        #expect((policy.refusalOfCredentials(to: try HTTPURL(parsing: realm)) == nil) == allowed)
    }

    @Test(arguments: [
        ("https://r.io/v2/other", true), ("/v2/other", true), ("https://cdn.io/b", false),
        ("https://r.io:8443/b", false),
        ("https://sub.r.io/b", false), ("https://io/b", false), ("https://R.io/b", true),
    ])
    func `a redirect keeps them on the registry's own origin only`(location: String, keeps: Bool) throws {
        let url = try HTTPURL(parsing: "https://r.io/v2/x/blobs/y")
        #expect(try RedirectPolicy(registry: url).follow(from: url, location: location).isRegistry == keeps)
    }

    @Test(arguments: [
        "http://r.io/b", "http://cdn.io/b", "https://127.0.0.1/b", "https://10.0.0.1/b", "https://[::1]/b",
        "https://localhost/",
        "https://169.254.169.254/latest", "https://127.1/", "https://2130706433/", "https://user@r.io/b",
        "file:///etc/passwd",
        "https://[fe80::1]/", "https://[2002:7f00:1::]/", "https://0177.0.0.1/", "https://r\u{131}.io/",
    ])
    func `a redirect to plain HTTP or into a private network is refused`(location: String) throws {
        let url = try HTTPURL(parsing: "https://r.io/v2/x/blobs/y")
        #expect(throws: RegistryError.self) { try RedirectPolicy(registry: url).follow(from: url, location: location) }
    }
}

@Suite struct `The retry policy` {
    private let policy = RetryPolicy()

    @Test func `back-off doubles from 0.2 to 10 seconds and is halved by chance`() {
        var patient = RetryPolicy()
        patient.maximumAttempts = 20
        let delays = (1...8).map { patient.verdict(on: .status(503, retryAfter: nil), attempt: $0, jitter: 1) }
        #expect(delays == [200, 400, 800, 1600, 3200, 6400, 10_000, 10_000].map { .retry(after: .milliseconds($0)) })
        #expect(patient.verdict(on: .connection(.closed), attempt: 1, jitter: 0) == .retry(after: .milliseconds(100)))
    }

    @Test(arguments: [400, 401, 403, 404, 405, 413, 416, 501])
    func `an answer that will not change is not asked for again`(status: Int) {
        #expect(policy.verdict(on: .status(status, retryAfter: nil), attempt: 1, jitter: 1) == .fail)
    }

    @Test(arguments: [408, 429, 500, 502, 503, 504]) func `a transient answer is asked for up to six times`(status: Int)
    {
        #expect(policy.verdict(on: .status(status, retryAfter: nil), attempt: 5, jitter: 1) != .fail)
        #expect(policy.verdict(on: .status(status, retryAfter: nil), attempt: 6, jitter: 1) == .fail)
    }

    @Test func `what the registry asks to wait is waited for up to a minute`() {
        #expect(
            policy.verdict(on: .status(429, retryAfter: .seconds(60)), attempt: 1, jitter: 1)
                == .retry(after: .seconds(60))
        )
        #expect(policy.verdict(on: .status(429, retryAfter: .seconds(61)), attempt: 1, jitter: 1) == .fail)
    }

    @Test(arguments: [ConnectionFailure.timedOut, .handshakeTimedOut, .stalled])
    func `a request whose time is up is made once more`(failure: ConnectionFailure) {
        #expect(policy.verdict(on: .connection(failure), attempt: 1, jitter: 1) != .fail)
        #expect(policy.verdict(on: .connection(failure), attempt: 2, jitter: 1) == .fail)
    }

    @Test(arguments: [ConnectionFailure.refused, .unknownHost, .untrustedCertificate("x"), .handshake("x")])
    func `a connection that cannot come about is not tried again`(failure: ConnectionFailure) {
        #expect(policy.verdict(on: .connection(failure), attempt: 1, jitter: 1) == .fail)
    }

    @Test(
        arguments: [
            ("5", nil, Duration.seconds(5)), ("0", nil, .seconds(0)),
            ("99999999999999999999", nil, .seconds(999_999_999)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 1994 08:49:07 GMT", .seconds(30)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", nil, .seconds(37)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", "Mon, 07 Nov 1994 08:49:07 GMT", .seconds(0)),
            ("soon", nil, nil), ("-5", nil, nil), ("", nil, nil),
        ] as [(String, String?, Duration?)]
    )
    func `Retry-After is seconds or a date`(header: String, date: String?, result: Duration?) {
        #expect(RetryPolicy.retryAfter(header, date: date, now: 784_111_740) == result)
    }
}

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

    @Test func `a registry that is trusted may speak plain HTTP and need not prove who it is, and no other may`() throws
    {
        let plain = EndpointResolver(try parse(""))
        let resolver = plain.trusting("registry.example:5000")
        let trusted = try resolver.originEndpoint(for: "registry.example:5000")
        #expect(trusted.schemes == [.https, .http] && !trusted.trust.verifies)
        for endpoint in [
            try resolver.originEndpoint(for: "registry.example"),
            try plain.originEndpoint(for: "registry.example:5000"),
        ] { #expect(endpoint.schemes == [.https] && endpoint.trust.verifies) }
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
            "registry.\"a.io\".mirrors: \"http://u@h/\" is no host[:port][/path]"
        ),
        ("[registry.\"a b\"]\nhttp = true", "registry.\"a b\": expected a host with an optional port"),
        ("[[registry.\"a.io\".keypair]]\nkey = \"k\"", "registry.\"a.io\".keypair[0]: both key and cert are needed"),
        ("[grpc]\nx = 1", "grpc: unknown key"),
        ("[registry\n", "/etc/slipway/slipway.toml: line 1"),
    ])
    func `a mistake is told with its file and key`(text: String, message: String) {
        let error = #expect(throws: RegistryError.self) { try parse(text) }
        #expect(error.map { "\($0)".contains(message) } == true, "\(error.map { "\($0)" } ?? "")")
    }
}
