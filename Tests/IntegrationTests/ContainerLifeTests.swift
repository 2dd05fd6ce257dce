import Foundation
import Proofs
import Testing

/// What containers go through, and what is left of them.
@Suite(.requires(.root, .program("crun"), .program("conmon"), .program("busybox")))
struct `The life of a container` {
    /// Runs `body` with a name that no other test uses; the container of that name is gone afterwards.
    private func withName(_ body: (Slipway, String) async throws -> Void) async throws {
        let slipway = try await Slipway.shared()
        let name = "life-\(UUID().uuidString.lowercased().prefix(8))"
        let result: Result<Void, any Error>
        do { result = .success(try await body(slipway, name)) } catch { result = .failure(error) }
        _ = try await slipway("rm", "-f", name)
        try result.get()
    }

    @Test(
        .proves("B12: a container that goes with"),
        arguments: [
            ("nope", 127, "executable file not found"), ("", 127, "executable file not found"),
            ("/etc", 126, "permission denied"),
        ]
    )
    func `a container that cannot be started stays as created`(_ program: String, _ status: Int32, _ text: String)
        async throws
    {
        let state = ["inspect", "-f", "{{.State.Status}} {{.State.ExitCode}} {{.State.Error}}"]
        for flags in [[], ["-d"], ["-t"]] {
            try await withName { slipway, name in
                let words = ["run", "--network", "none", "--name", name] + flags + ["busybox", program]
                let refused = try await slipway.run(words)
                #expect(refused.status == status)
                let said = "exec: \"\(program)\": \(text)"
                #expect(refused.errorText.hasPrefix("slipway: \(said)"), "\(refused.errorText)")
                #expect(try await slipway.run(state + [name]).text.hasPrefix("created \(status) \(said)"))
                #expect(try await slipway("start", name).status == 1)
            }
        }
    }

