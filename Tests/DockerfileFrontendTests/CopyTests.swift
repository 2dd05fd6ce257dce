import DockerfileFrontend
import DockerfileSyntax
import LLB
import OCI
import Proofs
import Testing
import Text

@Suite struct `COPY, ADD and WORKDIR` {
    @Test(
        .proves("COPY: forms and flags"),
        arguments: [
            ("COPY a b", "/a", "/b"), ("COPY a b/", "/a", "/b/"), ("COPY a .", "/a", "/"), ("COPY . /x", "/", "/x"),
            ("COPY ./a/ /x/.", "/a", "/x/."), ("COPY ../../a /x", "/a", "/x"), ("COPY /a //x//y/", "/a", "/x/y/"),
            ("WORKDIR /w\nCOPY a .", "/a", "/w/"), ("WORKDIR /w\nCOPY a b", "/a", "/w/b"),
            ("WORKDIR /w\nCOPY a ./", "/a", "/w/"),
            ("WORKDIR /w\nCOPY a ../b", "/a", "/b"), ("COPY a*.txt /x/", "/a*.txt", "/x/"),
            ("COPY [\"a b\", \"/c d\"]", "/a b", "/c d"),
            ("ENV S=s D=/d\nCOPY $S ${D}/", "/s", "/d/"), ("COPY a/./b /x", "/a/b", "/x"), ("COPY 'a b' /x", nil, nil),
        ] as [(String, String?, String?)]
    )
    func `copy from and to`(text: String, source: String?, destination: String?) async throws {
        guard let source, let destination else {
            // Quotes do not hold words together here: they are two words, of which neither is whole.
            #expect(await message("FROM scratch\n" + text) != nil)
            return
        }
        let copy = try #require(try await plan("FROM scratch\n" + text).copies.first)
        #expect(copy.source.text == source)
        #expect(copy.destination.text == destination)
        #expect(copy.followsLinks && copy.copiesDirectoryContents && copy.createsDestination)
        #expect(copy.allowsWildcards && copy.allowsNoMatch)
        #expect(!copy.unpacksArchives)
    }

    @Test(.proves("ADD: forms and flags", "ADD of archives")) func `ADD unpacks unless told not to`() async throws {
        let made = try await plan("FROM scratch\nADD a.tar /\nADD --unpack=false b.tar /")
        #expect(made.copies.map(\.unpacksArchives) == [true, false])
    }

    @Test(
        .proves("--chown"),
        arguments: [
            ("1000", "1000:-"), ("1000:50", "1000:50"), ("root", "0:-"), ("u", "u:-"), ("u:g", "u:g"), ("0:g", "0:g"),
            ("$U:g", "7:g"),
        ]
    )
    func `owners are numbers or names`(text: String, expected: String) async throws {
        let made = try await plan("FROM alpine\nENV U=7\nCOPY --chown=\(text) a /b")
        let owner = try #require(made.copies.first?.owner)
        func shown(_ account: Owner.Account?) -> String {
            switch account {
            case .id(let id): "\(id)"
            case .named(let name, _): name.text
            case nil: "-"
            }
        }
        #expect("\(shown(owner.user)):\(shown(owner.group))" == expected)
    }

    @Test(.proves("--chown")) func `names of owners are looked up where the files go`() async throws {
        let made = try await plan("FROM alpine\nCOPY --chown=u a b /c/")
        let node = try #require(made.definition.target?.node)
        guard case .file(let actions) = node.operation else { return }
        guard case .named(_, let first)? = actions[0].change.owner?.user,
            case .named(_, let second)? = actions[1].change.owner?.user
        else {
            Issue.record("no names")
            return
        }
        #expect(first == actions[0].base)
        #expect(second == .action(0))
    }

    @Test(
        .proves("--chmod"),
        arguments: [
            ("755", ModeChange.bits(0o755)), ("0644", .bits(0o644)), ("7777", .bits(0o7777)),
            ("u=rwX,go=rX", .symbolic("u=rwX,go=rX")), ("+x", .symbolic("+x")),
            ("g=u-w", .symbolic("g=u-w")),
        ]
    )
    func `permissions are octal or symbolic`(text: String, expected: ModeChange) async throws {
        #expect(try await plan("FROM scratch\nCOPY --chmod=\(text) a /b").copies.first?.mode == expected)
    }

    @Test(arguments: ["8", "10000", "u=z", "rwx", "u", "755x", "u+x,", "-1"])
    func `other permissions are refused`(text: String) async {
        let found = await message("FROM scratch\nCOPY --chmod=\(text) a /b")
        if text == "-1" {
            #expect(found == "invalid chmod parameter: '-1'. it should be octal string and between 0 and 07777")
        } else {
            #expect(found?.hasPrefix("invalid chmod parameter: '\(text)'") == true)
        }
    }

