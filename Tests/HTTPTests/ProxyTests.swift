import Testing

@testable import HTTP

@Suite struct `Proxies` {
    private func server(_ url: String, _ environment: [String: String]) throws -> String? {
        try ProxySettings(environment: environment).server(for: HTTPURL(parsing: url)).map { "\($0.host):\($0.port)" }
    }

    private static let both = ["HTTP_PROXY": "http://plain.example:3128", "https_proxy": "secure.example:8080"]

    /// Expectations are those of Go's httpproxy, which docker decides with.
    @Test(
        arguments: [
            ("http://registry.test/v2/", nil, "plain.example:3128"),
            ("https://registry.test/v2/", nil, "secure.example:8080"),
            ("https://localhost:5000/v2/", nil, nil), ("http://127.0.0.1:5000/v2/", nil, nil),
            ("https://registry.test/v2/", "registry.test", nil), ("https://a.registry.test/v2/", "registry.test", nil),
            ("https://registry.test/v2/", ".registry.test", "secure.example:8080"),
            ("https://a.registry.test/v2/", ".registry.test", nil),
            ("https://a.registry.test/v2/", "*.registry.test", nil),
            ("https://myregistry.test/v2/", "registry.test", "secure.example:8080"),
            ("https://registry.test:5000/v2/", "registry.test:5000", nil),
            ("https://registry.test:5001/v2/", "registry.test:5000", "secure.example:8080"),
            ("https://10.1.2.3/v2/", "10.0.0.0/8", nil), ("https://11.1.2.3/v2/", "10.0.0.0/8", "secure.example:8080"),
            ("https://registry.test/v2/", "other, *", nil),
        ] as [(String, String?, String?)]
    )
    func `hosts are reached through proxies unless they are excepted`(url: String, none: String?, proxy: String?)
        throws
    {
        var environment = Self.both
        environment["NO_PROXY"] = none
        #expect(try server(url, environment) == proxy)
    }

    @Test func `without variables there is no proxy`() throws {
        #expect(try server("https://registry.test/v2/", ["HTTPS_PROXY": ""]) == nil)
    }

    @Test(arguments: ["https://x", "http://", "http://a b"])
    func `a proxy that cannot be used is refused by its variable`(text: String) throws {
        let error = try #require(throws: HTTPError.self) {
            try server("https://registry.test/v2/", ["HTTPS_PROXY": text])
        }
        #expect("\(error)".contains("HTTPS_PROXY"))
    }
}