    @Test(.proves("B4: exec of what is not there, is"))
    func `a program that the kernel refuses is reported to the caller, and not in the log`()
        async throws
    {
        try await withName { slipway, name in
            let command = ["--network", "none", "--name", name, "busybox", "/bad"]
            #expect(try await slipway.run(["create"] + command).status == 0)
            let scratch = try TemporaryDirectory()
            try scratch.write("\u{7f}ELF and nothing more", to: "bad")
            let bad = scratch.url.appending(path: "bad").path
            try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: bad)
            try await slipway.succeed("cp", bad, "\(name):/bad")
            let refused = try await slipway("start", name)
            #expect(refused.status == 1)
            #expect(refused.errorText.contains("exec: \"/bad\": exec format error"), "\(refused.errorText)")
            #expect(try await slipway.succeed("logs", name) == "")
            let state = ["inspect", "-f", "{{.State.Status}} {{.State.ExitCode}}", name]
            #expect(try await slipway.run(state).text == "created 126\n")
            // A program that ends at once was not refused, whatever it writes.
            let brief = ["run", "-d", "--network", "none", "--name", "\(name)-brief", "busybox", "sh", "-c"]
            let line = #"echo '{"msg":"exec container process` it was"}' >&2"#
            #expect(try await slipway.run(brief + [line]).status == 0)
            #expect(try await slipway("logs", "-f", "\(name)-brief").errorText.contains("it was"))
            try await slipway.succeed("rm", "-f", "\(name)-brief")
        }
    }

    @Test(.proves("B4: the runtime's own line is"), arguments: [["-d"], ["-d", "-t"], ["-d", "-i", "-t"]])
    func `a detached program in a format that the kernel refuses leaves no line in the log`(_ flags: [String])
        async throws
    {
        let scratch = try TemporaryDirectory()
        try scratch.write("echo text\n", to: "context/text")
        try scratch.write("\u{7f}ELF\u{2}\u{1}\u{1}", to: "context/elf")
        try scratch.write("#!/nope\n", to: "context/script")
        try await withName { slipway, name in
            let dockerfile = "FROM busybox\nCOPY --chmod=755 text elf script /\n"
            let built = try await slipway.build(dockerfile, ["-t", "\(name)-image"], in: scratch)
            try #require(built.status == 0, "\(built.errorText)")
            for (program, reason) in [
                ("/text", "exec format error"), ("/elf", "exec format error"), ("/script", "no such file or directory"),
            ] {
                let line = ["run"] + flags + ["--network", "none", "--name", name, "\(name)-image", program]
                let refused = try await slipway.run(line)
                #expect(refused.status == 126, "\(program)")
                #expect(refused.errorText.contains("exec: \"\(program)\": \(reason)"), "\(refused.errorText)")
                let logged = try await slipway("logs", name)
                #expect(logged.text.isEmpty && logged.errorText.isEmpty, "\(program): \(logged.text)")
                let state = try await slipway.run(["inspect", "-f", "{{.State.Status}} {{.State.ExitCode}}", name])
                #expect(state.text == "created 126\n")
                try await slipway.succeed("rm", "-f", name)
            }
            let works = try await slipway.run(
                ["run"] + flags + ["--network", "none", "--name", name, "\(name)-image", "sh", "/text"]
            )
            #expect(works.status == 0)
            try await slipway.succeed("wait", name)
            #expect(try await slipway.succeed("logs", name).trimmingCharacters(in: .newlines) == "text")
            try await slipway.succeed("rm", "-f", name)
            try await slipway.succeed("rmi", "\(name)-image")
        }
    }

    @Test(.proves("B12: a container that goes with"))
    func `what contradicts itself is refused before anything is made`() async throws {
        let slipway = try await Slipway.shared()
        let cases: [([String], String)] = [
            (["-w", "relative"], "the working directory 'relative' is invalid, it needs to be an absolute path"),
            (["-v", "/tmp:/m", "-v", "/usr:/m/"], "Duplicate mount point: /m"),
            (["--tmpfs", "/m", "--mount", "type=tmpfs,dst=/m"], "Duplicate mount point: /m"),
        ]
        for (flags, text) in cases {
            let refused = try await slipway.run(["run", "--rm"] + flags + ["busybox", "true"])
            #expect(refused.status == 125, "\(flags)")
            #expect(refused.errorText.hasPrefix("slipway: \(text)\n"), "\(refused.errorText)")
        }
        let repeated = try await slipway("run", "--rm", "-w", "", "--network", "none", "busybox", "pwd")
        #expect(repeated.text == "/\n")
    }

    @Test(.proves("B12: a container that goes with")) func `a container that goes with its end can be restarted`()
        async throws
    {
        try await withName { slipway, name in
            let made = ["run", "-d", "--rm", "--network", "none", "-v", "/kept", "--name", name, "busybox"]
            let id = try await slipway.run(made + ["sleep", "86400"]).text
            try await slipway.succeed("exec", name, "touch", "/kept/file", "/file")
            #expect(try await slipway.succeed("restart", "-t", "0", name) == "\(name)\n")
            #expect(try await slipway.succeed("exec", name, "ls", "/kept/file", "/file") == "/file\n/kept/file\n")
            #expect(try await slipway.succeed("inspect", "-f", "{{.Id}}", name) == id)
            try await slipway.succeed("stop", "-t", "0", name)
            #expect(try await slipway("inspect", name).status == 1)
        }
    }

    @Test(.proves("B12: a container that goes with"))
    func `a container in the foreground is restarted in the background`() async throws {
        try await withName { slipway, name in
            let words = ["run", "--rm", "--network", "none", "--name", name, "busybox", "sleep", "86400"]
            let client = Task { try await slipway.run(words) }
            while try await slipway("exec", name, "true").status != 0 {
                try await Task.sleep(for: .milliseconds(50))
            }
            try await slipway.succeed("restart", "-t", "0", name)
            #expect(try await client.value.status == 137)
            try await slipway.succeed("exec", name, "true")
        }
    }

    @Test func `the exit code of a container that goes with its end reaches every waiter`() async throws {
        try await withName { slipway, name in
            let script = "until test -e /go; do sleep 0.05; done; exit 6"
            for flags in [["-d"], []] {
                let words =
                    ["run", "--rm", "--network", "none", "--name", name] + flags + ["busybox", "sh", "-c", script]
                let running = Task { try await slipway.run(words) }
                while try await slipway("exec", name, "true").status != 0 {
                    try await Task.sleep(for: .milliseconds(50))
                }
                let waiting = Task { try await slipway("wait", name) }
                try await slipway.succeed("exec", name, "touch", "/go")
                let code = try await waiting.value
                // It may have been gone before it was waited for.
                #expect(code.text == "6\n" || code.status == 1, "\(code.text)\(code.errorText)")
                _ = try await running.value
                #expect(try await slipway("inspect", name).status == 1)
            }
        }
    }

    @Test func `what has ended at once has its own exit code`() async throws {
        try await withName { slipway, name in
            let script = "trap 'exit 6' TERM; echo up; while :; do sleep 0.02; done"
            try await slipway.succeed("run", "-d", "--network", "none", "--name", name, "busybox", "sh", "-c", script)
            for _ in 0..<4 {
                while try await slipway.succeed("logs", "--tail", "1", name) != "up\n" {}
                try await slipway.succeed("kill", "-s", "TERM", name)
                #expect(try await slipway.succeed("wait", name) == "6\n")
                try await slipway.succeed("start", name)
            }
        }
    }

    @Test(.proves("B17: rm -f of what is not there is no failure"))
    func `removing by force what is not there succeeds`() async throws {
        let slipway = try await Slipway.shared()
        let forced = try await slipway("rm", "-f", "no-such-container")
        #expect(forced.status == 0 && forced.text.isEmpty)
        #expect(try await slipway("rm", "no-such-container").status == 1)
    }

    @Test(.proves("A15: the cgroups of a container", "B12: a container that goes with"))
    func `a container that ran out of memory says so, and its cgroups go with it`() async throws {
        try await withName { slipway, name in
            let words = [
                "run", "-d", "--network", "none", "-m", "20m", "--pids-limit", "30", "--name", name, "busybox",
            ]
            let limited = try await slipway.run(words + ["tail", "/dev/zero"])
            if limited.errorText.contains("WARNING: Your kernel does not support memory limit") { return }
            #expect(try await slipway.succeed("wait", name) == "137\n")
            #expect(try await slipway.succeed("inspect", "-f", "{{.State.OOMKilled}}", name) == "true\n")
            try await slipway.succeed("rm", name)
            let busy = try await slipway.run(
                words + ["sh", "-c", "for i in 1 2 3 4 5 6; do sleep 600 & done; sleep 600"]
            )
            try await slipway.succeed("rm", "-f", name)
            for id in [limited.text, busy.text].map({ $0.trimmingCharacters(in: .newlines) }) {
                let left = try await runProgram("find", ["/sys/fs/cgroup", "-maxdepth", "4", "-name", id])
                #expect(left.text.isEmpty)
            }
        }
    }

    @Test(.proves("A9: the caller's umask reaches")) func `the caller's umask is the caller's alone`() async throws {
        let scratch = try TemporaryDirectory()
        try scratch.write("FROM busybox\nRUN umask > /made; mkdir /dir\n", to: "context/Dockerfile")
        let volume = "umask-\(UUID().uuidString.lowercased().prefix(8))"
        let script = """
            umask 077; s="\(try Slipway.binary)"; run="$s run --rm --network none"
            $run -u 1000 -v \(volume):/v busybox sh -c 'ls -d /bin /v; umask; stat -c %a / /v'
            id=$($s run -d --network none busybox sleep 600); $s exec -u 1000 $id sh -c 'umask; ls -d /bin'; $s rm -f $id > /dev/null
            $s build -q --no-cache -o type=tar,dest=out/layer.tar context > /dev/null
            tar -xOf out/layer.tar made; tar -tvf out/layer.tar dir/ | cut -c 1-10; stat -c %a out out/layer.tar
            """
        let made = try await runProgram(
            "bash",
            ["-c", script],
            in: scratch.url,
            environment: ["SLIPWAY_ROOT": try await Slipway.shared().root]
        )
        let expected = "/bin\n/v\n0022\n755\n755\n0022\n/bin\n0022\ndrwxr-xr-x\n700\n600\n"
        #expect(made.text == expected, "\(made.errorText)")
    }

    @Test(.proves("B11: closed standard streams are")) func `closed standard streams are at their end`()
        async throws
    {
        let scratch = try TemporaryDirectory()
        try await withName { slipway, name in
            try await slipway.succeed("run", "-d", "--network", "none", "--name", name, "busybox", "sleep", "86400")
            let script = """
                s="timeout 60 \(try Slipway.binary)"
                try() { "$@" <&- > out 2> err; echo $?; }
                try $s run --rm -i --network none busybox cat; try $s exec -i \(name) cat; try $s load; try $s build -
                try $s build -f - .; try $s login -u u --password-stdin 127.0.0.1:1; try $s container prune
                try $s system prune; try $s cp - \(name):/tmp; try $s import - \(name):none
                $s rmi \(name):none > out
                $s run --rm --network none busybox sh -c 'echo x; echo y >&2' <&- >&- 2>&-; echo $?
                """
            let ended = try await runProgram(
                "bash",
                ["-c", script],
                in: scratch.url,
                environment: ["SLIPWAY_ROOT": slipway.root]
            )
            // 124 would be the end of the time.
            #expect(ended.text.split(separator: "\n") == ["0", "0", "1", "1", "1", "1", "0", "0", "0", "0", "0"])
        }
    }
}
