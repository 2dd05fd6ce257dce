import HTTP
import Testing

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
        #expect(throws: HTTPError.self) { try HTTPURL(parsing: text) }
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

@Suite struct `Redirects` {
    @Test(arguments: [
        ("https://r.io/v2/other", true), ("/v2/other", true), ("https://cdn.io/b", false),
        ("https://r.io:8443/b", false),
        ("https://sub.r.io/b", false), ("https://io/b", false), ("https://R.io/b", true),
    ])
    func `a redirect keeps credentials on the first origin only`(location: String, keeps: Bool) throws {
        let url = try HTTPURL(parsing: "https://r.io/v2/x/blobs/y")
        #expect(try RedirectPolicy(origin: url).follow(from: url, location: location).isOrigin == keeps)
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
        #expect(throws: HTTPError.self) { try RedirectPolicy(origin: url).follow(from: url, location: location) }
    }
}
