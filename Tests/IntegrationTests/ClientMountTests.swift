import Foundation
import LinuxSystem
import Proofs
import Testing

/// Secrets and agents in RUN steps, seen from outside.
@Suite(.requires(.root, .program("crun")))
struct `What RUN gets from the client` {
    private let scratch: TemporaryDirectory

    init() throws { scratch = try TemporaryDirectory() }

    private var context: URL { scratch.url.appending(path: "context") }

    private func build(
        _ dockerfile: String,
        _ options: String...,
        environment: [String: String] = [:],
        with slipway: Slipway? = nil
    ) async throws -> ProgramResult {
        let program: Slipway = if let slipway { slipway } else { try await Slipway.shared() }
        return try await program.build(dockerfile, ["--no-cache"] + options, in: scratch, environment: environment)
    }

    // MARK: Secrets

    @Test(.proves("secret")) func `a secret is a file with the permissions asked for, and gone afterwards`()
        async throws
    {
        try scratch.write("s3cret\n", to: "token")
        let built = try await build(
            """
            FROM busybox
            RUN --mount=type=secret,id=t \\
                --mount=type=secret,id=t,target=/etc/own,mode=0440,uid=5,gid=6 \\
                --mount=type=secret,id=t,target=below \\
                stat -c '%n %a %u:%g' /run/secrets/t /etc/own /below && cat /etc/own && ! touch /etc/own && ! mount -o remount,rw /etc/own
            RUN test ! -e /run/secrets && test ! -e /etc/own && test ! -e /below
            """,
            "--secret",
            "id=t,src=../token"
        )
        try #require(built.status == 0, "\(built.errorText)")
        for line in ["/run/secrets/t 400 0:0", "/etc/own 440 5:6", "/below 400 0:0", "s3cret"] {
            #expect(built.errorText.contains(" \(line)\n"))
        }
    }

    @Test(.proves("C3: a secret mounted with an executable"))
    func `a secret with permission to run runs, and others do not`() async throws {
        try scratch.write("#!/bin/sh\necho ran as $0\n", to: "program")
        let built = try await build(
            """
            FROM busybox
            RUN --mount=type=secret,id=p,target=/p.sh,mode=0700 /p.sh
            USER app
            RUN --mount=type=secret,id=p,target=/p.sh,uid=1000,mode=0100 test -x /p.sh
            RUN --mount=type=secret,id=p,target=/p.sh,uid=1000,mode=0500 /p.sh
            RUN --mount=type=secret,id=p,target=/p.sh,uid=1000 ! test -x /p.sh && grep " /p.sh .*noexec" /proc/mounts
            """,
            "--secret",
            "id=p,src=../program"
        )
        #expect(built.status == 0, "\(built.errorText)")
        #expect(built.errorText.components(separatedBy: " ran as /p.sh\n").count == 3)
    }

    @Test(.proves("secret", "C18: the variable of an optional")) func `a secret is a variable of its step only`()
        async throws
    {
        let built = try await build(
            """
            FROM busybox
            ENV TOKEN=image
            RUN --mount=type=secret,id=t,env=TOKEN test "$TOKEN" = s3cret
            RUN test "$TOKEN" = image
            RUN --mount=type=secret,id=none,env=NONE test "${NONE+set}" = set -a -z "$NONE"
            """,
            "--secret",
            "type=env,id=t,env=MY_TOKEN",
            environment: ["MY_TOKEN": "s3cret"]
        )
        #expect(built.status == 0, "\(built.errorText)")
    }

    /// buildx's rules: a variable named like the id counts before a file; `src` is a file unless the type says otherwise.
    @Test(
        .proves("--secret"),
        arguments: [
            "id=THING", "type=env,id=x,src=THING", "id=x,env=THING", "type=file,id=x,src=../thing", "id=../thing",
        ]
    )
    func `a secret is found`(option: String) async throws {
        try scratch.write("s3cret", to: "thing")
        let id = option.hasPrefix("id=x") || option.contains(",id=x") ? "x" : String(option.dropFirst(3))
        let built = try await build(
            "FROM busybox\nRUN --mount=type=secret,id=\(id),target=/s,required test \"$(cat /s)\" = s3cret\n",
            "--secret",
            option,
            environment: ["THING": "s3cret"]
        )
        #expect(built.status == 0, "\(built.errorText)")
    }

