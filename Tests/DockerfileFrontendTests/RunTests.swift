import DockerfileFrontend
import DockerfileSyntax
import LLB
import OCI
import Proofs
import Testing

@Suite struct `RUN` {
    @Test(
        .proves(
            "RUN: shell, exec, heredoc",
            "RUN with a heredoc alone, or with a #! line",
            "RUN with a command and heredocs",
            "Titles of steps"
        ),
        arguments: [
            ("RUN a b", ["/bin/sh", "-c", "a b"], "[2/2] RUN a b"),
            ("RUN [\"a\", \"b c\"]", ["a", "b c"], "[2/2] RUN [\"a\", \"b c\"]"),
            ("run a \\\n  b", ["/bin/sh", "-c", "a   b"], "[2/2] RUN a   b"),
            ("RUN <<EOF\na\nb\nEOF", ["/bin/sh", "-c", "a\nb\n"], "[2/2] RUN <<EOF (a...)"),
            ("RUN <<-EOF\n\ta\n\tEOF", ["/bin/sh", "-c", "a\n"], "[2/2] RUN <<-EOF (a)"),
            ("RUN cat <<EOF >x\na\nEOF", ["/bin/sh", "-c", "cat <<EOF >x\na\nEOF"], "[2/2] RUN cat <<EOF >x"),
            ("RUN a <<X 3<<Y\n1\nX\n2\nY", ["/bin/sh", "-c", "a <<X 3<<Y\n1\nX\n2\nY"], "[2/2] RUN a <<X 3<<Y"),
            (
                "RUN echo $BASE '$BASE' $NONE", ["/bin/sh", "-c", "echo $BASE '$BASE' $NONE"],
                "[2/2] RUN echo yes '$BASE' $NONE"
            ),
        ] as [(String, [String], String)]
    )
    func `becomes a process`(text: String, arguments: [String], title: String) async throws {
        let made = try await plan("FROM alpine\n" + text)
        #expect(made.processes.first?.arguments.map(\.text) == arguments)
        #expect(made.titles.last == title)
    }

    @Test(.proves("RUN with a heredoc alone, or with a #! line")) func `writes a script with an interpreter to a file`()
        async throws
    {
        let made = try await plan("FROM alpine\nRUN <<EOF\n#!/usr/bin/env python3\nprint(1)\nEOF")
        let exec = try #require(made.executions.first)
        #expect(exec.process.arguments.map(\.text) == ["/bin/sh", "-c", "/dev/pipes/EOF"])
        let mount = try #require(exec.mounts.first { $0.destination.text == "/dev/pipes/" })
        #expect(mount.isReadOnly)
        guard case .makeFile(let file)? = made.changes.first else {
            Issue.record("no file")
            return
        }
        #expect(file.mode == 0o755)
        #expect(file.content.text == "#!/usr/bin/env python3\nprint(1)\n")
    }

    @Test(.proves("USER")) func `sees directory, user, environment and what the build was given`() async throws {
        let made = try await plan("FROM alpine\nWORKDIR /a\nWORKDIR b\nUSER u:g\nRUN x") { options in
            options.hostname = bytes("h")
            options.extraHosts = [HostAddress(host: bytes("n"), address: bytes("1.2.3.4"))]
            options.sharedMemorySize = 1 << 20
            options.network = .none
        }
        let exec = try #require(made.executions.first)
        #expect(exec.process.directory.text == "/a/b")
        #expect(exec.process.user.text == "u:g")
        #expect(exec.process.hostname.text == "h")
        #expect(exec.process.extraHosts.count == 1)
        #expect(exec.process.removesMountStubsRecursively)
        #expect(exec.network == .none)
        #expect(exec.mounts.map(\.destination.text) == ["/", "/dev/shm"])
    }

    @Test(.proves("RUN --mount", "bind", "cache")) func `mounts what it asks for, in the order of destinations`()
        async throws
    {
        let text = """
            FROM alpine AS tools
            FROM alpine
            ENV D=/data
            WORKDIR /w
            RUN --mount=type=tmpfs,target=/t,size=1m --mount=type=cache,id=k,target=c,sharing=locked \\
                --mount=source=src,target=${D}/s --mount=from=tools,source=/bin,target=/b,rw x
            """
        let made = try await plan(text)
        let exec = try #require(made.executions.first)
        let shown = exec.mounts.map { mount in
            "\(mount.destination.text) \(mount.selector.text) \(mount.isReadOnly) \(mount.output.map(String.init) ?? "-")"
        }
        #expect(shown == ["/  false 0", "/b /bin false -", "/data/s /src true -", "/t  false -", "/w/c  false -"])
        #expect(exec.mounts[3].kind == .temporary(size: 1 << 20))
        #expect(exec.mounts[4].kind == .cache(id: bytes("/k"), sharing: .locked))
        #expect(made.local?.followPaths.map(\.text) == ["src"])
    }

    @Test(.proves("cache")) func `gives a cache its owner and permissions`() async throws {
        let made = try await plan("FROM alpine\nRUN --mount=type=cache,target=/c,uid=5,mode=0700 x")
        let mount = try #require(made.executions.first?.mounts.last)
        #expect(mount.selector.text == "/cache")
        guard case .makeDirectory(let directory)? = made.changes.first else {
            Issue.record("no directory")
            return
        }
        #expect(directory.mode == 0o700)
        #expect(directory.owner == Owner(user: .id(5), group: .id(0)))
    }

