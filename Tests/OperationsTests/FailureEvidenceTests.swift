import LinuxSystem
import Operations
import Testing

/// Advice is for what is certain: each cause with its evidence, and the same without.
@Suite struct `Advice on failed steps` {
    private func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

    private func advice(
        _ exitCode: Int32,
        _ output: String,
        files: [String: (mode: UInt32, head: [UInt8])] = [:],
        _ change: (inout FailureEvidence) -> Void = { _ in }
    ) -> String? {
        var evidence = FailureEvidence(exitCode: exitCode)
        evidence.output = bytes(output)
        evidence.arguments = [bytes("/bin/sh"), bytes("-c"), bytes("x")]
        evidence.environment = [bytes("PATH=/usr/bin:/bin")]
        change(&evidence)
        return evidence.advice { path in
            files[String(decoding: path, as: UTF8.self)].map { FailureEvidence.File(mode: $0.mode, head: $0.head) }
        }
    }

    /// An ELF file of 64 bits: machine, and the loader of its only program header.
    private func program(machine: UInt8, loader: String) -> [UInt8] {
        var head: [UInt8] = [0x7f, 0x45, 0x4c, 0x46, 2, 1, 1] + [UInt8](repeating: 0, count: 9)
        head += [3, 0, machine, 0, 1, 0, 0, 0] + [UInt8](repeating: 0, count: 8)
        head += [64, 0, 0, 0, 0, 0, 0, 0] + [UInt8](repeating: 0, count: 12) + [64, 0, 56, 0, 1, 0, 0, 0, 0, 0, 0, 0]
        head += [3, 0, 0, 0, 4, 0, 0, 0] + [120, 0, 0, 0, 0, 0, 0, 0] + [UInt8](repeating: 0, count: 16)
        head += [UInt8(loader.utf8.count + 1), 0, 0, 0, 0, 0, 0, 0] + [UInt8](repeating: 0, count: 16)
        return head + bytes(loader) + [0]
    }

    @Test(arguments: [
        "/bin/sh: 1: gcc: not found\n", "/bin/sh: gcc: not found\n", "/bin/bash: line 1: gcc: command not found\n",
    ])
    func `a program that is missing is named with what installs it`(output: String) {
        #expect(advice(127, output)?.hasPrefix("gcc is in no directory of the image's PATH: COPY it from") == true)
        let debian = advice(127, output, files: ["/usr/bin/apt-get": (0o755, [])])
        #expect(debian?.contains("apt-get install") == true)
        let alpine = advice(127, output, files: ["/sbin/apk": (0o755, [])])
        #expect(alpine?.contains("apk add") == true)
        #expect(advice(127, output, files: ["/bin/gcc": (0o755, [])]) == nil)
        #expect(advice(1, output) == nil)
    }

    @Test func `what programs say of their files is not taken for a missing program`() {
        #expect(advice(127, "make: gcc: not found\n") == nil)
        #expect(advice(127, "grep: file: No such file or directory\n") == nil)
        #expect(advice(127, "") == nil)
    }

    @Test func `a script that is there and not found has an interpreter that is missing or a carriage return`() {
        let output = "/bin/sh: 1: /app/run.sh: not found\n"
        let windows = advice(127, output, files: ["/app/run.sh": (0o755, bytes("#!/bin/sh\r\necho\r\n"))])
        #expect(windows?.contains("carriage return") == true)
        let bash = advice(127, output, files: ["/app/run.sh": (0o755, bytes("#!/bin/bash -e\n"))])
        #expect(bash?.contains("needs /bin/bash, which the image does not have") == true)
        let both = ["/app/run.sh": (UInt32(0o755), bytes("#!/bin/bash\n")), "/bin/bash": (0o755, [])]
        #expect(advice(127, output, files: both) == nil)
    }

    #if arch(x86_64)
        @Test func `a program of another C library misses its loader`() {
            let output = "/bin/sh: 1: /app/tool: not found\n"
            let loader = "/lib/ld-musl-x86_64.so.1"
            let tool = program(machine: 62, loader: loader)
            let missing = advice(127, output, files: ["/app/tool": (0o755, tool)])
            #expect(missing?.contains("needs the loader \(loader), which the image does not have") == true)
            #expect(advice(127, output, files: ["/app/tool": (0o755, tool), loader: (0o755, [])]) == nil)
        }

        @Test func `a program of another machine is named with its platform`() {
            let output = "/bin/sh: 1: /app/tool: Exec format error\n"
            let arm = advice(126, output, files: ["/app/tool": (0o755, program(machine: 183, loader: "/l"))])
            #expect(arm?.contains("is a program for arm64 and this machine is amd64") == true)
            #expect(advice(126, output, files: ["/app/tool": (0o755, program(machine: 62, loader: "/l"))]) == nil)
        }
    #endif

    @Test func `a file without permission to execute is told how to get it`() {
        let output = "/bin/sh: 1: /app/run.sh: Permission denied\n"
        let script = bytes("#!/bin/sh\n")
        #expect(advice(126, output, files: ["/app/run.sh": (0o644, script)])?.contains("its mode is 0644") == true)
        #expect(advice(126, output, files: ["/app/run.sh": (0o755, script)]) == nil)
        #expect(advice(1, output, files: ["/app/run.sh": (0o644, script)]) == nil)
    }

    @Test func `running out of memory is told from other kills`() {
        #expect(advice(137, "") { $0.outOfMemoryKills = 1 }?.contains("more memory than its limit") == true)
        #expect(advice(137, "") == nil)
        #expect(advice(1, "") { $0.outOfMemoryKills = 1 } == nil)
    }

    @Test func `a full disk is told from a full file system of memory`() {
        let output = "cp: write error: No space left on device\n"
        let full = FileSystemSpace(availableBytes: 4096, availableFiles: 100)
        let free = FileSystemSpace(availableBytes: 1 << 40, availableFiles: 100)
        let noFiles = FileSystemSpace(availableBytes: 1 << 40, availableFiles: 0)
        #expect(advice(1, output) { $0.space = full }?.contains("is full") == true)
        #expect(advice(1, output) { $0.space = noFiles }?.contains("inodes") == true)
        #expect(advice(1, output) { $0.space = free } == nil)
        #expect(advice(1, "") { $0.space = full } == nil)
    }

    @Test(arguments: [
        "Could not connect to 127.0.0.1:3128 (127.0.0.1). - connect (111: Connection refused)",
        "curl: (7) Failed to connect to localhost port 80: Connection refused",
    ])
    func `the host's loopback is not the step's`(output: String) {
        #expect(advice(1, output)?.contains("--network=host") == true)
        #expect(advice(1, output) { $0.network = .host } == nil)
        #expect(advice(0, output) == nil)
        #expect(advice(1, "connect to 192.0.2.1: Connection refused") == nil)
    }

    @Test(arguments: [
        "E: Temporary failure resolving 'packages.example.com'", "curl: (6) Could not resolve host: example.com",
        "wget: bad address 'example.com'", "getaddrinfo EAI_AGAIN packages.example.com",
    ])
    func `a name that is not resolved`(output: String) {
        #expect(advice(100, output)?.contains("/etc/resolv.conf") == true)
        #expect(advice(100, output) { $0.network = .none }?.contains("--network=none") == true)
        #expect(advice(0, output) == nil)
    }
}
