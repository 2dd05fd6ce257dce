import DockerfileFrontend
import DockerfileSyntax
import LLB
import OCI
import Proofs
import Testing

@Suite struct `Arguments and variables` {
    /// The environment of the only RUN.
    private func environment(
        _ text: String,
        images: Images = Images([alpine: image()]),
        _ change: (inout BuildOptions) -> Void = { _ in }
    ) async throws -> [String] {
        let made = try await plan(text, images: images, change)
        let process = try #require(made.processes.last)
        return process.environment.map(\.text).filter { !$0.hasPrefix("PATH=") && !$0.hasPrefix("BASE=") }
    }

    @Test(
        .proves(
            "ENV, both forms",
            "One instruction sees what was before it",
            "Global ARG",
            "ARG of a stage and of stages built on it",
            "Order: flag, default in the stage, global value",
            "ENV over ARG"
        ),
        arguments: [
            // A default, a given value, and a given value that nobody declares.
            ("FROM alpine\nARG A=1\nRUN x", [:], ["A=1"]),
            ("FROM alpine\nARG A=1\nRUN x", ["A": "2"], ["A=2"]),
            ("FROM alpine\nRUN x", ["A": "2"], []),
            ("FROM alpine\nARG A\nRUN x", [:], []),
            ("FROM alpine\nARG A\nRUN x", ["A": ""], ["A="]),
            // Global arguments are seen where they are declared again.
            ("ARG A=1\nFROM alpine\nRUN x", [:], []),
            ("ARG A=1\nFROM alpine\nARG A\nRUN x", [:], ["A=1"]),
            ("ARG A=1\nFROM alpine\nARG A=2\nRUN x", [:], ["A=2"]),
            ("ARG A=1\nFROM alpine\nARG A=2\nRUN x", ["A": "3"], ["A=3"]),
            ("ARG A=1\nARG B=$A$A\nFROM alpine\nARG B\nRUN x", [:], ["B=11"]),
            // Before its line an argument is empty; its default sees those before it.
            ("FROM alpine\nENV B=$A\nARG A=1\nRUN x", [:], ["B=", "A=1"]),
            ("FROM alpine\nARG A=1 B=$A\nRUN x", [:], ["A=1", "B=1"]),
            // ENV after ARG wins, and may use it.
            ("FROM alpine\nARG A=1\nENV A=2\nRUN x", ["A": "3"], ["A=2"]),
            ("FROM alpine\nARG A=1\nENV A=${A}x\nRUN x", ["A": "3"], ["A=3x"]),
            // As in BuildKit, ARG after ENV wins.
            ("FROM alpine\nENV A=1\nARG A=2\nRUN x", [:], ["A=2"]),
            // One instruction sees what was before it.
            ("FROM alpine\nENV A=1\nENV A=2 B=$A\nRUN x", [:], ["A=2", "B=1"]),
            // Stages do not share arguments unless one is built on the other.
            ("FROM alpine AS a\nARG A=1\nFROM alpine\nRUN x", [:], []),
            ("FROM alpine AS a\nARG A=1\nENV B=2\nFROM a\nRUN x", [:], ["A=1", "B=2"]),
            // Platforms are there to be declared.
            (
                "FROM alpine\nARG TARGETPLATFORM TARGETOS TARGETARCH BUILDPLATFORM\nRUN x", [:],
                [
                    "TARGETPLATFORM=linux/amd64", "TARGETOS=linux", "TARGETARCH=amd64", "BUILDPLATFORM=linux/amd64",
                ]
            ),
            ("FROM alpine\nARG TARGETARCH\nRUN x", ["TARGETARCH": "z80"], ["TARGETARCH=z80"]),
            ("FROM alpine\nARG TARGETSTAGE\nRUN x", [:], ["TARGETSTAGE=default"]),
            ("FROM alpine AS final\nARG TARGETSTAGE\nRUN x", [:], ["TARGETSTAGE=final"]),
            // Quotes.
            ("FROM alpine\nENV A=\"a  b\" B='$A' C=d\\ e\nRUN x", [:], ["A=a  b", "B=$A", "C=d e"]),
            ("FROM alpine\nENV A a   \"b\" c\nRUN x", [:], ["A=a   b c"]),
        ] as [(String, [String: String], [String])]
    )
    func `reach commands by the rules`(text: String, given: [String: String], expected: [String]) async throws {
        let found = try await environment(text) { options in
            for (name, value) in given { options.buildArguments.set(bytes(name), to: bytes(value)) }
        }
        #expect(Set(found) == Set(expected))
        #expect(found.count == expected.count)
    }

