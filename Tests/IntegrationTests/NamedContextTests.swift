import Foundation
import Proofs
import Testing

/// `--build-context`, and times from `SOURCE_DATE_EPOCH`.
@Suite(.requires(.root, .program("crun"), .program("git"), .program("python3")))
struct `Named contexts and dates` {
    private let scratch: TemporaryDirectory
    private let slipway: Slipway
    private let store: TemporaryDirectory

    init() throws {
        scratch = try TemporaryDirectory()
        (slipway, store) = try Slipway.isolated()
        try scratch.write("main\n", to: "context/main")
    }

    private func build(_ dockerfile: String, _ options: String..., environment: [String: String] = [:]) async throws
        -> ProgramResult
    {
        try await slipway.build(dockerfile, options, in: scratch, environment: environment)
    }

    private func content(_ name: String) throws -> String {
        try String(contentsOf: scratch.url.appending(path: "out/\(name)"), encoding: .utf8)
    }

    @Test(.proves("COPY --from", "Named contexts", "--build-context"))
    func `directories, addresses and repositories take the place of images`() async throws {
        try scratch.write("mine\n", to: "other/a")
        try scratch.write("left out\n", to: "other/b")
        try scratch.write("b\n", to: "other/.dockerignore")
        try scratch.write("nothing here\n", to: "context/.dockerignore")
        let git = try await GitFixture()
        try await git.makeRepository("a.git")
        try git.server.put("served", at: "f")
        let built = try await build(
            """
            FROM scratch
            COPY --from=dir . /dir/
            COPY --from=repo /file /file
            COPY --from=web /context /web
            COPY main /main
            """,
            "--build-context",
            "dir=../other",
            "--build-context",
            "repo=\(git.address("a.git"))#v1",
            "--build-context",
            "web=\(git.server.address)/f",
            "-o",
            "type=local,dest=../out"
        )
        try #require(built.status == 0, "\(built.errorText)")
        #expect(try content("dir/a") == "mine\n")
        #expect(!FileManager.default.fileExists(atPath: scratch.url.appending(path: "out/dir/b").path))
        #expect(try content("file") == "one\n" && content("web") == "served" && content("main") == "main\n")
    }

    @Test(.proves("Named contexts")) func `a stage and a base can be replaced, for one platform too`() async throws {
        try scratch.write("given\n", to: "other/f")
        try scratch.write("of another platform\n", to: "wrong/f")
        let dockerfile = """
            FROM missing.example/none AS made
            RUN never
            FROM docker.io/library/base:latest
            COPY --from=made /f /copied
            """
        let built = try await build(
            dockerfile,
            "--build-context",
            "made=../other",
            "--build-context",
            "base::linux/s390x=../wrong",
            "--build-context",
            "base=../other",
            "-o",
            "type=local,dest=../out"
        )
        try #require(built.status == 0, "\(built.errorText)")
        #expect(try content("f") == "given\n" && content("copied") == "given\n")
    }

    @Test(.proves("Named contexts")) func `an image can stand for another`() async throws {
        let tree = try await runProgram(
            "sh",
            ["-c", "mkdir t && echo x > t/x && tar -C t -cf t.tar ."],
            in: scratch.url
        )
        try #require(tree.status == 0)
        try await slipway.succeed("import", scratch.url.appending(path: "t.tar").path, "stored:1")
        let built = try await build(
            "FROM other.example/name:2\nCOPY --from=second /x /y\n",
            "--build-context",
            "other.example/name:2=docker-image://stored:1",
            "--build-context",
            "second=docker-image://stored:1",
            "-o",
            "type=local,dest=../out"
        )
        try #require(built.status == 0, "\(built.errorText)")
        #expect(try content("x") == "x\n" && content("y") == "x\n")
    }

