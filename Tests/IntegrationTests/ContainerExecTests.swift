import Foundation
import LinuxSystem
import Proofs
import SystemPackage
import Testing

/// Processes that `exec` starts in containers, in the keeping of a monitor or of a command.
@Suite(.requires(.root, .program("crun"), .program("conmon"), .program("busybox"), .program("nsenter")))
struct `Processes of exec` {
    enum Keeping: CaseIterable { case monitor, command }

    private static let user = [
        "-u", "app", "-w", "/tmp", "--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--ulimit", "nofile=100",
        "-e", "KEPT=1",
    ]

    /// Runs `body` beside a container that sleeps.
    private func withContainer(
        _ keeping: Keeping = .monitor,
        _ flags: [String] = [],
        _ body: @escaping @Sendable (Slipway, String) async throws -> Void
    ) async throws {
        let slipway = try await Slipway.shared()
        let name = "exec-\(UUID().uuidString.lowercased().prefix(8))"
        let words = ["--name", name, "--network", "none"] + flags + ["busybox", "sleep", "86400"]
        let running = keeping == .command ? Task { try await slipway.run(["run"] + words) } : nil
        if keeping == .monitor {
            let started = try await slipway.run(["run", "-d"] + words)
            try #require(started.status == 0, "\(started.errorText)")
        } else {
            while try await slipway("exec", name, "true").status != 0 {
                try await Task.sleep(for: .milliseconds(50))
            }
        }
        let result: Result<Void, any Error>
        do { result = .success(try await body(slipway, name)) } catch { result = .failure(error) }
        _ = try await slipway("rm", "-f", name)
        _ = try await running?.value
        try result.get()
    }

    @Test(
        .proves("A2: what exec starts has the user", "B3: exec -u takes names and numbers"),
        arguments: Keeping.allCases
    ) func `a process is confined as the container's own is`(_ keeping: Keeping)
        async throws
    {
        try await withContainer(keeping, Self.user) { slipway, name in
            let script = """
                id -u; id -G; pwd; ulimit -n; umask; echo $HOME $KEPT
                grep -e NoNewPrivs -e CapBnd -e Seccomp: /proc/self/status
                """
            let found = try await slipway.succeed("exec", name, "sh", "-c", script)
            let own = """
                1000
                1000 2000
                /tmp
                100
                0022
                / 1
                CapBnd:\t0000000000000000
                NoNewPrivs:\t1
                Seccomp:\t2

                """
            #expect(found == own)
            let given = try await slipway.succeed("exec", "-u", "root:extra", "-w", "/etc", name, "sh", "-c", script)
            #expect(given.hasPrefix("0\n2000\n/etc\n100\n0022\n/root 1\n"), "\(given)")
            let number = try await slipway.succeed("exec", "-u", "77:88", name, "sh", "-c", "id -u; id -G; echo $HOME")
            #expect(number == "77\n88\n/\n")
        }
    }

    /// The runtime gives the standard streams of a process to its user: they must not be the machine's.
    @Test(arguments: Keeping.allCases)
    func `one of another user has a null device that is not the machine's`(_ keeping: Keeping) async throws {
        @Sendable func owner() throws -> [UInt32] {
            let status = try #require(try HostFiles.status(of: "/dev/null"))
            return [status.userID, status.groupID, UInt32(status.mode)]
        }
        let before = try owner()
        try await withContainer(keeping, ["-u", "77:88"]) { slipway, name in
            let kind = try await slipway.succeed(
                "exec",
                "-u",
                "77:88",
                name,
                "stat",
                "-L",
                "-c",
                "%F %t:%T",
                "/proc/self/fd/0"
            )
            #expect(kind == "character special file 1:3\n")
            try await slipway.succeed("exec", "-d", "-u", "77:88", name, "true")
            try await slipway.succeed("exec", "-i", "-u", "77:88", name, "true")
            #expect(try owner() == before)
        }
    }

    @Test(.proves("A2: what exec starts has the user", "B2: exec -e and --env-file add"))
    func `variables come from flags, files and the caller, and the container's stay`() async throws {
        let scratch = try TemporaryDirectory()
        try scratch.write("# comment\nFILE=f\nHERE\nONE=file\n", to: "variables")
        try await withContainer(.monitor, ["-e", "KEPT=1", "-e", "ONE=container"]) { slipway, name in
            let found = try await slipway(
                "exec",
                "--env-file",
                "variables",
                "-e",
                "ONE=flag",
                "-e",
                "ABSENT",
                name,
                "sh",
                "-c",
                "echo $KEPT $FILE $HERE $ONE ${ABSENT-none}",
                in: scratch.url,
                environment: ["HERE": "caller"]
            )
            #expect(found.text == "1 f caller flag none\n", "\(found.errorText)")
        }
    }