    @Test(.proves("COPY and ADD of heredocs", "COPY, ADD")) func `documents are files named like their mark`()
        async throws
    {
        let text = """
            FROM scratch
            ENV V=1
            COPY --chmod=600 <<a <<"b" <<-c /d/
            it's "$V" ${V} \\$V
            a
            $V
            b
            \tx
            \tc
            """
        let made = try await plan(text)
        let files = made.changes.compactMap { change -> FileCreation? in
            if case .makeFile(let file) = change { file } else { nil }
        }
        #expect(files.map(\.path.text) == ["/a", "/b", "/c"])
        #expect(files.map(\.content.text) == ["it's \"1\" 1 $V\n", "$V\n", "x\n"])
        #expect(files.allSatisfy { $0.mode == 0o644 })
        #expect(made.copies.map(\.source.text) == ["/a", "/b", "/c"])
        #expect(made.copies.allSatisfy { $0.mode == .bits(0o600) && !$0.allowsWildcards })
        #expect(made.ownHistory.last == "+ COPY --chmod=600 <<a <<b <<c /d/ # buildkit")
    }

    @Test(.proves("--parents")) func `parents are kept from the root or from the mark in the path`() async throws {
        let made = try await plan("FROM scratch\nCOPY --parents a/b/c x/./y/*.c /d/")
        #expect(made.copies.map(\.source.text) == ["/", "/x"])
        #expect(made.copies.map { $0.includePatterns.map(\.text) } == [["a/b/c"], ["y/*.c"]])
        #expect(made.copies.map { $0.requiredPaths.map(\.text) } == [["/a/b/c"], []])
    }

    @Test(.proves("--exclude")) func `exclusions are handed on`() async throws {
        let made = try await plan("FROM scratch\nCOPY --exclude=*.o --exclude=**/t a /d/")
        #expect(made.copies.first?.excludePatterns.map(\.text) == ["*.o", "**/t"])
    }

    @Test(.proves("--link", "COPY --link")) func `a link is laid over what is there`() async throws {
        let made = try await plan("FROM alpine\nCOPY --link a /b\nCOPY --link --chmod=600 c /d")
        let kinds = made.definition.nodes.map { node -> String in
            switch node.operation {
            case .source: "source"
            case .merge: "merge"
            case .file: "file"
            case .exec, .diff, .build, .passthrough: "other"
            }
        }
        #expect(kinds == ["source", "source", "file", "merge", "file"])
        #expect(made.titles.contains("[2/3] LINK COPY --link a /b"))
        #expect(made.titles.last == "[3/3] COPY --link --chmod=600 c /d")
        let scratch = try await plan("FROM scratch\nCOPY --link a /b")
        #expect(scratch.definition.nodes.count == 2)
    }

    @Test(arguments: [
        ("https://x.org/a/b.tar?c=d/e", "b.tar"), ("http://x.org/a%20b%2Fc", "c"), ("https://x.org", "__unnamed__"),
        ("https://x.org/", "__unnamed__"), ("https://x.org/a/..", "__unnamed__"), ("https://x.org/a/#b", "a"),
    ])
    func `a download has the name of its address`(url: String, name: String) async throws {
        let made = try await plan("FROM scratch\nADD --unpack=true --exclude=x \(url) /in/")
        let source = try #require(made.downloads.first)
        #expect(source.url.text == url)
        #expect(source.file.name?.text == name)
        let copy = try #require(made.copies.first)
        #expect(copy.source.text == "/\(name)" && copy.destination.text == "/in/")
        #expect(copy.createsDestination && copy.unpacksArchives && !copy.allowsWildcards)
        #expect(copy.excludePatterns.map(\.text) == ["x"])
        #expect(try await plan("FROM scratch\nADD \(url) /in/").copies.first?.unpacksArchives == false)
    }

    @Test func `a download can be pinned, and shows no credentials`() async throws {
        let digest = Digest.sha256(of: bytes("x"))
        let made = try await plan(
            "FROM scratch\nARG SUM=\(digest)\nADD --checksum=$SUM https://me:secret@x.org/a /b\nCOPY c /d"
        )
        #expect(made.downloads.first?.checksum == digest)
        #expect(made.local?.followPaths.map(\.text) == ["c"])
        #expect(made.titles.filter { $0.contains("[1/2] ADD") }.count == 2)
        #expect(made.titles.allSatisfy { !$0.contains("secret") })
        #expect(made.ownHistory.dropFirst().first == "+ ADD https://xxxxx:xxxxx@x.org/a /b # buildkit")
    }

