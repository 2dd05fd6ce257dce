import Foundation
import Proofs
import Testing

/// What `build` tells besides its result: errors in detail, logs within limits, documents, labels.
@Suite(.requires(.root, .program("crun")))
struct `What a build tells` {
    private let scratch: TemporaryDirectory

    init() throws { scratch = try TemporaryDirectory() }

    private var context: URL { scratch.url.appending(path: "context") }

    private func build(
        _ dockerfile: String,
        _ options: String...,
        environment: [String: String] = [:]
    ) async throws -> ProgramResult {
        try scratch.write(dockerfile, to: "context/Dockerfile")
        return try await Slipway.shared().run(["build"] + options + ["."], in: context, environment: environment)
    }

    private func document(_ name: String) throws -> [String: Any] {
        let data = try Data(contentsOf: context.appending(path: name))
        return try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
    }

    @Test(.proves("-D, --debug"), arguments: ["-D", "--debug"])
    func `of an error, with --debug, is the step, its operation and its causes`(
        flag: String
    ) async throws {
        let failed = try await build("FROM busybox\nWORKDIR /srv\nRUN exit 7\n", flag)
        #expect(failed.status == 1)
        let parts = failed.errorText.split(separator: "\nWhat failed, each followed by its cause:\n")
        try #require(parts.count == 2, "\(failed.errorText)")
        #expect(parts[0].hasSuffix("did not complete successfully: exit code: 7\n"))
        let account = parts[1].split(separator: "\n").map(String.init)
        #expect(account.first == "  step [3/3] RUN exit 7")
        for line in ["    Dockerfile:3", "        arg exit 7", "        cwd /srv"] {
            #expect(account.contains(line), "\(account)")
        }
        #expect(account.last?.hasPrefix("  OperationError: process \"/bin/sh -c exit 7\"") == true)
        let usual = try await build("FROM busybox\nRUN exit 7\n")
        #expect(!usual.errorText.contains("What failed"))
    }

    @Test(.proves("quiet")) func `in quiet is the image's id, and quiet goes with no other progress`() async throws {
        let quiet = try await build("FROM scratch\nCOPY Dockerfile /\n", "--progress=quiet")
        #expect(quiet.status == 0 && quiet.text.hasPrefix("sha256:") && quiet.errorText.isEmpty)
        let flag = try await build("FROM scratch\nCOPY Dockerfile /\n", "-q", "--progress=none")
        #expect(flag.text == quiet.text)
        let none = try await build("FROM scratch\nCOPY Dockerfile /\n", "--progress=none")
        #expect(none.status == 0 && none.text.isEmpty && none.errorText.isEmpty)
        let both = try await build("FROM scratch\n", "-q", "--progress=plain")
        #expect(both.status == 1)
        #expect(both.errorText == "ERROR: failed to build: progress=plain and quiet cannot be used together\n")
        let terminal = try await build("FROM scratch\n", "--progress=tty")
        #expect(terminal.status == 1)
        #expect(terminal.errorText.contains("failed to get console: the standard error output is not a terminal"))
    }

    @Test(.proves("result.json, result.txt, version"))
    func `of --call goes to the metadata file as BuildKit's frontend says it`() async throws {
        let checked = try await build(
            "FROM scratch AS Base\n",
            "--check",
            "--metadata-file",
            "m.json",
            "--iidfile",
            "id"
        )
        #expect(checked.status == 1)
        let check = try document("m.json")
        let result = try #require(check["result.json"] as? [String: Any])
        #expect((result["warnings"] as? [[String: Any]])?.first?["ruleName"] as? String == "StageNameCasing")
        #expect(check["result.statuscode"] as? String == "1")
        #expect((check["result.txt"] as? String)?.hasPrefix("\nWARNING: StageNameCasing - https:") == true)
        #expect(check["version"] as? String == "1.0.0")
        #expect(try String(contentsOf: context.appending(path: "id"), encoding: .utf8) == "")

        let outlined = try await build("FROM scratch\nARG A=1\n", "--call=outline", "--metadata-file", "m.json")
        #expect(outlined.status == 0)
        let outline = try document("m.json")
        #expect(outline["result.txt"] as? String == outlined.text)
        #expect(Set(outline.keys) == ["result.json", "result.txt", "version"])

        let described = try await build("FROM scratch\n", "--call=subrequests.describe", "--metadata-file", "m.json")
        #expect(described.status == 0)
        #expect((try document("m.json")["result.json"] as? [[String: Any]])?.count == 3)

        let broken = try await build(
            "FROM scratch\nRUNN x\n",
            "--call=check,ignorestatus=true",
            "--metadata-file",
            "m.json"
        )
        #expect(broken.status == 1, "an error is no finding")
        let failure = try #require(try document("m.json")["result.json"] as? [String: Any])
        #expect((failure["buildError"] as? [String: Any])?["message"] != nil)
    }

