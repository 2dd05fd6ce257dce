import DockerfileFrontend
import LLB
import Proofs
import Testing

@Suite struct `Addresses of git repositories` {
    @Test(
        arguments: [
            ("https://h.org/a/b.git", "https://h.org/a/b.git", nil, nil),
            ("https://h.org/b.git#v1", "https://h.org/b.git", "v1", nil),
            ("https://h.org/b.git#v1:dir/sub", "https://h.org/b.git", "v1", "dir/sub"),
            ("https://h.org/b.git#:dir", "https://h.org/b.git", nil, "dir"),
            ("https://h.org/b.git#", "https://h.org/b.git", nil, nil),
            ("http://h.org:8080/b.git?ref=x&subdir=y", "http://h.org:8080/b.git", "x", "y"),
            ("https://h.org/b.git?tag=v1", "https://h.org/b.git", "refs/tags/v1", nil),
            ("https://h.org/b.git?branch=a%2Fb", "https://h.org/b.git", "refs/heads/a/b", nil),
            ("git@github.com:a/b.git#main", "git@github.com:a/b.git", "main", nil), ("me@h:b", "me@h:b", nil, nil),
            ("ssh://git@h.org:22/a/b", "ssh://git@h.org:22/a/b", nil, nil),
            ("git://h.org/a/b#x", "git://h.org/a/b", "x", nil),
            ("https://user:pw@h.org/b.git", "https://user:pw@h.org/b.git", nil, nil),
        ] as [(String, String, String?, String?)]
    )
    func `say what is wanted of what`(text: String, remote: String, reference: String?, directory: String?) throws {
        let source = try #require(try GitSource(parsing: bytes(text)))
        #expect(source.remote.address.text == remote)
        #expect(source.reference?.text == reference)
        #expect(source.subdirectory?.text == directory)
        #expect(try GitSource(source.source) == source)
    }

    @Test func `options can be given as a query`() throws {
        let commit = String(repeating: "1", count: 40)
        let address = "https://h.org/b.git?commit=\(commit)&keep-git-dir=true&submodules=false&mtime=checkout"
        let source = try #require(try GitSource(parsing: bytes(address)))
        #expect(source.checksum?.text == commit && source.reference?.text == commit)
        #expect(source.keepsGitDirectory && source.skipsSubmodules && source.hasCheckoutTimes)
    }

    @Test(arguments: ["keep-git-dir", "keep-git-dir=", "keep-git-dir&submodules&fetch-by-commit", "keep-git-dir=1"])
    func `boolean options may be named alone`(query: String) throws {
        let source = try #require(try GitSource(parsing: bytes("https://h.org/b.git?" + query)))
        #expect(source.keepsGitDirectory && !source.skipsSubmodules)
    }

    @Test func `the beginning of a commit's id checks a reference and is not one itself`() throws {
        let source = try #require(try GitSource(parsing: bytes("https://h.org/b.git?commit=12345678")))
        #expect(source.checksum?.text == "12345678" && source.reference == nil)
    }

    @Test(arguments: [
        ("https://h.org/b.git?ref", "query \"ref\" has no value"),
        ("https://h.org/b.git?ref=", "query \"ref\" has no value"),
        ("https://h.org/b.git?ref=a&ref=b", "query \"ref\" has multiple values"),
        ("https://h.org/b.git?depth=1", "unexpected query \"depth\""),
        ("https://h.org/b.git?mtime=now", "invalid mtime value: \"now\""),
        ("https://h.org/b.git?submodules=maybe", "invalid submodules value: \"maybe\""),
        ("https://h.org/b.git?branch=a&tag=b", "branch conflicts with tag: name one of them"),
        ("https://h.org/b.git?branch=a#b", "ref conflicts: \"b\" and \"refs/heads/a\""),
        ("https://-x/b.git", "invalid git address \"https://-x/b.git\""),
        ("git://h.org", "invalid git address \"git://h.org\""),
        ("ssh://-oProxyCommand=x@h/b", "invalid git address \"ssh://-oProxyCommand=x@h/b\""),
        ("ssh://-oProxyCommand=x/b", "invalid git address \"ssh://-oProxyCommand=x/b\""),
        ("https://h.org/a b.git", "invalid git address \"https://h.org/a b.git\""),
    ])
    func `that cannot be used are refused`(text: String, expected: String) {
        #expect(throws: GitReferenceError.self) {
            do {
                _ = try GitSource(parsing: bytes(text))
            } catch {
                #expect("\(error)" == expected)
                throw error
            }
        }
    }

    @Test(arguments: [
        "https://h.org/a.tar.gz", "https://h.org/", "a/b.git", "./git@h:b", "../git@h:b", "/srv/a.git",
        "file:///srv/a.git",
        "ext::sh -c touch% x", "-u@h:b", "a@-h:b", "a@h:-b", "a@h", "--upload-pack=x", "",
    ])
    func `are not what else can be added`(text: String) throws {
        #expect(try GitSource(parsing: bytes(text)) == nil)
    }

    @Test(.proves("ADD: forms and flags")) func `ADD of a repository brings in a commit`() async throws {
        let made = try await plan(
            """
            FROM scratch
            ADD --keep-git-dir=true --checksum=abc --chown=1:2 --exclude=x https://me:secret@h.org/a.git#v1:d /in
            """
        )
        let node = try #require(made.definition.nodes.first)
        guard case .source(let wire) = node.operation else { return }
        let source = try GitSource(wire)
        #expect(source.reference?.text == "v1" && source.subdirectory?.text == "d" && source.checksum?.text == "abc")
        #expect(source.keepsGitDirectory && !source.skipsSubmodules)
        #expect(wire.identifier.text == "git://h.org/a.git#v1:d")
        #expect(made.titles.allSatisfy { $0.hasPrefix("[1/1] ADD") && !$0.contains("secret") })
        let copy = try #require(made.copies.first)
        #expect(copy.source.text == "/" && copy.destination.text == "/in" && copy.excludePatterns.map(\.text) == ["x"])
    }
}
