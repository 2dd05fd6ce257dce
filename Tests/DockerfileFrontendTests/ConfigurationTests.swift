import DockerfileFrontend
import DockerfileSyntax
import LLB
import OCI
import Proofs
import Testing

@Suite struct `Image configurations` {
    @Test(
        .proves("VOLUME", "HEALTHCHECK", "Others"),
        arguments: [
            ("ENV a=b c=\"d e\"", "ENV a=b c=d e"), ("ENV a b", "ENV a=b"),
            ("LABEL x=1 \"y z\"='2'", "LABEL x=1 y z=2"),
            ("CMD [\"a\", \"b \\\"c\"]", "CMD [\"a\" \"b \\\"c\"]"), ("CMD a b", "CMD [\"/bin/sh\" \"-c\" \"a b\"]"),
            ("CMD []", "CMD []"),
            ("ENTRYPOINT [\"a\"]", "ENTRYPOINT [\"a\"]"), ("ENTRYPOINT []", "ENTRYPOINT []"),
            ("EXPOSE 80 443/udp", "EXPOSE [443/udp 80/tcp]"),
            ("EXPOSE 8000-8002", "EXPOSE [8000/tcp 8001/tcp 8002/tcp]"),
            ("VOLUME /a /b", "VOLUME [/a /b]"), ("VOLUME [\"/a b\"]", "VOLUME [/a b]"), ("USER me", "USER me"),
            ("STOPSIGNAL SIGKILL", "STOPSIGNAL SIGKILL"), ("SHELL [\"/bin/bash\", \"-c\"]", "SHELL [/bin/bash -c]"),
            ("MAINTAINER A <b@c>", "MAINTAINER A <b@c>"), ("ARG a=1 b", "ARG a=1 b"), ("WORKDIR /", "WORKDIR /"),
            (
                "HEALTHCHECK NONE",
                "HEALTHCHECK {Test:[NONE] Interval:0s Timeout:0s StartPeriod:0s StartInterval:0s Retries:0}"
            ),
            (
                "HEALTHCHECK --interval=90s --retries=2 CMD curl x",
                "HEALTHCHECK {Test:[CMD-SHELL curl x] Interval:1m30s Timeout:0s StartPeriod:0s StartInterval:0s Retries:2}"
            ),
        ]
    )
    func `have the history that BuildKit writes`(text: String, expected: String) async throws {
        let made = try await plan("FROM scratch\n" + text)
        #expect(made.ownHistory == [expected])
        #expect(made.configuration.history?.first?.comment == "buildkit.dockerfile.v0")
    }

    @Test(
        .proves(
            "LABEL, --label",
            "SHELL",
            "MAINTAINER",
            "CMD and ENTRYPOINT",
            "SHELL (meaning)",
            "VOLUME (meaning)",
            "LABEL",
            "--label"
        )
    ) func `hold what the instructions say`() async throws {
        let text = """
            FROM scratch
            MAINTAINER me
            LABEL a=1
            LABEL b=2 a=3
            EXPOSE 80 53/udp
            VOLUME /v
            USER u
            STOPSIGNAL 9
            HEALTHCHECK --timeout=1s CMD ["a", "b"]
            SHELL ["/bin/bash", "-c"]
            ENTRYPOINT e
            CMD c
            """
        let made = try await plan(text) { $0.labels = ["b": "given", "c": "4"] }
        #expect(made.configuration.author == "me")
        #expect(made.defaults.labels == ["a": "3", "b": "given", "c": "4"])
        #expect(made.defaults.exposedPorts?.keys.sorted() == ["53/udp", "80/tcp"])
        #expect(made.defaults.volumes?.keys.sorted() == ["/v"])
        #expect(made.defaults.user == "u")
        #expect(made.defaults.stopSignal == "9")
        #expect(made.defaults.healthcheck?.test == ["CMD", "a", "b"])
        #expect(made.defaults.healthcheck?.timeout == 1_000_000_000)
        #expect(made.defaults.healthcheck?.interval == nil)
        #expect(made.defaults.shell == ["/bin/bash", "-c"])
        #expect(made.defaults.entrypoint == ["/bin/bash", "-c", "e"])
        #expect(made.defaults.command == ["/bin/bash", "-c", "c"])
        #expect(made.defaults.argumentsEscaped == true)
    }

    @Test(
        .proves("CMD, ENTRYPOINT", "CMD and ENTRYPOINT"),
        arguments: [
            ("", ["/bin/sh"], ["e"]), ("ENTRYPOINT [\"x\"]", nil, ["x"]),
            ("CMD [\"c\"]\nENTRYPOINT [\"x\"]", ["c"], ["x"]),
            ("ENTRYPOINT [\"x\"]\nCMD [\"c\"]", ["c"], ["x"]), ("CMD [\"c\"]", ["c"], ["e"]), ("CMD []", nil, ["e"]),
            ("ENTRYPOINT []", nil, nil), ("CMD [\"1\"]\nCMD [\"2\"]", ["2"], ["e"]),
        ] as [(String, [String]?, [String]?)]
    )
    func `reset the command with the entrypoint`(text: String, command: [String]?, entrypoint: [String]?) async throws {
        let images = Images([alpine: image { $0.entrypoint = ["e"] }])
        let made = try await plan("FROM alpine\n" + text, images: images)
        #expect(made.defaults.command == command)
        #expect(made.defaults.entrypoint == entrypoint)
    }