    @Test(
        .proves("ADD: forms and flags", "ADD --checksum"),
        arguments: [
            (
                "ADD --checksum=md5:1 https://x.org/a /b",
                "invalid checksum: invalid digest \"md5:1\": unsupported digest algorithm, expected one of sha256, sha384, sha512"
            ),
            ("ADD https://x.org/a.git?x=y /b", "unexpected query \"x\""),
            (
                "ADD --checksum=12 https://x.org/a.git?commit=34 /b",
                "checksum conflicts: \"12\" and \"34\""
            ),
            ("COPY https://x.org/a /b", "source can't be a URL for COPY"),
            ("COPY git://x.org/a.git /b", "source can't be a git ref for COPY"),
            ("ADD --checksum=sha256:x a /b", "checksum requires HTTP(S) or Git sources"),
            ("ADD --checksum=sha256:x a b /b/", "checksum can't be specified for multiple sources"),
        ]
    )
    func `what cannot be fetched is refused`(text: String, expected: String) async {
        #expect(await message("FROM scratch\n" + text) == expected)
    }

    @Test func `a missing or ignored file is warned of`() async throws {
        let made = try await plan("FROM scratch\nCOPY a/b /\nCOPY c /") {
            $0.ignoreFile = try? IgnoreFile(parsing: bytes("a\n"))
        }
        #expect(made.warnings.map(\.message) == ["Attempting to Copy file \"a/b\" that is excluded by .dockerignore"])
    }

    @Test(.proves("WORKDIR", "WORKDIR (meaning)")) func `WORKDIR makes directories for the stage's user`() async throws
    {
        let made = try await plan("FROM alpine\nUSER 5:6\nWORKDIR /a/../b/\nWORKDIR c/../d\nWORKDIR /")
        let directories = made.changes.compactMap { change -> DirectoryCreation? in
            if case .makeDirectory(let directory) = change { directory } else { nil }
        }
        #expect(directories.map(\.path.text) == ["/b", "/b/d"])
        #expect(directories.allSatisfy { $0.owner == Owner(user: .id(5), group: .id(6)) && $0.makesParents })
        #expect(made.defaults.workingDirectory == "/")
        #expect(
            made.ownHistory == ["USER 5:6", "+ WORKDIR /a/../b/", "+ WORKDIR /b/d", "WORKDIR /"]
        )
    }

    @Test(.proves("WORKDIR (meaning)")) func `WORKDIR goes on from the base image's`() async throws {
        let images = Images([alpine: image { $0.workingDirectory = "/srv" }])
        let made = try await plan("FROM alpine\nWORKDIR app\nCOPY a .", images: images)
        #expect(made.defaults.workingDirectory == "/srv/app")
        #expect(made.copies.first?.destination.text == "/srv/app/")
        #expect(made.warnings.map(\.rule) == [.workdirRelativePath])
    }
}

@Suite struct `Named directories of the client` {
    /// The paths that are asked for of the directory, for each time it is a source.
    private func paths(_ text: String, target: String? = nil) async throws -> [[String]] {
        var source = LocalSource(name: "files")
        source.sharedKeyHint = "context:files"
        let directory = try Output.local(source)
        let made = try await plan(text) {
            $0.target = target
            do throws(OCIError) { try $0.namedContexts.add(.tree(directory), as: "files") } catch { return }
        }
        return made.definition.nodes.compactMap { node in
            guard case .source(let found) = node.operation, let local = try? LocalSource(found),
                local.name == bytes("files")
            else { return nil }
            return local.followPaths.map(\.text)
        }
    }

    @Test func `have no more come than COPY and mounts name`() async throws {
        #expect(try await paths("FROM scratch\nCOPY --from=files a b/ /x/") == [["a", "b"]])
        let mount = "RUN --mount=from=files,source=/c,target=/c true"
        #expect(try await paths("FROM alpine\n\(mount)\nCOPY --from=files /a /") == [["a", "c"]])
        #expect(try await paths("FROM scratch AS files\nFROM scratch\nCOPY --from=files a /") == [["a"]])
    }

    @Test(
        arguments: [
            "FROM scratch\nCOPY --from=files . /", "FROM alpine\nRUN --mount=from=files,target=/c true",
            "FROM files", "FROM files\nCOPY --from=files a /", "FROM scratch AS files",
            "FROM scratch AS files\nFROM files\nCOPY --from=files a /",
        ]
    )
    func `come whole where all of them is used`(text: String) async throws {
        #expect(try await paths(text) == [[]])
    }
}

@Suite struct `Images of other builds` {
    @Test func `are bases with their files and their configurations`() async throws {
        let files = try Output.image("docker.io/library/x:1")
        let base = image {
            $0.environment = ["FOO=bar"]
            $0.onBuild = ["COPY t /t"]
        }
        let made = try await plan("FROM base\nCOPY a /$FOO") {
            do throws(OCIError) { try $0.namedContexts.add(.result(files, base), as: "base") } catch { return }
        }
        #expect(made.copies.map(\.destination.text) == ["/t", "/bar"])
        #expect(made.configuration.config?.environment?.contains("FOO=bar") == true)
        #expect(made.definition.nodes.contains { $0.digest == files.node.digest })
    }
}