    @Test(.proves("ARG in the history, not in the configuration"))
    func `of the base image are kept in the image, arguments are not`() async throws {
        let made = try await plan("FROM alpine\nARG A=1\nENV B=2 BASE=no\nRUN x")
        #expect(made.defaults.environment == ["PATH=/usr/bin:/bin", "BASE=no", "B=2"])
    }

    @Test(.proves("FROM: default PATH")) func `get a path where the base has none`() async throws {
        let bare = Images([alpine: image { $0.environment = nil }])
        let path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        #expect(try await plan("FROM alpine\nENV A=1", images: bare).defaults.environment == [path, "A=1"])
        #expect(try await plan("FROM scratch\nENV A=1").defaults.environment == [path, "A=1"])
    }

    @Test(.proves("Proxies", "Environment variables of results"))
    func `of proxies reach commands beside the environment and leave no trace`() async throws {
        let made = try await plan("FROM alpine\nRUN x") { options in
            options.buildArguments.set(bytes("HTTP_PROXY"), to: bytes("http://p"))
            options.buildArguments.set(bytes("no_proxy"), to: bytes("local"))
        }
        let process = try #require(made.processes.first)
        #expect(process.proxy?.http.text == "http://p")
        #expect(process.proxy?.none.text == "local")
        #expect(!process.environment.contains { $0.text.contains("proxy") || $0.text.contains("PROXY") })
        #expect(made.ownHistory == ["+ RUN /bin/sh -c x # buildkit"])
        #expect(made.unusedBuildArguments.isEmpty)
    }

    @Test(.proves("Global ARG", "Default tag and registry")) func `expand in FROM from global arguments only`()
        async throws
    {
        let images = Images(["docker.io/library/a:1": image()])
        let made = try await plan("ARG N=a\nARG V\nFROM $N:${V:-1}\nENV x=$N", images: images)
        #expect(made.images.map(\.reference.description) == ["docker.io/library/a:1"])
        #expect(made.defaults.environment?.last == "x=")
        #expect(await message("FROM alpine AS a\nARG N=alpine\nFROM $N") == "base name ($N) should not be blank")
    }

    @Test(.proves("Unused --build-arg")) func `that nothing declares are reported`() async throws {
        let made = try await plan("ARG A\nFROM alpine\nARG B") { options in
            for name in ["A", "B", "C", "BUILDKIT_INLINE_CACHE", "TARGETARCH", "https_proxy"] {
                options.buildArguments.set(bytes(name), to: bytes("x"))
            }
        }
        #expect(made.unusedBuildArguments.map(\.text) == ["C"])
    }

    @Test func `that are bytes stay bytes`() async throws {
        var options = BuildOptions()
        options.buildPlatform = Platform(os: "linux", architecture: "amd64")
        options.buildArguments.set(bytes("A"), to: [0xff, 0xfe])
        let dockerfile = try Dockerfile(parsing: bytes("FROM alpine\nARG A\nENV B=$A\nRUN x"), name: "Dockerfile")
        let made = try await translate(dockerfile, options: options, resolver: Images([alpine: image()]))
        let process = try #require(made.processes.first)
        #expect(process.environment.contains(bytes("B=") + [0xff, 0xfe]))
    }

    @Test(.proves("ARG in the history, not in the configuration", "RUN (history)"))
    func `stand in the history of commands that see them`() async throws {
        let made = try await plan("FROM alpine\nARG A=1\nARG B\nARG A=2\nRUN x\nENV A=3\nRUN y")
        #expect(
            made.ownHistory == [
                "ARG A=1", "ARG B", "ARG A=2", "+ RUN |2 A=2 B= /bin/sh -c x # buildkit", "ENV A=3",
                "+ RUN |2 A=3 B= /bin/sh -c y # buildkit",
            ]
        )
    }
}
