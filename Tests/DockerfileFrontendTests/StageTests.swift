import DockerfileFrontend
import DockerfileSyntax
import LLB
import OCI
import Proofs
import Testing
import Text

@Suite struct `Stages` {
    @Test(
        .proves("Only reachable stages are built", "--target (which stages are built)"),
        arguments: [
            (nil, ["[internal] load build context", "[c 1/1] COPY --from=a /x /y"]),
            ("a", ["[internal] load build context", "[a 1/1] COPY x /x"]),
            ("B", ["[internal] load build context", "[b 1/1] COPY z /z"]),
            ("1", ["[internal] load build context", "[b 1/1] COPY z /z"]),
        ] as [(String?, [String])]
    )
    func `are built only as far as the target reaches`(target: String?, expected: [String]) async throws {
        let text = "FROM scratch AS a\nCOPY x /x\nFROM scratch AS b\nCOPY z /z\nFROM scratch AS c\nCOPY --from=a /x /y"
        let made = try await plan(text) { $0.target = target }
        #expect(Set(expected).isSubset(of: Set(made.titles)))
        #expect(made.titles.contains("[b 1/1] COPY z /z") == (expected.contains("[b 1/1] COPY z /z")))
    }

    @Test func `of Windows have no path, and their version where one is asked for`() async throws {
        let made = try await plan("FROM scratch\nARG TARGETPLATFORM\nLABEL p=$TARGETPLATFORM\nENTRYPOINT a b") {
            $0.platform = try? Platform(parsing: "windows(10.0.1)/amd64")
        }
        #expect(made.defaults.environment == nil)
        #expect(made.defaults.entrypoint == ["cmd", "/S", "/C", "a b"])
        #expect(made.configuration.os == "windows" && made.configuration.osVersion == "10.0.1")
        #expect(made.defaults.labels == ["p": "windows(10.0.1)/amd64"])
    }

    @Test(.proves("Only the paths that are used are read")) func `follow only the paths that the reached ones use`()
        async throws
    {
        let text = "FROM scratch AS a\nCOPY b a/ /x/\nFROM scratch AS b\nCOPY z /z\nFROM a\nADD --chmod=600 c.tar /c"
        let made = try await plan(text)
        #expect(made.local?.followPaths.map(\.text) == ["a", "b", "c.tar"])
        let all = try await plan("FROM scratch\nCOPY a /\nCOPY . /b")
        #expect(all.local?.followPaths.isEmpty == true)
    }

    @Test(.proves("Only the paths that are used are read")) func `pass the ignore file's patterns on`() async throws {
        let made = try await plan("FROM scratch\nCOPY a /") {
            $0.ignoreFile = try? IgnoreFile(parsing: bytes("b\n!/b/c\n"))
        }
        #expect(made.local?.excludePatterns.map(\.text) == ["b", "!b/c"])
    }

    @Test(.proves("SHELL (meaning)", "LABEL")) func `inherit from the stage they are built on`() async throws {
        let text = """
            FROM alpine AS a
            ENV A=1
            WORKDIR /w
            USER u
            SHELL ["/bin/bash", "-c"]
            LABEL l=1
            CMD c
            FROM a AS b
            RUN x
            WORKDIR sub
            """
        let made = try await plan(text)
        let process = try #require(made.processes.first)
        #expect(process.arguments.map(\.text) == ["/bin/bash", "-c", "x"])
        #expect(process.user.text == "u")
        #expect(process.directory.text == "/w")
        #expect(process.environment.map(\.text).contains("A=1"))
        #expect(made.defaults.workingDirectory == "/w/sub")
        #expect(made.defaults.labels == ["l": "1"])
        #expect(made.defaults.command == ["/bin/bash", "-c", "c"])
        #expect(made.titles.contains("[b 1/2] RUN x"))
    }

    @Test(.proves("FROM: forms, names, --platform", "COPY --from"))
    func `of one name: FROM means the last one before it, COPY the last of all`() async throws {
        let text =
            "FROM scratch AS a\nCOPY 1 /\nFROM scratch AS a\nCOPY 2 /\nFROM a\nCOPY --from=A /2 /3\nCOPY --from=0 /1 /4"
        let made = try await plan(text)
        #expect(made.changes.count == 4)
        #expect(made.titles.first { $0.contains("COPY 2") } != nil)
        #expect(made.warnings.map(\.rule) == [.duplicateStageName])
    }