    @Test(.proves("HEALTHCHECK (meaning)")) func `the last healthcheck counts, and NONE switches the base's off`()
        async throws
    {
        let images = Images([alpine: image { $0.healthcheck = Healthcheck(test: ["CMD", "base"]) }])
        func test(_ text: String) async throws -> [String]? {
            try await plan("FROM alpine\n" + text, images: images).defaults.healthcheck?.test
        }
        #expect(try await test("") == ["CMD", "base"])
        #expect(try await test("HEALTHCHECK NONE") == ["NONE"])
        #expect(try await test("HEALTHCHECK CMD a\nHEALTHCHECK CMD [\"b\"]") == ["CMD", "b"])
        let times = try await plan(
            "FROM alpine\nHEALTHCHECK --interval=1m --timeout=2s --start-period=3s --start-interval=4s --retries=5 CMD a"
        ).defaults.healthcheck
        #expect(times?.interval == 60_000_000_000)
        #expect(times?.timeout == 2_000_000_000)
        #expect(times?.startPeriod == 3_000_000_000)
        #expect(times?.startInterval == 4_000_000_000)
        #expect(times?.retries == 5)
    }

    @Test(.proves("Instructions that change only the configuration")) func `of settings alone make no step`()
        async throws
    {
        let settings =
            "ENV a=b\nLABEL a=b\nEXPOSE 1\nVOLUME /v\nUSER u\nSTOPSIGNAL 9\nCMD a\nENTRYPOINT b\nHEALTHCHECK NONE\nSHELL [\"s\"]\nARG x=1\nONBUILD RUN x\n"
        let bare = try await plan("FROM alpine\nCOPY a /b")
        let dressed = try await plan("FROM alpine\nCOPY a /b\n" + settings)
        #expect(dressed.definition.nodes.map(\.digest) == bare.definition.nodes.map(\.digest))
    }