    @Test(.proves("--call, --check, --print")) func `is asked by the last of --call and --check`() async throws {
        let dockerfile = "FROM scratch AS Base\n"
        #expect(try await build(dockerfile, "--call=targets", "--check").status == 1)
        #expect(try await build(dockerfile, "--check", "--call=targets").text.hasPrefix("TARGET"))
        #expect(try await build(dockerfile, "--call=targets", "--check=false").text.hasPrefix("TARGET"))
    }

    @Test(.proves("--iidfile")) func `of an image that failed leaves no id of an earlier one`() async throws {
        try await Slipway.shared().succeed("version")
        let made = try await build("FROM scratch\nCOPY Dockerfile /\n", "--iidfile", "id")
        #expect(made.status == 0, "\(made.errorText)")
        let file = context.appending(path: "id").path
        #expect(FileManager.default.fileExists(atPath: file))
        #expect(try await build("FROM scratch\nCOPY none /\n", "--iidfile", "id").status == 1)
        #expect(!FileManager.default.fileExists(atPath: file))
    }

    @Test(.proves("Environment variables of progress and logs"))
    func `of a step's output is everything, or what the variables allow`() async throws {
        let dockerfile = "FROM busybox\nRUN seq -w 600000\n"
        let whole = try await build(dockerfile, "--progress=plain", "--no-cache")
        #expect(whole.status == 0)
        #expect(!whole.errorText.contains("output clipped"))
        #expect(whole.errorText.utf8.count > 600_000 * 7)
        let clipped = try await build(
            dockerfile,
            "--progress=plain",
            "--no-cache",
            environment: ["BUILDKIT_STEP_LOG_MAX_SIZE": "1024", "BUILDKIT_STEP_LOG_MAX_SPEED": "-1"]
        )
        #expect(clipped.status == 0)
        #expect(clipped.errorText.contains("[output clipped, log limit 1KiB reached]\n"))
        #expect(clipped.errorText.contains(" 000146\n") && !clipped.errorText.contains(" 000147\n"))
        #expect(clipped.errorText.contains(" 600000\n"))
        #expect(clipped.errorText.utf8.count < 1 << 20)
    }

    @Test(.proves("Environment variables of builders")) func `of a builder is that there is one`() async throws {
        let named = try await build("FROM scratch\nCOPY Dockerfile /\n", environment: ["BUILDX_BUILDER": "mine"])
        #expect(named.status == 0)
        #expect(named.errorText.hasPrefix("WARNING: the builder \"mine\" is ignored"))
        let usual = try await build(
            "FROM scratch\nCOPY Dockerfile /\n",
            "--builder=default",
            environment: ["BUILDX_BUILDER": "mine"]
        )
        #expect(!usual.errorText.contains("is ignored"))
    }

    @Test(.proves("BUILDKIT_INLINE_CACHE, BUILDKIT_BUILD_NAME"))
    func `in the history has the name that the build was given`() async throws {
        let (slipway, directory) = try Slipway.isolated()
        try directory.write("FROM scratch\nCOPY none /\n", to: "context/Dockerfile")
        let built = try await slipway(
            "build",
            "--build-arg",
            "BUILDKIT_BUILD_NAME=nightly",
            "context",
            in: directory.url
        )
        #expect(built.status == 1)
        #expect(!built.errorText.contains("were not consumed"))
        #expect(try await slipway.succeed("explain").hasPrefix("The build of nightly failed: "))
    }

    @Test(.proves("Environment variables of results")) func `is kept by the cache alone where that is asked for`()
        async throws
    {
        let dockerfile = "FROM scratch\nCOPY Dockerfile /\n"
        let variables = ["BUILDX_NO_DEFAULT_LOAD": "1"]
        let name = "unloaded:\(UUID().uuidString.lowercased())"
        let slipway = try await Slipway.shared()
        #expect(try await build(dockerfile, "-t", name, environment: variables).status == 0)
        #expect(try await slipway("image", "inspect", name).status == 1)
        #expect(try await build(dockerfile, "-t", name, "--load", environment: variables).status == 0)
        #expect(try await slipway("image", "inspect", name).status == 0)
    }

    @Test(.proves("--add-host")) func `names hosts with several addresses, and several hosts in one flag`() async throws
    {
        let built = try await build(
            "FROM busybox\nRUN cat /etc/hosts\n",
            "--progress=plain",
            "--no-cache",
            "--add-host",
            "one:10.0.0.1,two=10.0.0.2",
            "--add-host",
            "\"three=10.0.0.3,[fd00::3]\""
        )
        #expect(built.status == 0, "\(built.errorText)")
        for line in ["10.0.0.1\tone", "10.0.0.2\ttwo", "10.0.0.3\tthree", "fd00::3\tthree"] {
            #expect(built.errorText.contains(line), "\(built.errorText)")
        }
    }
}