    @Test(.proves("COPY --from")) func `take files from images and from scratch`() async throws {
        let images = Images([alpine: image(), "docker.io/library/nginx:latest": image()])
        let made = try await plan("FROM alpine\nCOPY --from=nginx /a /b\nCOPY --from=nginx /c /d\n", images: images)
        #expect(images.questions.count == 2)
        // As in BuildKit an image among the sources makes titles name the stage, and counts no step of its own.
        #expect(made.titles.contains("[stage-0 2/3] COPY --from=nginx /a /b"))
        #expect(made.titles.filter { $0.hasPrefix("FROM docker.io/library/nginx:latest@sha256:") }.count == 1)
    }

    @Test(
        .proves("COPY --from", "--target (which stages are built)"),
        arguments: [
            ("FROM alpine\nCOPY --from=1 a b", nil, "invalid stage index 1"),
            (
                "FROM alpine AS a\nCOPY --from=b x y\nFROM alpine AS b\n", "a",
                "cannot copy from stage \"b\", it needs to be defined before current stage \"a\""
            ),
            (
                "FROM alpine AS a\nCOPY --from=b x y\nFROM alpine AS b\nCOPY --from=a x y", nil,
                "circular dependency detected on stage: a"
            ),
            ("FROM alpine AS a\nCOPY --from=a x y", nil, "circular dependency detected on stage: a"),
            (
                "FROM alpine AS a\nRUN --mount=from=b,target=/b x\nFROM alpine AS b", "a",
                "cannot mount from stage \"b\" to \"/b\", stage needs to be defined before current command"
            ),
            ("FROM alpine AS build", "biuld", "target stage \"biuld\" could not be found (did you mean build?)"),
            ("FROM alpine", "5", "target stage \"5\" could not be found"),
            (
                "ARG X=alpine\nFROM alpine\nCOPY --from=$X a b", nil,
                "variable expansion is not supported for --from, define a new stage with FROM using ARG from global scope as a workaround"
            ),
            (
                "FROM alpine AS build\nFROM scratch\nCOPY --from=biuld a b", nil,
                "biuld: failed to resolve source metadata for docker.io/library/biuld:latest: not found (did you mean build?)"
            ),
            (
                "FROM alpnie", nil,
                "alpnie: failed to resolve source metadata for docker.io/library/alpnie:latest: not found (did you mean alpine?)"
            ),
            (
                "FROM --platform=linux/amd64/v1/x alpine", nil,
                "failed to parse platform linux/amd64/v1/x: invalid platform \"linux/amd64/v1/x\": expected os/architecture[/variant]"
            ),
            (
                "FROM --platform=$TARGETPLATFROM alpine", nil,
                "empty platform value from expression $TARGETPLATFROM (did you mean TARGETPLATFORM?)"
            ),
            ("FROM ${X:?set}", nil, "failed to process \"${X:?set}\": X: set"),
        ] as [(String, String?, String)]
    )
    func `that cannot be found are explained`(text: String, target: String?, expected: String) async {
        #expect(await message(text) { $0.target = target } == expected)
    }

    @Test func `show the line of an image that is not there`() async throws {
        let error = try await #require(throws: FrontendError.self) { try await plan("FROM alpine\n\nFROM nothing\n") }
        #expect(error.frame.contains("   3 | >>> FROM nothing"))
        #expect(error.description.hasPrefix("Dockerfile:3\n"))
    }

