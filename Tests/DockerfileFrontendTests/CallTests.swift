import DockerfileFrontend
import DockerfileSyntax
import OCI
import Proofs
import Testing
import Text

/// What a Dockerfile can be asked without being built; the documents are those of BuildKit's frontend.
@Suite struct `Calls` {
    private func report(
        _ text: String,
        images: Images = Images([alpine: image()]),
        _ change: (inout BuildOptions) -> Void = { _ in }
    ) async throws -> CheckReport {
        var options = BuildOptions()
        options.buildPlatform = Platform(os: "linux", architecture: "amd64")
        change(&options)
        do {
            let dockerfile = try Dockerfile(parsing: bytes(text), name: "Dockerfile")
            return try await check(dockerfile, options: options, resolver: images)
        } catch let error as DockerfileError {
            return CheckReport(error, in: bytes(text), name: "Dockerfile", options: options)
        }
    }

    private func outlined(
        _ text: String,
        target: String? = nil,
        arguments: [String: String] = [:]
    ) async throws -> Outline {
        var options = BuildOptions()
        options.target = target
        for (name, value) in arguments { options.buildArguments.set(bytes(name), to: bytes(value)) }
        let images = Images([alpine: image(), "docker.io/library/busybox:latest": image()])
        let dockerfile = try Dockerfile(parsing: bytes(text), name: "Dockerfile")
        return try await outline(dockerfile, options: options, resolver: images)
    }

    @Test(.proves("Only reachable stages are built")) func `check looks at every stage, or at what a target needs`()
        async throws
    {
        let text = "FROM alpine AS unused\nCMD a\nFROM alpine AS last\nCMD b\n"
        #expect(try await report(text).warnings.map(\.range.start.line) == [2, 4])
        #expect(try await report(text) { $0.target = "last" }.warnings.map(\.range.start.line) == [4])
        #expect(try await report(text) { $0.target = "unused" }.warnings.map(\.range.start.line) == [2])
    }