/// Labels of images that say which commit they were built from.
@Suite(.requires(.root, .program("crun"), .program("git")))
struct `Labels of git` {
    private let scratch: TemporaryDirectory

    init() throws { scratch = try TemporaryDirectory() }

    private func git(_ script: String) async throws -> String {
        let result = try await runProgram(
            "sh",
            ["-ec", script],
            in: scratch.url,
            environment: [
                "GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@example.org", "GIT_COMMITTER_NAME": "a",
                "GIT_COMMITTER_EMAIL": "a@example.org", "GIT_CONFIG_GLOBAL": "/dev/null", "HOME": "/dev/null",
            ]
        )
        try #require(result.status == 0, "\(result.errorText)")
        return result.text.trimmingCharacters(in: .whitespacesAndNewlines)
    }

    private func labels(_ options: String..., environment: [String: String]) async throws -> [String: String] {
        let slipway = try await Slipway.shared()
        let name = "labelled-by-git:\(UUID().uuidString.lowercased())"
        let built = try await slipway.run(
            ["build", "-t", name] + options + ["repository/sub"],
            in: scratch.url,
            environment: environment.merging(["HOME": "/dev/null"]) { $1 }
        )
        try #require(built.status == 0, "\(built.errorText)")
        let text = try await slipway.succeed("image", "inspect", "--format", "{{json .Config.Labels}}", name)
        return (try JSONSerialization.jsonObject(with: Data(text.utf8), options: .fragmentsAllowed))
            as? [String: String]
            ?? [:]
    }

    private func makeRepository() async throws -> String {
        try await git(
            """
            git init -q -b main repository && cd repository && mkdir sub
            printf 'FROM scratch\\nCOPY Dockerfile /\\n' > sub/Dockerfile && cp sub/Dockerfile Other && git add .
            git commit -qm first
            git remote add origin https://user:secret@example.org/team/repository.git
            git rev-parse HEAD
            """
        )
    }

    @Test(.proves("Environment variables of results"))
    func `say the commit, the repository and the Dockerfile where they are asked for`() async throws {
        let commit = try await makeRepository()
        #expect(try await labels(environment: [:]).isEmpty)
        #expect(try await labels(environment: ["BUILDX_GIT_LABELS": "false"]).isEmpty)
        let all = [
            "org.opencontainers.image.revision": commit, "com.docker.image.source.entrypoint": "sub/Dockerfile",
        ]
        for value in ["1", "full"] {
            var found = try await labels("--label", "mine=1", environment: ["BUILDX_GIT_LABELS": value])
            let source = try #require(found["org.opencontainers.image.source"])
            #expect(source.hasSuffix("example.org/team/repository.git") && !source.contains("secret"))
            found["org.opencontainers.image.source"] = nil
            #expect(found == all.merging(["mine": "1"]) { $1 })
        }
        let other = try await labels("-f", "repository/Other", environment: ["BUILDX_GIT_LABELS": "1"])
        #expect(other["com.docker.image.source.entrypoint"] == "Other")
    }

    @Test(.proves("Environment variables of results")) func `say that something is not committed`() async throws {
        let commit = try await makeRepository()
        let asked = ["BUILDX_GIT_LABELS": "1", "BUILDX_GIT_CHECK_DIRTY": "1"]
        #expect(try await labels(environment: asked)["org.opencontainers.image.revision"] == commit)
        try scratch.write("new\n", to: "repository/new")
        #expect(try await labels(environment: asked)["org.opencontainers.image.revision"] == commit + "-dirty")
        let unasked = try await labels(environment: ["BUILDX_GIT_LABELS": "1"])
        #expect(unasked["org.opencontainers.image.revision"] == commit)
    }

    @Test func `run nothing that a repository names, and are left out with a warning where git does not trust it`()
        async throws
    {
        _ = try await makeRepository()
        let marker = scratch.url.appending(path: "ran").path
        _ = try await git("cd repository && git config core.fsmonitor 'touch \(marker) #'")
        let asked = ["BUILDX_GIT_LABELS": "1", "BUILDX_GIT_CHECK_DIRTY": "1"]
        #expect(try await labels(environment: asked)["org.opencontainers.image.revision"] != nil)
        #expect(!FileManager.default.fileExists(atPath: marker))
        _ = try await git("chown -R 12345 repository && cp repository/Other repository/Dockerfile")
        let built = try await Slipway.shared()(
            "build",
            "repository",
            in: scratch.url,
            environment: asked.merging(["HOME": "/dev/null"]) { $1 }
        )
        #expect(built.status == 0, "\(built.errorText)")
        #expect(built.errorText.contains("WARNING: current commit information was not captured by the build: git "))
    }

    @Test func `are absent for a directory without a repository`() async throws {
        try scratch.write("FROM scratch\nCOPY Dockerfile /\n", to: "repository/sub/Dockerfile")
        #expect(try await labels(environment: ["BUILDX_GIT_LABELS": "1"]).isEmpty)
    }
}
