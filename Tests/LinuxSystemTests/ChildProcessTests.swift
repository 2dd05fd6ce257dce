import Glibc
import LinuxSystem
import SystemPackage
import Testing
import Text

@Suite struct `Child processes` {
    private func shell(_ script: String) -> ChildProcessConfiguration {
        ChildProcessConfiguration(.path("/bin/sh"), ["-c", script])
    }

    private func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }

    @Test func `exit codes and signals are told apart`() async throws {
        #expect(try await ChildProcess.run(shell("exit 7")).status == .exited(code: 7))
        #expect(try await ChildProcess.run(shell("kill -9 $$")).status == .signaled(.kill))
        #expect(ExitStatus.signaled(.terminate).shellCode == 143)
    }

    @Test func `what they used is counted, with what they waited for`() async throws {
        // Children of the shell, which it waits for: one that computes, and one that holds and writes 64 MB.
        let child = try await ChildProcess.start(
            shell(
                "sh -c 'i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done'; head -c 64000000 /dev/zero | tail -c 64000000 > /dev/null"
            )
        )
        #expect(child.usageIfEnded == nil)
        _ = try await child.wait()
        let usage = try #require(child.usageIfEnded)
        #expect(usage.processorSeconds > 0.02)
        #expect(usage.peakMemory > 64_000_000)
    }

    @Test func `a small one is not taken for as large as this process`() async throws {
        let ballast = [UInt8](repeating: 1, count: 50_000_000)
        let child = try await ChildProcess.start(shell("exit 0"))
        _ = try await child.wait()
        let usage = try #require(child.usageIfEnded)
        #expect(
            usage.isPeakBound,
            "\(usage.peakMemory) is the peak of this process, of which \(ballast.count) are ballast"
        )
    }

    @Test func `input is fed and both streams are collected`() async throws {
        let output = try await ChildProcess.run(shell("tr a-z A-Z; echo problem >&2"), input: "hello")
        #expect(text(output.output) == "HELLO")
        #expect(text(output.errors) == "problem\n")
    }

    @Test func `a megabyte passes both ways without a deadlock`() async throws {
        let input = [UInt8](repeating: 0x61, count: 1 << 20)
        let output = try await ChildProcess.run(ChildProcessConfiguration(.named("cat")), input: input)
        #expect(output.output == input)
    }

    @Test func `input that is not read is no error`() async throws {
        let output = try await ChildProcess.run(shell("exec <&-; exit 3"), input: [UInt8](repeating: 0, count: 1 << 20))
        #expect(output.status == .exited(code: 3))
    }

    @Test func `arguments and environment are bytes`() async throws {
        var configuration = shell("printf '%s' \"$1\" \"$X\"")
        configuration.arguments += [[0x78], [0xff, 0xfe]]
        configuration.environment = ["X=" + [0xcc, 0x81]]
        #expect(try await ChildProcess.run(configuration).output == [0xff, 0xfe, 0xcc, 0x81])
    }

    @Test func `only the given descriptors are open`() async throws {
        let leaked = try await onBlockingPool { try OpenFile.open("/", .readOnly) }
        _ = dup(leaked.descriptor)
        var configuration = shell(
            "for i in 0 1 2 3 4 5 6 7 8 9 11 12 13 14 15 16; do [ -e /proc/$$/fd/$i ] && printf \"$i \"; done; head -c 4 <&5"
        )
        let pipe = try makePipe()
        try await onBlockingPool { try pipe.writing.write("five") }
        configuration.files[5] = .open(pipe.reading)
        #expect(text(try await ChildProcess.run(configuration).output) == "0 1 2 5 five")
    }

    @Test func `signal dispositions and masks are the defaults`() async throws {
        let output = try await ChildProcess.run(
            ChildProcessConfiguration(.named("grep"), ["-E", "^Sig(Blk|Ign)", "/proc/self/status"])
        )
        #expect(text(output.output) == "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n")
    }

    @Test func `a missing program is named with its package`() async throws {
        await #expect(throws: ProgramNotFound(name: "/nowhere/conmon")) {
            try await ChildProcess.start(ChildProcessConfiguration(.path("/nowhere/conmon")))
        }
        #expect(
            ProgramNotFound(name: "conmon").description
                == "exec: \"conmon\": executable file not found (install it with: apt-get install conmon)"
        )
    }

    @Test func `a failed start says which step failed`() async throws {
        var configuration = shell("true")
        configuration.workingDirectory = "/nowhere"
        await #expect(throws: SystemCallError("chdir", path: "/nowhere", errno: .noSuchFileOrDirectory)) {
            try await ChildProcess.start(configuration)
        }
    }

    @Test func `cancellation asks a process to end, and then kills it`() async throws {
        var configuration = shell("trap '' TERM; echo ready; while :; do sleep 0.05; done")
        configuration.files[1] = .pipeFromChild
        let child = try await ChildProcess.start(configuration)
        #expect(try await child.reader(1)?.read().map(text) == "ready\n")
        let waiting = Task { try await child.waitOrTerminate(grace: .milliseconds(100)) }
        waiting.cancel()
        await #expect(throws: CancellationError.self) { try await waiting.value }
        #expect(try await child.wait() == .signaled(.kill))
        #expect(try child.send(signal: .terminate) == false)
    }

    @Test func `many children at once do not hold a thread each`() async throws {
        try await withThrowingTaskGroup(of: ExitStatus.self) { group in
            for code in 0..<200 {
                group.addTask {
                    try await ChildProcess.run(
                        ChildProcessConfiguration(.path("/bin/sh"), ["-c", "exit \(code % 100)"])
                    ).status
                }
            }
            var codes: [CInt] = []
            for try await case .exited(let code) in group { codes.append(code) }
            #expect(codes.count == 200)
        }
    }
}