    @Test(
        .proves("--secret"),
        arguments: [
            ("id=t,src=../missing", "ERROR: failed to build: failed to stat "),
            ("src=../thing", "ERROR: failed to build: secret missing ID"),
            ("type=disk,id=t", "ERROR: failed to build: unsupported secret type \"disk\""),
            ("id=t,path=x", "ERROR: failed to build: unexpected key 'path' in 'path=x'"),
            ("thing", "ERROR: failed to build: invalid field 'thing' must be a key=value pair"),
        ]
    )
    func `a bad --secret is refused before anything is built`(option: String, message: String) async throws {
        let built = try await build("FROM busybox\nRUN true\n", "--secret", option)
        #expect(built.status == 1)
        #expect(built.errorText.hasPrefix(message))
    }

    @Test(.proves("secret")) func `a secret that is required and not offered fails the step`() async throws {
        let built = try await build("FROM busybox\nRUN --mount=type=secret,id=t,required cat /run/secrets/t\n")
        #expect(built.status == 1)
        #expect(built.errorText.contains("ERROR: failed to build: failed to solve: secret t: not found"))
        #expect(built.errorText.contains("Dockerfile:2"))
        let optional = try await build("FROM busybox\nRUN --mount=type=secret,id=t test ! -e /run/secrets/t\n")
        #expect(optional.status == 0, "\(optional.errorText)")
    }

    @Test(.proves("secret")) func `a secret reaches neither layers, cache, history, archives nor messages`()
        async throws
    {
        let (slipway, directory) = try Slipway.isolated()
        defer { withExtendedLifetime(directory) {} }
        let base = scratch.url.appending(path: "busybox.tar").path
        try await Slipway.shared().succeed("save", "-o", base, "busybox")
        try await slipway.succeed("load", "-i", base)
        let canary = "canary-\(UUID().uuidString)"
        try scratch.write(canary, to: "token")
        let options = ["--secret", "id=t,src=../token", "--secret", "id=e,env=CANARY", "--tag", "made"]
        func run(_ command: String, _ more: [String]) async throws -> ProgramResult {
            try scratch.write(
                """
                FROM busybox
                RUN --mount=type=secret,id=t --mount=type=secret,id=e,env=E \\
                    test "$(cat /run/secrets/t)" = "$E" && \(command)
                """,
                to: "context/Dockerfile"
            )
            return try await slipway.run(
                ["build", "--progress=rawjson"] + options + more + ["."],
                in: context,
                environment: ["CANARY": canary]
            )
        }
        let archive = scratch.url.appending(path: "out.tar").path
        let made = try await run("echo fine > /made", [])
        try #require(made.status == 0, "\(made.errorText)")
        try await slipway.succeed("save", "-o", archive, "made")
        let failed = try await run("cd /nowhere", [])
        #expect(failed.status == 1)
        let history = try await slipway.succeed("history", "--no-trunc", "made")
        let explained = try await slipway("explain", "--format", "json")
        for text in [made.errorText, failed.errorText, history, explained.text] { #expect(!text.contains(canary)) }
        // Layers in the archive are not compressed, and so is everything in the store but base images, which have no secret.
        let found = try await runProgram("grep", ["-r", "-l", "-a", "-F", canary, slipway.root, archive])
        #expect(found.status == 1 && found.text.isEmpty, "\(found.text)")
    }

    @Test func `another value of a secret is no reason to run a step again`() async throws {
        try scratch.write(
            "FROM busybox\nRUN --mount=type=secret,id=t cat /run/secrets/t | wc -c > /n\n",
            to: "context/Dockerfile"
        )
        let slipway = try await Slipway.shared()
        var last = ""
        for value in ["one", "three"] {
            try scratch.write(value, to: "token")
            let built = try await slipway(
                "build",
                "--progress=plain",
                "--secret",
                "id=t,src=../token",
                ".",
                in: context
            )
            last = built.errorText
        }
        #expect(last.contains("CACHED"))
    }

    // MARK: Agents

    /// Makes a key without a passphrase and gives its fingerprint.
    private func key(_ name: String) async throws -> String {
        let path = scratch.url.appending(path: name).path
        let made = try await runProgram("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", path])
        try #require(made.status == 0, "\(made.errorText)")
        let shown = try await runProgram("ssh-keygen", ["-lf", path])
        return String(shown.text.split(separator: " ")[1])
    }