    @Test(.proves("check of a file that cannot be built")) func `check keeps what was found before an error`()
        async throws
    {
        let parsing = try await report("FROM alpine as a\nMAINTAINER b\nRUNN c\n")
        #expect(parsing.warnings.map(\.rule) == [.fromAsCasing, .maintainerDeprecated])
        #expect(
            parsing.error?.message == "dockerfile parse error on line 3: unknown instruction: RUNN (did you mean RUN?)"
        )
        #expect(parsing.error?.ranges.map(\.lines) == [3...3])
        let splitting = try await report("FROM alpine as a\nENV b\n")
        #expect(splitting.warnings.isEmpty)
        #expect(splitting.error?.message == "ENV must have two arguments")
        let building = try await report("FROM alpine\nCMD a\nSTOPSIGNAL b\n")
        #expect(building.warnings.map(\.rule) == [.jsonArgsRecommended])
        #expect(building.error?.message == "invalid signal: b")
        let missing = try await report("FROM nothing\n")
        #expect(missing.error?.ranges.map(\.lines) == [1...1])
        let failing = try await report("# check=error=true\nFROM alpine AS A\n")
        #expect(failing.error?.message == "lint violation found for rules: StageNameCasing")
        #expect(failing.error?.ranges.isEmpty == true)
        let options = try await report("# check=no\nFROM alpine\n")
        #expect(options.error?.message == "failed to parse check options: invalid check option \"no\"")
    }

    @Test(.proves("check")) func `the document of check is BuildKit's`() async throws {
        let clean = try await report("FROM scratch\n")
        #expect(
            clean.json.indented == """
                {
                  "warnings": null,
                  "sources": [
                    {
                      "filename": "Dockerfile",
                      "data": "RlJPTSBzY3JhdGNoCg==",
                      "language": "Dockerfile"
                    }
                  ]
                }
                """
        )
        let found = try await report("FROM scratch AS A\nSTOPSIGNAL <\\\n>\n")
        #expect(
            found.json.indented == """
                {
                  "warnings": [
                    {
                      "ruleName": "StageNameCasing",
                      "description": "Stage names should be lowercase",
                      "url": "https://docs.docker.com/go/dockerfile/rule/stage-name-casing/",
                      "detail": "Stage name 'A' should be lowercase",
                      "location": {
                        "ranges": [
                          {
                            "start": {
                              "line": 1
                            },
                            "end": {
                              "line": 1
                            }
                          }
                        ]
                      }
                    }
                  ],
                  "sources": [
                    {
                      "filename": "Dockerfile",
                      "data": "RlJPTSBzY3JhdGNoIEFTIEEKU1RPUFNJR05BTCA8XAo+Cg==",
                      "language": "Dockerfile"
                    }
                  ],
                  "buildError": {
                    "message": "invalid signal: \\u003c\\u003e",
                    "location": {
                      "ranges": [
                        {
                          "start": {
                            "line": 2
                          },
                          "end": {
                            "line": 2
                          }
                        },
                        {
                          "start": {
                            "line": 3
                          },
                          "end": {
                            "line": 3
                          }
                        }
                      ]
                    }
                  }
                }
                """
        )
    }

    @Test(.proves("outline")) func `outline lists what the target and its stages can be given`() async throws {
        // The example of buildx's own test.
        let text = """
            FROM busybox AS first
            RUN --mount=type=secret,target=/etc/passwd --mount=type=ssh true
            FROM alpine AS second
            RUN --mount=type=secret,id=unused --mount=type=ssh,id=ssh2 true
            FROM scratch AS third
            ARG BAR
            RUN --mount=type=secret,id=second${BAR} true
            FROM third AS target
            COPY --from=first /foo /
            RUN --mount=type=ssh,id=ssh3 true
            FROM second
            """
        let outline = try await outlined(text, target: "target", arguments: ["BAR": "678"])
        #expect(outline.name == "target")
        #expect(outline.arguments.map { "\($0.name.text)=\($0.value.text)" } == ["BAR=678"])
        #expect(outline.secrets.map { $0.name.text } == ["passwd", "second678"])
        #expect(outline.agents.map { $0.name.text } == ["default", "ssh3"])
        #expect(outline.secrets.map(\.range.start.line) == [2, 7])
    }

    @Test(.proves("Doc comments")) func `outline describes arguments, and follows their defaults`() async throws {
        let text = """
            # NAME is who
            ARG NAME=world
            # GREETING is what is said
            ARG GREETING="hello $NAME"
            ARG UNUSED=1
            # BASE is where it starts
            ARG BASE=alpine
            # all does everything
            FROM $BASE AS all
            # LOUD makes noise
            ARG LOUD=no GREETING
            """
        let outline = try await outlined(text)
        #expect(outline.documentation.text == "does everything")
        #expect(
            outline.arguments.map {
                "\($0.range.start.line) \($0.name.text)=\($0.value.text): \($0.documentation.text)"
            }
                == [
                    "2 NAME=world: is who", "4 GREETING=hello world: is what is said",
                    "7 BASE=alpine: is where it starts",
                    "11 LOUD=no: makes noise",
                ]
        )
        #expect(
            try await outlined("FROM alpine\nARG A=b").json.indented == """
                {
                  "args": [
                    {
                      "name": "A",
                      "value": "b",
                      "location": {
                        "ranges": [
                          {
                            "start": {
                              "line": 2
                            },
                            "end": {
                              "line": 2
                            }
                          }
                        ]
                      }
                    }
                  ],
                  "sources": [
                    "RlJPTSBhbHBpbmUKQVJHIEE9Yg=="
                  ]
                }
                """
        )
    }

    @Test(.proves("targets")) func `targets are listed as they are written`() throws {
        let text = "ARG V=1\n# build makes\nFROM --platform=$BUILDPLATFORM alpine:$V AS Build\nFROM scratch\n"
        let dockerfile = try Dockerfile(parsing: bytes(text), name: "Dockerfile")
        func location(_ line: Int) -> String {
            """
                  "location": {
                    "ranges": [
                      {
                        "start": {
                          "line": \(line)
                        },
                        "end": {
                          "line": \(line)
                        }
                      }
                    ]
                  }
            """
        }
        #expect(
            dockerfile.targetsJSON.indented == """
                {
                  "targets": [
                    {
                      "name": "build",
                      "description": "makes",
                      "base": "alpine:$V",
                      "platform": "$BUILDPLATFORM",
                \(location(3))
                    },
                    {
                      "default": true,
                      "base": "scratch",
                \(location(4))
                    }
                  ],
                  "sources": [
                    "\(base64(bytes(text)))"
                  ]
                }
                """
        )
    }

    @Test(.proves("subrequests.describe")) func `requests are described as BuildKit's frontend does`() {
        let text = FrontendRequest.json.indented
        #expect(
            text.hasPrefix(
                "[\n  {\n    \"name\": \"frontend.outline\",\n    \"version\": \"1.0.0\",\n    \"type\": \"rpc\","
            )
        )
        #expect(text.contains("\"opts\": [\n      {\n        \"name\": \"target\","))
        #expect(text.contains("\"opts\": [],\n    \"inputs\": null,"))
        #expect(
            FrontendRequest.all.map(\.name) == [
                "frontend.outline", "frontend.targets", "frontend.subrequests.describe",
            ]
        )
    }
}