    @Test(.proves("Default tag and registry", "--pull")) func `resolve their images at the same time and each once`()
        async throws
    {
        let images = Images([alpine: image(), "docker.io/library/b:latest": image()])
        let text =
            "FROM alpine AS a\nFROM b AS b\nFROM alpine AS c\nFROM scratch\nCOPY --from=a x .\nCOPY --from=b x .\nCOPY --from=c x ."
        _ = try await plan(text, images: images)
        #expect(
            images.questions == [
                "docker.io/library/alpine:latest linux/amd64", "docker.io/library/b:latest linux/amd64",
            ]
        )
    }

    @Test(.proves("FROM: forms, names, --platform")) func `with a platform of their own are resolved for it`()
        async throws
    {
        let images = Images([alpine: image()])
        let made = try await plan("FROM --platform=linux/arm64 alpine\nRUN x", images: images)
        #expect(images.questions == ["docker.io/library/alpine:latest linux/arm64"])
        #expect(made.definition.nodes.map { $0.platform?.description } == ["linux/arm64", "linux/arm64"])
        #expect(made.warnings.map(\.rule.rawValue) == ["FromPlatformFlagConstDisallowed", "InvalidBaseImagePlatform"])
    }

    @Test(.proves("Platform of a base image")) func `take the platform of a base that has only one`() async throws {
        var foreign = image()
        foreign.architecture = "arm64"
        let images = Images([alpine: foreign])
        let made = try await plan("FROM alpine\nRUN x", images: images)
        #expect(made.configuration.architecture == "arm64")
        #expect(made.warnings.map(\.rule) == [.invalidBaseImagePlatform])
        // Where a platform is asked for, the image says that it is of that one, as BuildKit has it.
        let asked = try await plan("FROM alpine\nRUN x", images: images) {
            $0.platform = Platform(os: "linux", architecture: "amd64")
        }
        #expect(asked.configuration.architecture == "amd64")
    }

    @Test(.proves("--platform")) func `for another platform say so in the image and in titles`() async throws {
        let made = try await plan("FROM --platform=$BUILDPLATFORM alpine\nARG TARGETPLATFORM\nRUN x") {
            $0.platform = Platform(os: "linux", architecture: "arm64")
            $0.isMultiPlatform = true
        }
        #expect(made.configuration.architecture == "arm64")
        #expect(made.titles.last == "[linux/amd64->arm64 2/2] RUN x")
    }

    @Test func `number their steps with equal width`() async throws {
        let text = "FROM scratch\n" + (1...10).map { "COPY f\($0) /\n" }.joined()
        let made = try await plan(text)
        #expect(made.titles.contains("[ 1/10] COPY f1 /"))
        #expect(made.titles.contains("[10/10] COPY f10 /"))
    }

    @Test func `that are empty give the empty image`() async throws {
        let made = try await plan("FROM scratch")
        #expect(made.definition.target == nil)
        #expect(made.defaults.workingDirectory == "/")
        #expect(made.configuration.history == nil)
    }

    @Test func `from an image without layers start from nothing`() async throws {
        var empty = image()
        empty.rootFileSystem = RootFileSystem(diffIDs: [])
        empty.history = [HistoryEntry(created: nil, createdBy: "ENV a=b", emptyLayer: true)]
        let made = try await plan("FROM alpine\nCOPY a /", images: Images([alpine: empty]))
        #expect(made.titles == ["[internal] load build context", "[1/2] COPY a /"])
        #expect(made.defaults.environment?.contains("BASE=yes") == true)
    }
}

@Suite struct `Triggers` {
    @Test(.proves("ONBUILD (meaning)")) func `of the base image run first and are not left to others`() async throws {
        let base = image { $0.onBuild = ["COPY . /app", "RUN make\n"] }
        let made = try await plan("FROM alpine\nRUN own", images: Images([alpine: base]))
        #expect(made.titles.suffix(3) == ["[2/4] ONBUILD COPY . /app", "[3/4] ONBUILD RUN make", "[4/4] RUN own"])
        #expect(made.defaults.onBuild == nil)
        #expect(made.steps.values.map(\.slot).sorted() == ["0/0", "0/1", "0/onbuild1", "0/onbuild2"])
        #expect(made.steps.values.filter { $0.slot.hasPrefix("0/onbuild") }.allSatisfy { $0.range.start.line == 1 })
    }

    @Test(.proves("ONBUILD", "On RUN, COPY, ADD and in ONBUILD of these"))
    func `are kept for children, with their heredocs`() async throws {
        let made = try await plan("FROM alpine\nONBUILD RUN <<EOF\na\nEOF\nONBUILD USER x")
        #expect(made.defaults.onBuild == ["RUN <<EOF\na\nEOF", "USER x"])
        #expect(made.ownHistory.isEmpty)
        #expect(made.defaults.user == nil)
    }

    @Test(.proves("ONBUILD (meaning)")) func `of a stage run in the stages built on it`() async throws {
        let text =
            "FROM alpine AS a\nONBUILD ENV A=1\nONBUILD COPY --from=c /x /y\nFROM scratch AS c\nCOPY x /x\nFROM a AS b\nFROM b"
        let made = try await plan(text)
        #expect(made.defaults.environment?.last == "A=1")
        #expect(made.titles.contains("[b 1/2] ONBUILD COPY --from=c /x /y"))
        // Not again in the grandchild.
        #expect(made.titles.filter { $0.contains("ONBUILD") }.count == 1)
    }

    @Test(.proves("ONBUILD (meaning)")) func `may need images that nothing else needs`() async throws {
        let images = Images([
            alpine: image { $0.onBuild = ["COPY --from=busybox /bin /bin"] },
            "docker.io/library/busybox:latest": image(),
        ])
        _ = try await plan("FROM alpine", images: images)
        #expect(images.questions.count == 2)
    }

    @Test func `that are wrong point at FROM`() async throws {
        let images = Images([alpine: image { $0.onBuild = ["RUNN x"] }])
        let error = try await #require(throws: DockerfileError.self) { try await plan("FROM alpine", images: images) }
        #expect(error.frame.contains(">>> FROM alpine"))
    }
}