    @Test(.proves("ssh", "--ssh")) func `an agent's keys can be listed and not removed`() async throws {
        let fingerprint = try await key("id")
        let socket = "/tmp/slipway-test-agent-\(UUID().uuidString)"
        var configuration = ChildProcessConfiguration(.named("ssh-agent"), ["-D", "-a", socket])
        configuration.files = [1: .pipeFromChild]
        let agent = try await ChildProcess.start(configuration)
        // It says where it listens once it does.
        _ = try await agent.reader(1)?.read()
        let environment = ["SSH_AUTH_SOCK": socket]
        let added = try await runProgram(
            "ssh-add",
            ["-q", scratch.url.appending(path: "id").path],
            environment: environment
        )
        try #require(added.status == 0, "\(added.errorText)")
        for options in [["--ssh", "default"], ["--ssh", "default=\(socket)"]] {
            let built = try await agentRequests(options, environment)
            try #require(built.status == 0, "\(built.errorText)")
            #expect(built.errorText.contains("socket 666 1000:0"), "\(built.errorText)")
            #expect(built.errorText.components(separatedBy: fingerprint).count == 3, "\(built.errorText)")
        }
        let kept = try await runProgram("ssh-add", ["-l"], environment: environment)
        #expect(kept.text.contains(fingerprint))
        try await agent.terminate()
    }