    @Test(
        .proves("Targets, variables, unknown keys and values"),
        arguments: [
            ("RUN --mount=type=ssh,source=/a x", "ssh does not support source"),
            (
                "RUN --security=insecure x",
                "security.insecure is not allowed: RUN --security=insecure needs --allow security.insecure"
            ),
            ("RUN --network=host x", "network.host is not allowed: RUN --network=host needs --allow network.host"),
            ("RUN --mount=target=/ x", "invalid mount target \"/\""),
            ("RUN --mount=type=$T,target=/x x", "unsupported mount type \"\""),
            ("RUN []", "RUN with an empty list has nothing to run: arguments are required"),
        ]
    )
    func `that cannot be done is refused`(text: String, expected: String) async {
        #expect(await message("FROM alpine\n" + text) == expected)
    }

    @Test func `asks whether it may have a device, and shows where it may not`() async throws {
        let text = "FROM alpine\nRUN --device=a.b/c=d,required x\nRUN --device=a.b/c=e x"
        let made = try await plan(text)
        #expect(made.executions.map { $0.devices.map(\.name.text) } == [["a.b/c=d"], ["a.b/c=e"]])
        #expect(made.executions.map { $0.devices.map(\.isOptional) } == [[false], [true]])
        let error = await #expect(throws: FrontendError.self) {
            try await plan(text) { $0.deviceObstacle = { $0.isOptional ? "not that one" : nil } }
        }
        #expect(error?.message == "not that one" && error?.frame.contains("3 | >>> RUN --device") == true)
    }

    @Test func `masks what secrets fill in titles`() async throws {
        let made = try await plan("FROM alpine\nRUN --mount=type=secret,id=t,env=BASE --mount=type=ssh echo $BASE")
        #expect(made.titles.last == "[stage-0 2/2] RUN --mount=type=secret,id=t,env=BASE --mount=type=ssh echo ****")
    }

    /// Targets and defaults as the Dockerfile reference gives them; what the client provides comes after the trees.
    @Test(
        .proves("RUN --mount", "secret", "ssh"),
        arguments: [
            ("type=secret,id=a/b", "/run/secrets/b", .secret(ClientFile(id: bytes("a/b"), isOptional: true))),
            ("type=secret,src=s", "/run/secrets/s", .secret(ClientFile(id: bytes("s"), isOptional: true))),
            ("type=secret,target=/x/y", "/x/y", .secret(ClientFile(id: bytes("y"), isOptional: true))),
            (
                "type=secret,id=a,target=t,mode=0440,uid=1,gid=2,required", "t",
                .secret(ClientFile(id: bytes("a"), userID: 1, groupID: 2, mode: 0o440))
            ),
            (
                "type=ssh", "/run/buildkit/ssh_agent.0",
                .ssh(ClientFile(id: bytes("default"), mode: 0o600, isOptional: true))
            ),
            (
                "type=ssh,id=k,target=/s,required=true,uid=7", "/s",
                .ssh(ClientFile(id: bytes("k"), userID: 7, mode: 0o600))
            ),
        ] as [(String, String, Mount.Kind)]
    )
    func `asks the client for secrets and agents`(flag: String, target: String, kind: Mount.Kind) async throws {
        let made = try await plan("FROM alpine\nRUN --mount=type=tmpfs,target=/zz --mount=\(flag) x")
        let exec = try #require(made.executions.first)
        #expect(exec.mounts.map(\.destination.text) == ["/", "/zz", target])
        #expect(exec.mounts.last?.kind == kind)
        let variable = exec.process.environment.first { $0.text.hasPrefix("SSH_AUTH_SOCK=") }
        #expect(variable?.text == (flag.hasPrefix("type=ssh") ? "SSH_AUTH_SOCK=\(target)" : nil))
    }

    @Test(.proves("secret")) func `takes secrets as variables, and as files too where a target is named`() async throws
    {
        let made = try await plan(
            "FROM alpine\nRUN --mount=type=secret,id=a,env=A --mount=type=secret,id=b,env=B,target=/b,required x"
        )
        let exec = try #require(made.executions.first)
        #expect(
            exec.secretEnvironment == [
                SecretVariable(id: bytes("a"), name: bytes("A"), isOptional: true),
                SecretVariable(id: bytes("b"), name: bytes("B")),
            ]
        )
        #expect(exec.mounts.map(\.destination.text) == ["/", "/b"])
    }

    @Test func `may be unconfined where that is allowed`() async throws {
        let made = try await plan("FROM alpine\nRUN --security=insecure x") { $0.allowsInsecure = true }
        #expect(made.executions.first?.security == .insecure)
    }

    @Test(.proves("RUN --network")) func `may use the host's network where that is allowed`() async throws {
        let made = try await plan("FROM alpine\nRUN --network=host x") { $0.allowsHostNetwork = true }
        #expect(made.executions.first?.network == .host)
    }

    @Test(.proves("--no-cache (cache key)", "--no-cache")) func `ignores the cache where asked to`() async throws {
        let text = "FROM alpine AS a\nRUN 1\nFROM a AS b\nRUN 2"
        func ignoring(_ bypass: BuildOptions.CacheBypass) async throws -> [Bool] {
            let made = try await plan(text) { $0.cacheBypass = bypass }
            return made.definition.nodes.map(\.metadata.ignoresCache)
        }
        #expect(try await ignoring(.nowhere) == [false, false, false])
        #expect(try await ignoring(.everywhere) == [false, true, true])
        #expect(try await ignoring(.stages(["B"])) == [false, false, true])
    }
}
