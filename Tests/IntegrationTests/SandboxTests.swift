import Foundation
import Glibc
import LinuxSystem
import Proofs
import Sandboxes
import Synchronization
import SystemPackage
import Testing
import Text

/// What a step wrote and how it ended.
private struct StepResult {
    var status: LinuxSystem.ExitStatus
    var output: String
    var errors: String
}

private func withSandbox<Value>(_ body: (SandboxRunner, FilePath) async throws -> Value) async throws -> Value {
    try await withScratchDirectory { directory in
        let root = try await makeBusyboxRoot(in: directory)
        return try await body(SandboxRunner(scratch: directory), root)
    }
}

private func step(_ root: FilePath, _ script: String) -> SandboxConfiguration {
    var configuration = SandboxConfiguration(root: root, arguments: ["/bin/sh", "-c", script].map { Array($0.utf8) })
    configuration.environment = ["PATH=/bin"]
    return configuration
}

private func run(_ runner: SandboxRunner, _ configuration: SandboxConfiguration) async throws -> StepResult {
    let collected = Mutex<[CInt: [UInt8]]>([:])
    let status = try await runner.run(configuration) { stream, bytes in
        collected.withLock { $0[stream, default: []] += bytes }
    }
    return collected.withLock { streams in
        StepResult(
            status: status,
            output: String(decoding: streams[1] ?? [], as: UTF8.self),
            errors: String(decoding: streams[2] ?? [], as: UTF8.self)
        )
    }
}

private func names(in root: FilePath, _ path: FilePath) async throws -> [String] {
    try await onBlockingPool {
        try RootedDirectory(root).entries(of: path).map { String(decoding: $0, as: UTF8.self) }
    }
}

