import DockerfileFrontend
import DockerfileSyntax
import LLB
import OCI
import Proofs
import Testing

@Suite struct `Built-in arguments` {
    private func environment(
        _ declared: String,
        _ change: (inout BuildOptions) -> Void = { _ in }
    ) async throws -> [String: String] {
        let made = try await plan("FROM alpine\nARG \(declared)\nRUN x", change)
        let pairs = try #require(made.processes.first).environment.map { variable in
            let sides = variable.text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            return (String(sides[0]), String(sides[1]))
        }
        return Dictionary(pairs, uniquingKeysWith: { $1 }).filter { declared.contains($0.key) && $0.key != "PATH" }
    }

    @Test(.proves("Platform arguments")) func `of platforms and the target are there to be declared`() async throws {
        let names = ["PLATFORM", "OS", "ARCH", "VARIANT", "OSVERSION"]
        let all = names.flatMap { ["TARGET\($0)", "BUILD\($0)"] } + ["TARGETSTAGE"]
        let found = try await environment(all.joined(separator: " ")) {
            $0.platform = Platform(os: "linux", architecture: "arm", variant: "v6")
        }
        #expect(
            found == [
                "BUILDPLATFORM": "linux/amd64", "BUILDOS": "linux", "BUILDARCH": "amd64", "BUILDVARIANT": "",
                "BUILDOSVERSION": "", "TARGETPLATFORM": "linux/arm/v6", "TARGETOS": "linux", "TARGETARCH": "arm",
                "TARGETVARIANT": "v6", "TARGETOSVERSION": "", "TARGETSTAGE": "default",
            ]
        )
        // Nobody sees one that is not declared, and a given value goes before the real one.
        #expect(try await environment("OTHER=1") == ["OTHER": "1"])
        let given = try await environment("TARGETARCH") {
            $0.buildArguments.set(bytes("TARGETARCH"), to: bytes("z80"))
        }
        #expect(given == ["TARGETARCH": "z80"])
    }

    @Test func `tell the stage that was asked for`() async throws {
        let text = "FROM alpine AS a\nARG TARGETSTAGE\nENV S=$TARGETSTAGE\nFROM a AS b\n"
        #expect(try await plan(text).defaults.environment?.last == "S=b")
        #expect(try await plan(text) { $0.target = "a" }.defaults.environment?.last == "S=a")
    }

    @Test(.proves("BUILDKIT_SANDBOX_HOSTNAME")) func `name the host of commands`() async throws {
        let made = try await plan("FROM alpine\nRUN x") {
            $0.hostname = bytes("option")
            $0.buildArguments.set(bytes("BUILDKIT_SANDBOX_HOSTNAME"), to: bytes("argument"))
        }
        #expect(made.processes.first?.hostname.text == "argument")
        #expect(made.unusedBuildArguments.isEmpty)
    }

    @Test(.proves("cache: namespace by BUILDKIT_CACHE_MOUNT_NS", "BUILDKIT_CACHE_MOUNT_NS"))
    func `separate caches by a namespace`() async throws {
        let text = "FROM alpine\nRUN --mount=type=cache,target=/c/../d/ --mount=type=cache,id=i,target=/e x"
        let made = try await plan(text) {
            $0.buildArguments.set(bytes("BUILDKIT_CACHE_MOUNT_NS"), to: bytes("team"))
        }
        let ids = try #require(made.executions.first).mounts.compactMap { mount in
            if case .cache(let id, _) = mount.kind { id.text } else { nil }
        }
        #expect(ids == ["team//d", "team/i"])
    }

    @Test(.proves("BUILDKIT_SBOM_SCAN_CONTEXT, BUILDKIT_SBOM_SCAN_STAGE")) func `for scans reach no command`()
        async throws
    {
        let found = try await environment("BUILDKIT_SBOM_SCAN_STAGE=true BUILDKIT_SBOM_SCAN_CONTEXT=true A=1")
        #expect(found == ["A": "1"])
    }

    @Test(.proves("BUILDKIT_INLINE_CACHE, BUILDKIT_BUILD_NAME"))
    func `that mean something to other parts are no mistake`() async throws {
        let names = [
            "BUILDKIT_INLINE_CACHE", "BUILDKIT_MULTI_PLATFORM", "BUILDKIT_BUILD_NAME", "BUILDKIT_CONTEXT_KEEP_GIT_DIR",
        ]
        let made = try await plan("FROM alpine\nRUN x") { options in
            for name in names { options.buildArguments.set(bytes(name), to: bytes("1")) }
        }
        #expect(made.unusedBuildArguments.isEmpty)
        #expect(made.processes.first?.environment.contains { $0.text.contains("BUILDKIT") } == false)
    }

    @Test(
        .proves("SOURCE_DATE_EPOCH"),
        arguments: [
            ("FROM scratch AS s\nCOPY a /\n", "does not meet source-only requirements: unsupported copy instruction"),
            ("FROM alpine AS s\nADD https://example.com/a /\n", "must use FROM scratch"),
            ("FROM scratch AS s\nARG A=b\n", "must contain exactly one remote ADD"),
            (
                "FROM scratch AS s\nADD https://example.com/a /\nADD https://example.com/b /\n",
                "must contain exactly one remote ADD"
            ),
            (
                "FROM scratch AS s\nADD https://example.com/a https://example.com/b /\n",
                "must contain exactly one remote ADD source"
            ),
            ("FROM scratch AS s\nADD a /\n", "source must be a single HTTP(S) or Git ADD"),
        ]
    )
    func `take a time from stages only that add one thing from elsewhere`(stage: String, reason: String) async throws {
        let text = "ARG SOURCE_DATE_EPOCH=S\n\(stage)FROM scratch\n"
        let error = await #expect(throws: FrontendError.self) { try await plan(text) }
        #expect(error?.message.hasPrefix("SOURCE_DATE_EPOCH stage ") == true)
        #expect(error?.message.hasSuffix(reason) == true, "\(error?.message ?? "")")
        #expect(error?.frame.contains("2 | >>> FROM") == true)
        let given = try await plan(text) { $0.buildArguments.set(bytes("SOURCE_DATE_EPOCH"), to: bytes("1")) }
        #expect(given.sourceDate == .time(1))
    }

    @Test func `take a time from the source of a stage`() async throws {
        let made = try await plan(
            """
            ARG SOURCE_DATE_EPOCH=S
            FROM scratch AS s
            ARG NAME=a
            ADD --unpack https://example.com/$NAME /
            FROM scratch
            """
        )
        guard case .source(let output)? = made.sourceDate, case .source(let source) = output.node.operation else {
            Issue.record("no source: \(String(describing: made.sourceDate))")
            return
        }
        #expect(source.identifier.text == "https://example.com/a")
        #expect(try await plan("ARG SOURCE_DATE_EPOCH=context\nFROM scratch\n").sourceDate == .unknown)
    }
}