    @Test(
        .proves("--build-context"),
        arguments: [
            ("a", "expected key=value"), ("a=", "expected key=value"), ("a=../nowhere", "not found"),
            ("A B=../other", "invalid context name"), ("a=target:x", "target: are not supported"),
            ("a=file:///x.git", "not found"),
        ]
    )
    func `anything but a context is refused`(value: String, reason: String) async throws {
        try scratch.write("x", to: "other/x")
        let result = try await build("FROM scratch\nCOPY --from=a . /\n", "--build-context", value)
        #expect(result.status != 0)
        #expect(result.errorText.contains(reason), "\(result.errorText)")
    }

    /// The times of an image: its own, and those of its steps.
    private func times(of name: String) async throws -> Set<String> {
        let image = try await slipway.succeed("image", "inspect", "--format", "{{.Created}}", name)
        let history = try await slipway.succeed(
            "history",
            "--no-trunc",
            "--human=false",
            "--format",
            "{{.CreatedAt}}",
            name
        )
        return Set((image + history).split(separator: "\n").map(String.init))
    }

    @Test(.proves("SOURCE_DATE_EPOCH")) func `an image has the time that it is given`() async throws {
        let dockerfile = "FROM scratch\nARG SOURCE_DATE_EPOCH\nENV A=b\nCOPY main /main\n"
        let given = try await build(dockerfile, "-t", "a", "--build-arg", "SOURCE_DATE_EPOCH=1700000000")
        try #require(given.status == 0, "\(given.errorText)")
        let times = try await times(of: "a")
        #expect(times.allSatisfy { $0.hasPrefix("2023-11-14T22:13:20") }, "\(times)")
        let forwarded = try await build(
            dockerfile,
            "-t",
            "b",
            "--no-cache",
            environment: ["SOURCE_DATE_EPOCH": "1700000000"]
        )
        try #require(forwarded.status == 0, "\(forwarded.errorText)")
        let ids = try await slipway.succeed("images", "-q", "--no-trunc")
        #expect(Set(ids.split(separator: "\n")).count == 1)
        let wrong = try await build(dockerfile, "--build-arg", "SOURCE_DATE_EPOCH=yesterday")
        #expect(wrong.status == 1 && wrong.errorText.contains("invalid SOURCE_DATE_EPOCH: yesterday"))
    }

    @Test(.proves("SOURCE_DATE_EPOCH")) func `an image has the time of a source`() async throws {
        let git = try await GitFixture()
        try await git.makeRepository("a.git")
        try git.server.put("served", at: "f", modified: "2019-05-06T07:08:09Z")
        let context = try await slipway.run(
            ["build", "-t", "c", "--build-arg", "SOURCE_DATE_EPOCH=context", git.address("a.git")],
            in: scratch.url
        )
        try #require(context.status == 0, "\(context.errorText)")
        #expect(try await times(of: "c").allSatisfy { $0.hasPrefix("2021-03-04T05:06:07") })
        let named = try await build(
            "FROM scratch\nCOPY main /\n",
            "-t",
            "n",
            "--build-arg",
            "SOURCE_DATE_EPOCH=src",
            "--build-context",
            "src=\(git.server.address)/f"
        )
        try #require(named.status == 0, "\(named.errorText)")
        #expect(try await times(of: "n").allSatisfy { $0.hasPrefix("2019-05-06T07:08:09") })
        let stage = try await build(
            """
            ARG SOURCE_DATE_EPOCH=source
            FROM scratch AS source
            ADD \(git.server.address)/f /
            FROM scratch
            COPY main /
            """,
            "-t",
            "s"
        )
        try #require(stage.status == 0, "\(stage.errorText)")
        #expect(try await times(of: "s").allSatisfy { $0.hasPrefix("2019-05-06T07:08:09") })
        // Steps see the time, and not the name of what it is taken from.
        let seen = try await build(
            "FROM scratch\nARG SOURCE_DATE_EPOCH\nENV SEEN=$SOURCE_DATE_EPOCH\nWORKDIR /made\n",
            "-t",
            "e",
            "-o",
            "type=image",
            "-o",
            "type=tar,dest=../out.tar,source-date-epoch=",
            "--build-arg",
            "SOURCE_DATE_EPOCH=src",
            "--build-context",
            "src=\(git.server.address)/f"
        )
        try #require(seen.status == 0, "\(seen.errorText)")
        let variables = try await slipway.succeed("image", "inspect", "--format", "{{.Config.Env}}", "e")
        #expect(variables.contains("SEEN=1557126489"))
        let listed = try await runProgram("tar", ["--utc", "--full-time", "-tvf", "out.tar"], in: scratch.url)
        #expect(listed.text.contains("2019-05-06 07:08:09 made/"), "\(listed.text)")
    }