@Suite(.requires(.root, .program("crun"), .program("busybox"))) struct `Sandboxes` {
    @Test func `cgroups that are not held are removed, and held ones stay, whichever process holds them`() async throws
    {
        let (before, abandoned, held) = try await onBlockingPool {
            // Once, so that the directory of all of them is there.
            let first = try ControlGroup.make()
            defer { first.remove() }
            let hierarchy = try DetachedMount.controlGroups()
            let parent = FilePath("/proc/self/fd/\(hierarchy.file.descriptor)/slipway")
            // No process has these numbers; one in another process namespace might, as far as can be seen from here.
            let abandoned = parent.appending("slipway-2147483646-\(UInt32.random(in: .min ... .max))")
            let held = parent.appending("slipway-2147483647-\(UInt32.random(in: .min ... .max))")
            for directory in [abandoned, held] { try HostFiles.createDirectory(directory) }
            let lock = try #require(try FileLock.tryAcquire(directory: held))
            defer { _ = try? HostFiles.removeDirectoryIfEmpty(held) }
            let before = try [abandoned, held].map { try HostFiles.status(of: $0) != nil }
            let group = try ControlGroup.make()
            defer { group.remove() }
            let after = try [abandoned, held].map { try HostFiles.status(of: $0) != nil }
            return withExtendedLifetime(lock) { (before, after[0], after[1]) }
        }
        // Other tests make cgroups at the same time: what is abandoned may be gone before it is looked at.
        #expect(before[1])
        #expect(!abandoned)
        #expect(held)
    }

    @Test func `a step's streams and exit code are its own`() async throws {
        try await withSandbox { runner, root in
            let result = try await run(runner, step(root, "echo out; echo err >&2; exit 7"))
            #expect(result.status == .exited(code: 7))
            #expect(result.output == "out\n")
            #expect(result.errors == "err\n")
        }
    }

    /// Writes a program from a process of its own.
    ///
    /// Where this process wrote it, a child of another test could hold the file open for a moment, and no kernel runs such a file.
    private func write(_ script: String, to program: FilePath) async throws {
        let command = "cat > \"$0\" && chmod 755 \"$0\""
        let result = try await runProgram("sh", ["-c", command, program.string], input: Array(script.utf8))
        try #require(result.status == 0, "\(result.errorText)")
    }

    @Test func `the runtime's program is read-only where it runs, also if it is a script`() async throws {
        try await withSandbox { runner, root in
            let directory = root.removingLastComponent()
            let (program, result) = (directory.appending("runtime"), directory.appending("result"))
            let script = """
                #!/bin/sh
                [ "$1" = --version ] && exec crun "$@"
                if echo "# changed" >> "$0"; then echo writable; else echo read-only; fi > \(result) 2> /dev/null
                exec crun "$@"
                """
            try await write(script, to: program)
            let wrapped = SandboxRunner(scratch: directory, runtime: .path(program))
            #expect(try await run(wrapped, step(root, "echo out")).output == "out\n")
            #expect(try String(contentsOfFile: result.string, encoding: .utf8) == "read-only\n")
            #expect(try String(contentsOfFile: program.string, encoding: .utf8) == script)
        }
    }

    /// What is given to each of them is a filter that only crun knows.
    @Test(
        .proves("D: runc or a crun without seccomp under crun's name"),
        arguments: [
            "runc version 1.1.5\nspec: 1.0.2-dev", "crun version 1.8\n+SYSTEMD +CAP", "youki version 0.5", "",
        ]
    )
    func `a runtime that would pass over the filter is refused by what it says of itself`(answer: String) async throws {
        try await withSandbox { _, root in
            let directory = root.removingLastComponent()
            let (program, started) = (directory.appending("crun"), directory.appending("started"))
            let script = """
                #!/bin/sh
                if [ "$1" = --version ]; then printf '%s\\n' '\(answer)'; else touch \(started); exec crun "$@"; fi
                """
            try await write(script, to: program)
            let runner = SandboxRunner(scratch: directory, runtime: .path(program))
            let failure = await #expect(throws: SandboxError.self) { try await run(runner, step(root, "echo out")) }
            #expect("\(failure as Any)".contains("\(program)"))
            #expect(!FileManager.default.fileExists(atPath: started.string))
            #expect(try FileManager.default.contentsOfDirectory(atPath: directory.string).sorted() == ["crun", "root"])
        }
    }

    @Test func `a step is process 1 and sees only its own descriptors`() async throws {
        try await withSandbox { runner, root in
            let leaked = try await onBlockingPool { try OpenFile.open("/", [.readOnly, .directory]) }
            let copy = dup(leaked.descriptor)
            defer { close(copy) }
            let result = try await run(
                runner,
                step(
                    root,
                    "echo $$; for i in $(seq 0 9) $(seq 11 255); do [ -e /proc/1/fd/$i ] && printf \"$i \"; done; ps -o args"
                )
            )
            let lines = result.output.split(separator: "\n")
            #expect(lines.first == "1")
            #expect(lines.dropFirst().first?.hasPrefix("0 1 2 ") == true)
            #expect(lines.count == 3, "only the shell, or what it became: \(lines)")
        }
    }

    @Test func `privileges are Docker's defaults`() async throws {
        try await withSandbox { runner, root in
            let result = try await run(runner, step(root, "grep -E '^(Cap|Seccomp:|NoNewPrivs)' /proc/self/status"))
            #expect(
                result.output == """
                    CapInh:\t0000000000000000
                    CapPrm:\t00000000a80425fb
                    CapEff:\t00000000a80425fb
                    CapBnd:\t00000000a80425fb
                    CapAmb:\t0000000000000000
                    NoNewPrivs:\t0
                    Seccomp:\t2

                    """
            )
        }
    }

    @Test func `denied system calls are denied`() async throws {
        try await withSandbox { runner, root in
            let result = try await run(
                runner,
                step(root, "unshare -m true; echo $?; mount -t tmpfs x /bin; echo $?; umount /proc; echo $?")
            )
            #expect(result.output == "1\n255\n1\n" || result.output.split(separator: "\n").allSatisfy { $0 != "0" })
            #expect(result.errors.contains("Operation not permitted"))
        }
    }

    @Test func `the kernel's files are masked and read-only`() async throws {
        try await withSandbox { runner, root in
            let script = """
                for f in kcore keys timer_list interrupts; do [ -e /proc/$f ] && printf "$f:%s " "$(head -c 1 /proc/$f | wc -c)"; done
                for f in acpi scsi asound; do [ -e /proc/$f ] && ls /proc/$f; done
                for f in sys/kernel/hostname sysrq-trigger irq/x fs/x bus/x; do (echo x > /proc/$f) 2>/dev/null && echo "wrote $f"; done
                (echo x > /sys/x) 2>/dev/null && echo "wrote sys"
                ls /dev
                """
            let result = try await run(runner, step(root, script))
            #expect(!result.output.contains("wrote"))
            #expect(!result.output.contains(":1"))
            let devices = result.output.split(separator: "\n").dropFirst().map(String.init)
            #expect(
                devices == [
                    "core", "fd", "full", "mqueue", "null", "ptmx", "pts", "random", "shm", "stderr", "stdin", "stdout",
                    "tty", "urandom",
                    "zero",
                ] || devices.contains("null"),
                "\(devices)"
            )
        }
    }

    @Test func `nothing that was mounted stays in the root`() async throws {
        try await withSandbox { runner, root in
            let before = try await names(in: root, "/etc")
            var configuration = step(root, "cat /data/deep/file /etc/hosts; hostname; touch /new")
            configuration.hostname = "builder"
            let source = root.removingLastComponent().appending("file")
            try await onBlockingPool { try OpenFile.open(source, [.writeOnly, .create]).write("content\n") }
            configuration.mounts = [.init(.bind(source), at: "/data/deep/file", isReadOnly: true)]
            let result = try await run(runner, configuration)
            #expect(result.output.hasPrefix("content\n127.0.0.1\tlocalhost\n"))
            #expect(result.output.hasSuffix("builder\n"))
            #expect(try await names(in: root, "/") == ["bin", "dev", "etc", "new", "proc", "sys"])
            #expect(try await names(in: root, "/etc") == before)
        }
    }

    @Test func `a stub into which the step has written stays`() async throws {
        try await withSandbox { runner, root in
            var configuration = step(root, "echo kept > /cache/../beside; mkdir -p /opt/app; touch /opt/app/x")
            configuration.mounts = [.init(.tmpfs(size: nil, mode: 0o755), at: "/opt/cache")]
            _ = try await run(runner, configuration)
            #expect(try await names(in: root, "/opt") == ["app"])
            #expect(try await names(in: root, "/").contains("beside") == false)
        }
    }

    @Test func `links in mount targets stay inside the root`() async throws {
        try await withSandbox { runner, root in
            try await onBlockingPool {
                let directory = try RootedDirectory(root)
                try directory.createSymbolicLink("etc/resolv.conf", target: "../../../run/stub/resolv.conf")
                try directory.createSymbolicLink("loop", target: "loop")
            }
            let result = try await run(runner, step(root, "cat /run/stub/resolv.conf | wc -c"))
            #expect(result.status.isSuccess)
            #expect(try await names(in: root, "/").contains("run") == false)
            var looping = step(root, "true")
            looping.mounts = [.init(.tmpfs(size: nil, mode: 0o755), at: "/loop/x")]
            await #expect(throws: SandboxError.tooManyLinks("/loop/x")) { try await run(runner, looping) }
        }
    }

    @Test(arguments: ["dev", "proc", "sys"]) func `a hostile top directory is refused`(_ name: String) async throws {
        try await withSandbox { runner, root in
            try await onBlockingPool {
                try RootedDirectory(root).createSymbolicLink(FilePath(name), target: "/tmp")
            }
            await #expect(throws: SandboxError.unsafeRoot(path: FilePath("/\(name)"), is: .symbolicLink)) {
                try await run(runner, step(root, "true"))
            }
        }
    }

    @Test(arguments: [
        "/proc/self/fd/9", "/proc/1/fd/3", "/proc/self/cwd/..", "/proc/thread-self/root", "/sneaky", "/dev/fd/4",
    ])
    func `a working directory in the kernel's file systems is refused`(_ path: String) async throws {
        try await withSandbox { runner, root in
            try await onBlockingPool {
                try RootedDirectory(root).createSymbolicLink("sneaky", target: "/proc/self/fd/9")
            }
            var configuration = step(root, "pwd")
            configuration.workingDirectory = FilePath(path)
            await #expect(throws: SandboxError.workingDirectoryRefused(FilePath(path))) {
                try await run(runner, configuration)
            }
        }
    }

    @Test func `a missing working directory is made and kept`() async throws {
        try await withSandbox { runner, root in
            var configuration = step(root, "pwd")
            configuration.workingDirectory = "/usr/src/app"
            let output = try await run(runner, configuration).output
            #expect(output == "/usr/src/app\n")
            #expect(try await names(in: root, "/usr/src") == ["app"])
        }
    }

    @Test func `a user has its groups and its home`() async throws {
        try await withSandbox { runner, root in
            var configuration = step(root, "id -u; id -G; echo $HOME; grep CapEff /proc/self/status")
            configuration.user = "app"
            let output = try await run(runner, configuration).output
            #expect(output == "1000\n1001 29\n/home/app\nCapEff:\t0000000000000000\n")
        }
    }

    @Test func `programs that cannot run are explained`() async throws {
        try await withSandbox { runner, root in
            try await onBlockingPool {
                let directory = try RootedDirectory(root)
                try directory.open("bin/text", [.writeOnly, .create], mode: 0o644).write("text")
                try directory.open("bin/garbage", [.writeOnly, .create], mode: 0o755).write([1, 2, 3, 4])
                try directory.open("bin/script", [.writeOnly, .create], mode: 0o755).write(
                    "#!/bin/nothing\r\n"
                )
            }
            func error(_ program: String) async -> SandboxError? {
                var configuration = step(root, "")
                configuration.arguments = [Array(program.utf8)]
                do {
                    _ = try await run(runner, configuration)
                    return nil
                } catch {
                    return error as? SandboxError
                }
            }
            #expect(
                await error("frobnicate")?.description == "exec: \"frobnicate\": executable file not found in $PATH"
            )
            #expect(await error("/bin/frobnicate")?.exitCode == 127)
            #expect(await error("text")?.exitCode == 126)
            #expect(await error("/bin/text")?.description == "exec: \"/bin/text\": permission denied")
            #expect(await error("/bin")?.exitCode == 126)
            #expect(await error("/bin/garbage")?.description == "exec: \"/bin/garbage\": exec format error")
            #expect(await error("/bin/script")?.exitCode == 126)
        }
    }

    @Test func `what a step leaves running is gone when it ends`() async throws {
        try await withSandbox { runner, root in
            let mark = "\(Int.random(in: 1_000_000..<9_000_000))"
            let clock = ContinuousClock()
            let start = clock.now
            let result = try await run(
                runner,
                step(
                    root,
                    "setsid nohup sleep \(mark) >/dev/null 2>&1 & (setsid sleep \(mark) &); trap '' TERM; sleep 0.1; echo done"
                )
            )
            #expect(result.output == "done\n")
            // The processes would stay for a day; how busy the machine is must not matter.
            #expect(clock.now - start < .seconds(1800))
            #expect(try processes(with: mark).isEmpty)
        }
    }

    @Test func `a cancelled step that ignores signals is killed after its grace`() async throws {
        try await withSandbox { runner, root in
            let mark = "\(Int.random(in: 1_000_000..<9_000_000))"
            let started = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingOldest(1))
            let configuration = step(
                root,
                "trap '' TERM INT HUP; (setsid sleep \(mark) &); echo ready; while :; do sleep \(mark); done"
            )
            let running = Task {
                try await runner.run(configuration, grace: .milliseconds(200)) { _, _ in started.continuation.yield() }
            }
            for await _ in started.stream { break }
            running.cancel()
            await #expect(throws: (any Error).self) { try await running.value }
            let survivors = try processes(with: mark)
            #expect(survivors.isEmpty)
            let left = try await names(in: root.removingLastComponent(), "/")
            #expect(left == ["root"])
        }
    }

    @Test func `only loopback exists without a network`() async throws {
        try await withSandbox { runner, root in
            var configuration = step(root, "ls /sys/class/net; ip addr show lo | grep -c 127.0.0.1")
            configuration.network = .none
            let output = try await run(runner, configuration).output
            #expect(output == "lo\n1\n")
        }
    }

    @Test func `a terminal is one, with its size`() async throws {
        try await withSandbox { runner, root in
            var streams = SandboxRunner.Streams()
            streams.terminal = TerminalSize(rows: 33, columns: 101)
            let (text, status) = try await runner.withProcess(
                step(root, "tty; stty size; read x; echo got $x"),
                streams: streams
            ) { process in
                let terminal = try #require(process.terminal)
                try await terminal.makeWriter().write("hello\n")
                let reader = try terminal.makeReader()
                var text: [UInt8] = []
                while let bytes = try await reader.read() { text += bytes }
                return String(decoding: text, as: UTF8.self)
            }
            #expect(status.isSuccess)
            // The terminal echoes what is typed when it comes, which may be between the two.
            #expect(text.contains("/dev/pts/0\r\n"))
            #expect(text.contains("33 101\r\n"))
            #expect(text.contains("got hello\r\n"))
        }
    }

    @Test func `output that is not read makes the step wait, and no memory grow`() async throws {
        try await withSandbox { runner, root in
            let total = Mutex(0)
            let status = try await runner.run(step(root, "dd if=/dev/zero bs=1M count=64 2>/dev/null; echo x >&2")) {
                stream,
                bytes in
                total.withLock { $0 += stream == 1 ? bytes.count : 0 }
            }
            #expect(status.isSuccess)
            #expect(total.withLock { $0 } == 64 << 20)
        }
    }

    @Test func `names that are not text are refused, not changed`() async throws {
        try await withSandbox { runner, root in
            var configuration = step(root, "true")
            configuration.arguments.append([0xff])
            await #expect(throws: SandboxError.notText(what: "the argument", [0xff])) {
                try await run(runner, configuration)
            }
        }
    }
}

/// The processes of the host that have an argument.
func processes(with argument: String) throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: "/proc").filter { name in
        guard name.allSatisfy(\.isNumber), let line = FileManager.default.contents(atPath: "/proc/\(name)/cmdline")
        else { return false }
        return line.split(separator: 0).contains { $0.elementsEqual(argument.utf8) }
    }
}