    @Test(.proves("--ssh")) func `files of keys are served by an agent of the build's own`() async throws {
        let fingerprints = [try await key("one"), try await key("two")]
        let built = try await agentRequests(["--ssh", "default=../one,../two"], [:])
        try #require(built.status == 0, "\(built.errorText)")
        for fingerprint in fingerprints { #expect(built.errorText.contains(fingerprint), "\(built.errorText)") }
        // Those of other tests have a living parent.
        let processes = try await runProgram("ps", ["-eo", "ppid,args"])
        let lines = processes.text.split(separator: "\n").map { $0.split(separator: " ") }
        #expect(!lines.contains { $0.dropFirst().joined(separator: " ") == "ssh-agent -D -a ./socket" && $0[0] == "1" })
    }

    @Test(.proves("C10: keys of --ssh in every form that Go reads"), .requires(.program("openssl")))
    func `a key may be in any form that Go reads`() async throws {
        let script = """
            set -e
            ssh-keygen -q -t ed25519 -N '' -f open
            cp open shared; chmod 644 shared
            printf %s "$(cat open)" > unfinished
            sed 's/$/\r/' open > crlf
            { echo 'some text'; echo; cat open; echo more; } > framed
            openssl genpkey -algorithm ed25519 -out pkcs8
            openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out rsa8 2>/dev/null
            ssh-keygen -q -t rsa -b 2048 -m PEM -N '' -f rsa1
            openssl ecparam -genkey -noout -name prime256v1 -out ec
            chmod 600 *; chmod 644 shared
            for key in open rsa1; do ssh-keygen -lf $key.pub | cut -d' ' -f2; done
            for key in rsa8 ec; do ssh-keygen -yf $key | ssh-keygen -lf - | cut -d' ' -f2; done
            """
        let made = try await runProgram("bash", ["-c", script], in: scratch.url)
        try #require(made.status == 0, "\(made.errorText)")
        let prints = made.text.split(separator: "\n").map(String.init)
        try #require(prints.count == 4)
        for name in ["open", "shared", "unfinished", "crlf", "framed"] {
            let built = try await keysOffered(["--ssh", "default=../\(name)"])
            #expect(built.contains(prints[0]), "\(name): \(built)")
        }
        let all = try await keysOffered(["--ssh", "default=../rsa1,../rsa8,../ec,../pkcs8"])
        for print in prints.dropFirst() { #expect(all.contains(print), "\(all)") }
        let public_ = try await runProgram(
            "openssl",
            ["pkey", "-in", "pkcs8", "-pubout", "-outform", "DER"],
            in: scratch.url
        )
        let blob =
            Data([0, 0, 0, 11]) + Data("ssh-ed25519".utf8) + Data([0, 0, 0, 32]) + Data(public_.output.suffix(32))
        #expect(all.contains(blob.base64EncodedString()), "\(all)")
    }

    /// What a step finds in the agent: fingerprints and public keys.
    private func keysOffered(_ options: [String]) async throws -> String {
        let built = try await agentRequests(options, [:])
        try #require(built.status == 0, "\(built.errorText)")
        return built.errorText
    }

    /// Lists the agent's keys and tells it to forget them, with the machine's own ssh-add.
    private func agentRequests(_ options: [String], _ environment: [String: String]) async throws -> ProgramResult {
        let copying = """
            mkdir -p context/tools && cp --parents -L "$(command -v ssh-add)" context/tools &&
            for file in $(ldd "$(command -v ssh-add)" | grep -o '/[^ ]*'); do cp --parents -L "$file" context/tools; done
            """
        let copied = try await runProgram("bash", ["-c", "mkdir -p context && \(copying)"], in: scratch.url)
        try #require(copied.status == 0, "\(copied.errorText)")
        try scratch.write(
            """
            FROM busybox
            COPY tools /
            RUN --mount=type=ssh,required,uid=1000,mode=0666 set -e; \\
                stat -c 'socket %a %u:%g' $SSH_AUTH_SOCK; \\
                /usr/bin/ssh-add -l; \\
                ! /usr/bin/ssh-add -D; \\
                /usr/bin/ssh-add -l; /usr/bin/ssh-add -L
            RUN test ! -e /run/buildkit
            """,
            to: "context/Dockerfile"
        )
        return try await Slipway.shared().run(
            ["build", "--progress=plain", "--no-cache"] + options + ["."],
            in: context,
            environment: environment
        )
    }

    @Test(
        .proves("--ssh"),
        arguments: [
            (["--ssh", "default"], "invalid empty ssh agent socket: make sure SSH_AUTH_SOCK is set"),
            (["--ssh", "a=/nowhere/key"], "failed to stat /nowhere/key: No such file or directory"),
            (["--ssh", "a=/etc/passwd", "--ssh", "a=/etc/passwd"], "invalid duplicate ID a"),
        ]
    )
    func `a bad --ssh is refused before anything is built`(options: [String], message: String) async throws {
        try scratch.write("FROM busybox\nRUN true\n", to: "context/Dockerfile")
        let built = try await Slipway.shared().run(
            ["build"] + options + ["."],
            in: context,
            environment: ["SSH_AUTH_SOCK": ""]
        )
        #expect(built.status == 1)
        #expect(built.errorText.lowercased().contains(message.lowercased()), "\(built.errorText)")
    }

    @Test(.proves("ssh"))
    func `anything but a key is refused, and an agent that is required and missing fails the step`()
        async throws
    {
        let step = "FROM busybox\nRUN --mount=type=ssh,required true\n"
        let noKey = try await build(step, "--ssh", "default=/etc/passwd")
        #expect(noKey.errorText.contains("failed to parse /etc/passwd: "), "\(noKey.errorText)")
        let nobody = try await build(step)
        #expect(nobody.errorText.contains("no SSH key \"default\" forwarded from the client"))
        _ = try await key("id")
        let other = try await build(step, "--ssh", "other=../id")
        #expect(other.errorText.contains("unset ssh forward key default"))
        let optional = try await build("FROM busybox\nRUN --mount=type=ssh test ! -e \"$SSH_AUTH_SOCK\"\n")
        #expect(optional.status == 0, "\(optional.errorText)")
    }
}