@Suite struct `Places of variables` {
    /// What an instruction makes of the image, with `$V` being `x`.
    private func defaults(_ text: String) async throws -> ContainerDefaults {
        try await plan("FROM alpine\nENV V=x P=\"80 81/udp\"\n" + text).defaults
    }

    @Test(.proves("Where variables are replaced, and where not")) func `are those of BuildKit`() async throws {
        #expect(try await defaults("LABEL $V=$V").labels == ["x": "x"])
        #expect(try await defaults("ENV a$V=$V").environment?.last == "ax=x")
        #expect(try await defaults("ARG a=$V\nENV b=$a").environment?.last == "b=x")
        #expect(try await defaults("EXPOSE $P").exposedPorts?.keys.sorted() == ["80/tcp", "81/udp"])
        #expect(try await defaults("STOPSIGNAL ${V:+9}").stopSignal == "9")
        #expect(try await defaults("USER $V:$V").user == "x:x")
        #expect(try await defaults("VOLUME /$V").volumes?.keys.sorted() == ["/x"])
        #expect(try await defaults("VOLUME [\"/$V\"]").volumes?.keys.sorted() == ["/x"])
        #expect(try await defaults("WORKDIR /$V").workingDirectory == "/x")
        for instruction in ["COPY", "ADD"] {
            let made = try await plan("FROM alpine\nENV V=7\n\(instruction) --chown=$V --chmod=$V$V a$V /b$V")
            let copy = try #require(made.copies.first)
            #expect(copy.source.text == "/a7")
            #expect(copy.destination.text == "/b7")
            #expect(copy.mode == .bits(0o77))
            #expect(copy.owner?.user == .id(7))
        }
        let run = try await plan("FROM alpine\nENV V=/x N=none\nRUN --mount=type=tmpfs,target=$V a")
        #expect(run.executions.first?.mounts.map(\.destination.text) == ["/", "/x"])
        let platform = try await plan("ARG A=arm64\nFROM --platform=linux/$A alpine\nRUN x")
        #expect(platform.definition.nodes.first?.platform?.architecture == "arm64")
    }

    @Test(.proves("Where variables are replaced, and where not")) func `leave the rest alone`() async throws {
        #expect(try await defaults("CMD echo $V").command == ["/bin/sh", "-c", "echo $V"])
        #expect(try await defaults("CMD [\"$V\"]").command == ["$V"])
        #expect(try await defaults("ENTRYPOINT [\"$V\"]").entrypoint == ["$V"])
        #expect(try await defaults("HEALTHCHECK CMD a $V").healthcheck?.test == ["CMD-SHELL", "a $V"])
        #expect(try await defaults("SHELL [\"$V\"]").shell == ["$V"])
        #expect(try await defaults("ONBUILD USER $V").onBuild == ["USER $V"])
        let run = try await plan("FROM alpine\nENV V=x\nRUN echo $V")
        #expect(run.processes.first?.arguments.map(\.text) == ["/bin/sh", "-c", "echo $V"])
        let exclude = try await plan("FROM alpine\nENV V=x\nCOPY --exclude=$V a /b")
        #expect(exclude.copies.first?.excludePatterns.map(\.text) == ["$V"])
        #expect(await message("FROM alpine\nENV V=x\nCOPY --from=$V a /b")?.contains("--from") == true)
        // A trigger's variables are those of the stage that it fires in.
        let fired = try await plan("FROM alpine AS a\nENV V=x\nONBUILD ENV W=$V\nFROM a\n")
        #expect(fired.defaults.environment?.last == "W=x")
    }
}