    @Test(.proves("B4: exec of what is not there, is"), arguments: Keeping.allCases)
    func `what cannot be started is reported, with docker's status and without the runtime's words`(
        _ keeping: Keeping
    ) async throws {
        try await withContainer(keeping) { slipway, name in
            try await slipway.succeed("exec", name, "sh", "-c", "echo text > /tmp/text; chmod 755 /tmp/text")
            let cases: [(arguments: [String], status: Int32, text: String)] = [
                ([name, "nope"], 127, "exec: \"nope\": executable file not found in $PATH"),
                ([name, "/nope"], 127, "exec: \"/nope\": no such file or directory"),
                ([name, ""], 127, "exec: \"\": executable file not found in $PATH"),
                ([name, "/etc"], 126, "exec: \"/etc\": permission denied"),
                ([name, "/etc/passwd"], 126, "exec: \"/etc/passwd\": permission denied"),
                ([name, "/tmp/text"], 126, "exec: \"/tmp/text\": exec format error"),
                (["-w", "/nope", name, "true"], 127, "\"/nope\" failed: no such file or directory"),
                (["-w", "relative", name, "true"], 126, "'relative' is invalid, it needs to be an absolute path"),
                (["-w", "/proc/self/fd", name, "true"], 126, "/proc/self/fd"),
                (["-u", "nobody-here", name, "true"], 126, "unable to find user nobody-here"),
                (["-d", name, "nope"], 1, "exec: \"nope\": executable file not found in $PATH"),
            ]
            for (arguments, status, text) in cases {
                let result = try await slipway.run(["exec"] + arguments)
                #expect(result.status == status, "\(arguments)")
                #expect(result.errorText.contains(text), "\(arguments): \(result.errorText)")
                #expect(result.errorText.split(separator: "\n").count == 1, "\(result.errorText)")
                #expect(result.text.isEmpty)
            }
            // Nothing is left of them in the container.
            let left = try await slipway.succeed("exec", name, "ps", "-o", "comm")
            #expect(!left.contains("crun"), "\(left)")
        }
    }

    @Test(.proves("B5: exec -d returns at once, and"), arguments: Keeping.allCases)
    func `a detached process outlives the command, and a signal to it ends the attached`(
        _ keeping: Keeping
    ) async throws {
        let scratch = try TemporaryDirectory()
        try await withContainer(keeping) { slipway, name in
            try await slipway.succeed("exec", "-d", name, "sleep", "4321")
            let script = """
                "\(try Slipway.binary)" exec \(name) sh -c 'echo up; exec sleep 1234' > out & pid=$!
                until grep -q up out; do kill -0 $pid || exit 9; sleep 0.05; done
                kill -TERM $pid; wait $pid; echo "status $?"
                """
            let ended = try await runProgram(
                "bash",
                ["-c", script],
                in: scratch.url,
                environment: ["SLIPWAY_ROOT": slipway.root]
            )
            #expect(ended.text == "status 143\n")
            let processes = try await slipway.succeed("exec", name, "ps", "-o", "args")
            #expect(processes.contains("sleep 4321") && !processes.contains("sleep 1234"), "\(processes)")
        }
    }

    @Test(.proves("B5: exec -d returns at once, and"))
    func `the end of a process is the end of exec, whatever it leaves in the background`() async throws {
        try await withContainer { slipway, name in
            let clock = ContinuousClock()
            let start = clock.now
            let result = try await slipway("exec", name, "sh", "-c", "sleep 600 & echo left; exit 3")
            #expect(result.text == "left\n")
            #expect(result.status == 3)
            #expect(clock.now - start < .seconds(60))
            let input = try await slipway("exec", "-i", name, "wc", "-c", input: [UInt8](repeating: 1, count: 200_000))
            #expect(input.text == "200000\n")
        }
    }

    @Test(.proves("B1: exec -it takes what is typed"), arguments: Keeping.allCases)
    func `a terminal takes input, sizes, Ctrl-C and the keys that leave it`(
        _ keeping: Keeping
    ) async throws {
        try await withContainer(keeping) { slipway, name in
            let shell = ["exec", "-it", name, "sh", "-c"]
            let script = """
                # As with docker, the size comes a moment after the start; until then stty fails with status 0.
                until [ "$(stty size 2> /dev/null)" = "30 90" ]; do sleep 0.05; done; stty size; read -r x; echo "<$x>"
                until [ "$(stty size)" = "44 55" ]; do sleep 0.05; done; echo resized; exit 5
                """
            let asked = try await TerminalSession.run(slipway, shell + [script]) {
                try await $0.expect("30 90\r\n")
                try await $0.type("typed\n")
                try await $0.expect("<typed>\r\n")
                try $0.resize(rows: 44, columns: 55)
                try await $0.expect("resized\r\n")
            }
            #expect(asked.status == 5)
            let interrupted = try await TerminalSession.run(
                slipway,
                shell + ["trap 'echo caught; exit 7' INT; echo up; sleep 600 & wait"]
            ) {
                try await $0.expect("up\r\n")
                try await $0.type("\u{3}")
                try await $0.expect("caught\r\n")
            }
            #expect(interrupted.status == 7)
            for (keys, typed) in [([], "\u{10}\u{11}"), (["--detach-keys", "ctrl-a,x"], "\u{1}x")] {
                let words = ["exec", "-it"] + keys + [name, "sh", "-c", "echo up; sleep 5678"]
                let left = try await TerminalSession.run(slipway, words) {
                    try await $0.expect("up\r\n")
                    try await $0.type(typed)
                }
                #expect(left.status == 1)
                #expect(left.rest.contains("read escape sequence"))
            }
            let missing = try await TerminalSession.run(slipway, ["exec", "-it", name, "nope"])
            #expect(missing.status == 127)
            #expect(missing.rest == "Error: exec failed: exec: \"nope\": executable file not found in $PATH\r\n")
            // What runs on a terminal that was left, and what was started on one that nobody has, goes on.
            try await slipway.succeed("exec", "-dt", name, "sh", "-c", "tty > /tmp/tty && sleep 5678")
            while try await slipway("exec", name, "test", "-s", "/tmp/tty").status != 0 {}
            #expect(try await slipway.succeed("exec", name, "cat", "/tmp/tty").hasPrefix("/dev/pts/"))
            let processes = try await slipway.succeed("exec", name, "ps", "-o", "args")
            #expect(processes.split(separator: "\n").filter { $0 == "sleep 5678" }.count == 3, "\(processes)")
        }
    }
}