    @Test(.proves("COPY, ADD")) func `COPY and ADD stand in the history with their flags`() async throws {
        let made = try await plan(
            "FROM scratch\nENV S=s\nCOPY --link --chown=1:2 --chmod=600 --exclude=x $S b /d/\nADD --unpack=false a /e\nCOPY --parents a/b /f/"
        )
        #expect(
            made.ownHistory == [
                "ENV S=s", "+ COPY --chown=1:2 --chmod=600 s b /d/ # buildkit", "+ ADD a /e # buildkit",
                "+ COPY --parents a/b /f/ # buildkit",
            ]
        )
    }

    @Test(.proves("The base's history and times"))
    func `keep the base's history with its times and have none of their own`() async throws {
        let made = try await plan("FROM alpine\nENV a=b")
        #expect(made.configuration.history?.map(\.created) == ["2026-01-01T00:00:00Z", nil])
        #expect(made.configuration.created == nil)
        #expect(made.baseConfiguration?.created == "2026-01-01T00:00:00Z")
    }

    @Test(
        .proves("EXPOSE (meaning)", "STOPSIGNAL (meaning)"),
        arguments: [
            ("STOPSIGNAL FOO", "invalid signal: FOO"), ("STOPSIGNAL 0", "invalid signal: 0"),
            ("STOPSIGNAL RTMIN+16", "invalid signal: RTMIN+16"),
            ("EXPOSE 70000", "invalid containerPort: 70000"),
            ("EXPOSE 80/foo", "invalid port: \"80/foo\": invalid proto: foo"),
            ("EXPOSE 90-80", "invalid containerPort: 90-80"),
            ("EXPOSE /tcp", "invalid port: \"/tcp\": no port specified"),
            ("EXPOSE x:80", "invalid hostPort: x"), ("EXPOSE 1.2.3:1:80", "invalid IP address: 1.2.3"),
            ("VOLUME $NONE", "VOLUME specified can not be an empty string"),
            ("ENV a=${b", "failed to process \"${b\": syntax error: missing '}'"),
            ("USER ${X:?no}", "failed to process \"${X:?no}\": X: no"),
        ]
    )
    func `refuse what means nothing`(text: String, expected: String) async {
        #expect(await message("FROM scratch\n" + text) == expected)
    }

    @Test(
        .proves("EXPOSE", "EXPOSE (meaning)"),
        arguments: [
            ("EXPOSE $P", ["80/tcp", "81/tcp"]), ("EXPOSE 127.0.0.1:8080:80", ["80/tcp"]),
            ("EXPOSE 80/TCP", ["80/tcp"]),
            ("EXPOSE 8080:80", ["80/tcp"]),
            ("EXPOSE [::1]:1:80/sctp", ["80/sctp"]), ("EXPOSE 0-1", ["0/tcp", "1/tcp"]),
        ]
    )
    func `take ports in every form`(text: String, expected: [String]) async throws {
        let made = try await plan("FROM scratch\nENV P=\"80 81\"\n" + text)
        #expect(made.defaults.exposedPorts?.keys.sorted() == expected)
    }

    @Test(
        .proves("STOPSIGNAL", "STOPSIGNAL (meaning)"),
        arguments: ["SIGTERM", "term", "15", "SIGRTMIN+15", "RTMAX-14", "RTMIN"]
    )
    func `take signals by name and number`(name: String) async throws {
        #expect(try await plan("FROM scratch\nSTOPSIGNAL \(name)").defaults.stopSignal == name)
    }

    @Test func `warn as BuildKit does`() async throws {
        let text = """
            FROM $NAEM AS b
            FROM --platform=$TARGETPLATFORM alpine
            WORKDIR rel
            ENV A=$MISSNG
            ENV MISSING=1
            ENV B=$MISSNG
            EXPOSE 80/TCP
            EXPOSE 1:2
            CMD shell
            """
        let made = try await plan("ARG NAME=alpine\nARG NAEM2\n" + text.replacing("$NAEM", with: "${NAEM:-alpine}"))
        #expect(
            made.warnings.map { "\($0.range.start.line) \($0.message)" } == [
                "3 FROM argument 'NAEM' is not declared (did you mean NAEM2?)",
                "4 Setting platform to predefined $TARGETPLATFORM in FROM is redundant as this is the default behavior",
                "5 Relative workdir \"rel\" can have unexpected results if the base image changes",
                "6 Usage of undefined variable '$MISSNG'",
                "8 Usage of undefined variable '$MISSNG' (did you mean $MISSING?)",
                "9 Defined protocol '80/TCP' in EXPOSE instruction should be lowercase",
                "10 EXPOSE instruction should not define an IP address or host-port mapping, found '1:2'",
                "11 JSON arguments recommended for CMD to prevent unintended behavior related to OS signals",
            ]
        )
    }

    @Test func `checks are chosen by the build argument before the directive`() async throws {
        let text = "# check=skip=all\nFROM scratch AS Big\n"
        let made = try await plan(text) {
            $0.buildArguments.set(bytes("BUILDKIT_DOCKERFILE_CHECK"), to: bytes("skip=Other"))
        }
        #expect(made.warnings.map(\.rule) == [.stageNameCasing])
    }

    @Test(
        .proves("# syntax= in its forms, BUILDKIT_SYNTAX", "BUILDKIT_SYNTAX, BUILDKIT_DOCKERFILE_CHECK"),
        arguments: [
            ("docker/dockerfile", nil), ("docker/dockerfile:1.7-labs", nil),
            ("docker.io/docker/dockerfile-upstream:master", nil),
            ("dockerfile.v0", nil), ("docker/dockerfile:1@sha256:" + String(repeating: "a", count: 64), nil),
            ("mirror.example.com/docker/dockerfile:1", nil),
            (
                "mirror.example.com/me/dockerfile:1",
                "the Dockerfile frontend mirror.example.com/me/dockerfile:1 is not supported by this version of Slipway"
            ),
            (
                "me/frontend:1 --opt",
                "the Dockerfile frontend me/frontend:1 is not supported by this version of Slipway"
            ),
        ] as [(String, String?)]
    )
    func `files for another frontend are refused where none can be run`(name: String, expected: String?) async {
        #expect(await message("# syntax=\(name)\nFROM scratch\n") == expected)
        let found = await message("FROM scratch\n") {
            $0.buildArguments.set(bytes("BUILDKIT_SYNTAX"), to: bytes(name))
        }
        #expect(found == expected)
    }

    @Test(
        .proves("# syntax= in its forms, BUILDKIT_SYNTAX"),
        arguments: ["// syntax=a/b\nx {}", "{\"syntax\": \"a/b\"}", "#!/usr/bin/env x\n# syntax=a/b\nFROM scratch"]
    )
    func `files in another language are told from Dockerfiles`(text: String) {
        let source = SourceText(name: "Dockerfile", bytes: bytes(text))
        let other = otherFrontend(of: source, nil)
        #expect(other?.image == "a/b")
        #expect(other?.refusal.message == "the Dockerfile frontend a/b is not supported by this version of Slipway")
        #expect(otherFrontend(of: source, bytes("docker/dockerfile:1")) == nil)
    }

    @Test func `findings can fail the build`() async {
        #expect(
            await message("# check=error=true\nFROM scratch AS Big\n")
                == "lint violation found for rules: StageNameCasing"
        )
        #expect(await message("# check=error=true;skip=all\nFROM scratch AS Big\n") == nil)
    }
}