    @Test(.proves("SOURCE_DATE_EPOCH"))
    func `an image has the time of the newest file of an archive that no server dates`() async throws {
        let server = try await WebServer.start()
        // The directory is newer than the files, and not asked.
        let packed = try await runProgram(
            "sh",
            [
                "-c",
                """
                mkdir d && echo a > d/a && echo b > d/b && touch -d @1500000000 d/a && touch -d @1500000100 d/b
                touch -d @1600000000 d && tar -cf "$0/a.tar" d
                """, server.directory.path,
            ],
            in: scratch.url
        )
        try #require(packed.status == 0, "\(packed.errorText)")
        try server.put("no archive", at: "plain")
        let dockerfile = "FROM scratch\nARG SOURCE_DATE_EPOCH\nENV SEEN=x$SOURCE_DATE_EPOCH\nCOPY . /\n"
        func seen(_ context: String, _ options: String...) async throws -> String {
            let arguments = ["build", "-q", "-t", "seen", "-f-", "--build-arg"] + options + [context]
            let built = try await slipway.run(arguments, in: scratch.url, input: Array(dockerfile.utf8))
            try #require(built.status == 0, "\(built.errorText)")
            let variables = try await slipway.succeed("image", "inspect", "--format", "{{json .Config.Env}}", "seen")
            return String(variables.split(separator: "SEEN=x").last?.prefix { $0 != "\"" } ?? "none")
        }
        #expect(try await seen("\(server.address)/undated/a.tar", "SOURCE_DATE_EPOCH=context") == "1500000100")
        // What the server says goes first, for an archive too.
        try server.touch("a.tar", "2018-01-01T00:00:00Z")
        #expect(try await seen("\(server.address)/a.tar", "SOURCE_DATE_EPOCH=context") == "1514764800")
        let named = "a=\(server.address)/undated/a.tar"
        #expect(try await seen("context", "SOURCE_DATE_EPOCH=a", "--build-context", named) == "1500000100")
        // Where nothing has a time there is none, and steps do not see the name of what has none.
        let plain = "a=\(server.address)/undated/plain"
        #expect(try await seen("context", "SOURCE_DATE_EPOCH=a", "--build-context", plain) == "")
        #expect(try await seen("context", "SOURCE_DATE_EPOCH=context") == "")
        #expect(try await seen("context", "SOURCE_DATE_EPOCH=a", "--build-context", "a=context") == "")
    }

    @Test(.proves("SOURCE_DATE_EPOCH")) func `a source without a time is reported`() async throws {
        let built = try await build("FROM scratch\nCOPY main /\n", "--build-arg", "SOURCE_DATE_EPOCH=context")
        #expect(built.status == 0)
        #expect(
            built.errorText.contains("SOURCE_DATE_EPOCH is ignored: its source has no time"),
            "\(built.errorText)"
        )
    }

    @Test(.proves("--build-context")) func `scratch takes the place of an image`() async throws {
        let built = try await build(
            "FROM busybox\nCOPY main /\n",
            "--build-context",
            "busybox=docker-image://scratch",
            "-o",
            "type=local,dest=../out"
        )
        try #require(built.status == 0, "\(built.errorText)")
        #expect(try FileManager.default.contentsOfDirectory(atPath: scratch.path + "/out") == ["main"])
    }
}
