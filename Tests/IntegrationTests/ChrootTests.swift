import Foundation
import LinuxSystem
import Sandboxes
import Synchronization
import SystemPackage
import Testing
import Text

/// Processes that are started by chroot(2), as in a container that allows no namespaces: here with more rights than there.
@Suite(.requires(.root, .program("busybox"), .program("gcc"))) struct `Sandboxes without namespaces` {
    private struct Result {
        var status: LinuxSystem.ExitStatus
        var output = ""
        var errors = ""
        var restored: [FilePath] = []
        var obstacles: [String] = []
    }

    private func withRoot<Value>(_ body: (SandboxRunner, FilePath) async throws -> Value) async throws -> Value {
        try await withScratchDirectory { directory in
            let root = try await makeBusyboxRoot(in: directory)
            let runner = SandboxRunner(
                scratch: directory,
                level: .confined(isSuperuser: true),
                keeper: .path(FilePath(try Slipway.binary))
            )
            return try await body(runner, root)
        }
    }

    private func step(_ root: FilePath, _ script: String) -> SandboxConfiguration {
        var configuration = SandboxConfiguration(
            root: root,
            arguments: ["/bin/sh", "-c", script].map { Array($0.utf8) }
        )
        configuration.environment = ["PATH=/bin"]
        configuration.purpose = .step
        return configuration
    }

    private func run(_ runner: SandboxRunner, _ configuration: SandboxConfiguration) async throws -> Result {
        let result = Mutex(Result(status: .exited(code: -1)))
        var configuration = configuration
        configuration.noteRestored = { paths in result.withLock { $0.restored += paths } }
        configuration.noteObstacle = { text in result.withLock { $0.obstacles.append(text) } }
        let status = try await runner.run(configuration) { stream, bytes in
            let text = String(decoding: bytes, as: UTF8.self)
            result.withLock { if stream == 1 { $0.output += text } else { $0.errors += text } }
        }
        result.withLock { $0.status = status }
        return result.withLock { $0 }
    }

    /// Everything in a root that a layer would say of it.
    private func listing(_ root: FilePath) async throws -> String {
        let script = "find . -printf '%p %y %i %m %U:%G %T@ %l\\n' | sort; find . -type f | sort | xargs md5sum"
        return try await runProgram("sh", ["-c", script], in: URL(filePath: root.string)).text
    }

    @Test func `a process has its streams, its exit code, its user and its directory, and the root is as it was`()
        async throws
    {
        try await withRoot { runner, root in
            let script =
                "cd \(root) && mkdir proc dev sys home && echo own > etc/hosts && echo x > dev/own && touch -d @1 dev etc"
            try #require(try await runProgram("sh", ["-ec", script]).status == 0)
            let before = try await listing(root)
            var configuration = step(root, "pwd; id -u; id -G; umask; echo $HOME; echo err >&2; exit 7")
            configuration.user = "app"
            configuration.workingDirectory = "/home"
            let result = try await run(runner, configuration)
            #expect(result.status == .exited(code: 7))
            #expect(result.output == "/home\n1000\n1001 29\n0022\n/home/app\n")
            #expect(result.errors == "err\n")
            #expect(try await listing(root) == before)
            #expect(result.restored == ["/etc/hosts"])
            #expect(result.obstacles.isEmpty)
            #expect(
                try FileManager.default.contentsOfDirectory(atPath: root.removingLastComponent().string) == ["root"]
            )
        }
    }

    @Test func `a signal that ends a process is told, and one that is sent arrives`() async throws {
        try await withRoot { runner, root in
            #expect(try await run(runner, step(root, "kill -9 $$")).status == .signaled(.kill))
            let configuration = step(
                root,
                "trap 'echo got it; exit 3' USR1; echo ready; while true; do sleep 0.05; done"
            )
            let (output, status) = try await runner.withProcess(configuration) { process in
                var output = ""
                while let bytes = try await process.reader(1)?.read() {
                    output += String(decoding: bytes, as: UTF8.self)
                    if output == "ready\n" { try process.send(signal: .user1) }
                }
                _ = try await process.wait()
                return output
            }
            #expect(output == "ready\ngot it\n")
            #expect(status == .exited(code: 3))
        }
    }

    @Test(arguments: [
        (["/bin/nothing"], 127, "no such file or directory"), (["nothing"], 127, "executable file not found in $PATH"),
        (["/etc/passwd"], 126, "permission denied"), (["/etc"], 126, "permission denied"),
        (["/bin/noloader"], 126, "its interpreter or loader is missing"), (["/bin/text"], 126, "exec format error"),
    ])
    func `a program that cannot be started is named with the reason`(
        arguments: [String],
        code: CInt,
        reason: String
    ) async throws {
        try await withRoot { runner, root in
            let script =
                "cd \(root)/bin && printf '#!/none\\n' > noloader && echo text > text && chmod 755 noloader text"
            try #require(try await runProgram("sh", ["-ec", script]).status == 0)
            var configuration = step(root, "")
            configuration.arguments = arguments.map { Array($0.utf8) }
            let error = await #expect(throws: SandboxError.self) { try await run(runner, configuration) }
            #expect(error?.exitCode == code)
            #expect(error.map { "\($0)" }?.contains(reason) ?? false, "\(error as Any)")
        }
    }

    // MARK: What is left

    @Test func `nothing that a process started is left, however it left it behind`() async throws {
        try await withRoot { runner, root in
            let marker = UUID().uuidString
            // A daemon in a session of its own, whose parent is gone, and one that becomes another user besides.
            let script = """
                (setsid sh -c 'while true; do sleep 1000; done' \(marker) < /dev/null > /dev/null 2>&1 &)
                setsid nohup sh -c '(sh -c "while true; do sleep 1000; done" \(marker) &)' < /dev/null > /dev/null 2>&1
                sleep 0.1; echo done
                """
            #expect(try await run(runner, step(root, script)).output == "done\n")
            let left = try await runProgram("pgrep", ["-f", marker])
            #expect(left.text.isEmpty, "\(left.text)")
        }
    }

    @Test func `a cancelled process is gone with all that it started when that is known`() async throws {
        try await withRoot { runner, root in
            let marker = UUID().uuidString
            let configuration = step(
                root,
                "trap '' TERM; (setsid sh -c 'while true; do sleep 1000; done' \(marker) &); echo up; while true; do sleep 1; done"
            )
            let started = AsyncStream<Void>.makeStream()
            let task = Task {
                try await runner.run(configuration, grace: .zero) { _, _ in started.continuation.yield() }
            }
            for await _ in started.stream { break }
            task.cancel()
            await #expect(throws: CancellationError.self) { try await task.value }
            let left = try await runProgram("pgrep", ["-f", marker])
            #expect(left.text.isEmpty, "\(left.text)")
            #expect(
                try FileManager.default.contentsOfDirectory(atPath: root.removingLastComponent().string) == ["root"]
            )
        }
    }

    @Test func `a fork bomb ends with its process`() async throws {
        try await withRoot { runner, root in
            let marker = UUID().uuidString
            let script =
                "f() { sh -c 'sleep 1000' \(marker) & }; i=0; while [ $i -lt 200 ]; do f; i=$((i+1)); done; (f; f) & exit 4"
            #expect(try await run(runner, step(root, script)).status == .exited(code: 4))
            let left = try await runProgram("pgrep", ["-f", marker])
            #expect(left.text.isEmpty)
        }
    }

    // MARK: Confinement

    @Test func `a process has no privileges but those that it may use in its root`() async throws {
        try await withRoot { runner, root in
            var configuration = step(root, "")
            configuration.arguments = ["/bin/probe"]
            let probe = """
                #define _GNU_SOURCE
                #include <stdio.h>
                #include <errno.h>
                #include <fcntl.h>
                #include <sched.h>
                #include <signal.h>
                #include <unistd.h>
                #include <stdlib.h>
                #include <sys/mount.h>
                #include <sys/prctl.h>
                #include <sys/stat.h>
                #include <sys/syscall.h>
                #include <linux/capability.h>
                #define TRY(what) printf("%s %d\\n", #what, (what) < 0 ? errno : 0)
                int main(void) {
                    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
                    struct __user_cap_data_struct data[2];
                    syscall(SYS_capget, &header, data);
                    printf("%x %x %x %x\\n", data[0].effective, data[0].permitted, data[0].inheritable, data[1].effective);
                    printf("bounding %d %d\\n", prctl(PR_CAPBSET_READ, CAP_SYS_CHROOT), prctl(PR_CAPBSET_READ, CAP_CHOWN));
                    printf("no new privileges %d, seccomp %d\\n", prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), prctl(PR_GET_SECCOMP));
                    TRY(chroot("/bin"));
                    TRY(unshare(CLONE_NEWUSER));
                    TRY(mount("none", "/etc", "tmpfs", 0, ""));
                    TRY(mknod("/made", S_IFCHR, 0x103));
                    TRY(kill(getppid(), 0));
                    TRY(kill(-1, SIGKILL));
                    printf("alive\\n");
                    for (int i = 3; i < 64; i++) if (fcntl(i, F_GETFD) >= 0) printf("open %d\\n", i);
                }
                """
            try await compile(probe, to: root.appending("bin/probe"))
            let result = try await run(runner, configuration)
            // Docker's fourteen without CAP_SYS_CHROOT.
            let mask = String(0xa804_25fb & ~(1 << 18), radix: 16)
            let lines = result.output.split(separator: "\n").map(String.init)
            #expect(lines.first == "\(mask) \(mask) 0 0", "\(result.output)")
            #expect(lines.contains("bounding 0 1"))
            #expect(lines.contains("no new privileges 1, seccomp 2"))
            for refused in [#"chroot("/bin")"#, "unshare(CLONE_NEWUSER)", #"mount("none", "/etc", "tmpfs", 0, "")"#] {
                #expect(lines.contains("\(refused) 1"), "\(refused): \(result.output)")
            }
            #expect(lines.contains(#"mknod("/made", S_IFCHR, 0x103) 0"#))
            #expect(lines.last == "alive", "\(result.output)")
        }
    }

    /// Compiles a static program.
    private func compile(_ source: String, to path: FilePath) async throws {
        let flags = ["-static", "-x", "c", "-o", path.string, "-"]
        let compiled = try await runProgram("gcc", flags, input: Array(source.utf8))
        try #require(compiled.status == 0, "\(compiled.errorText)")
    }

    @Test(.requires(.landlock, .program("python3")))
    func `a process reaches no file outside of its root, and no other process`() async throws {
        try await withRoot { runner, root in
            let name = UUID().uuidString
            // A process of the same user, with a socket that has no place among the files.
            var victim = ChildProcessConfiguration(
                .named("python3"),
                [
                    "-c",
                    "import socket, time; s = socket.socket(socket.AF_UNIX); s.bind('\\0' + '\(name)'); s.listen(); print(1, flush=True); time.sleep(60)",
                ]
            )
            victim.files = [1: .pipeFromChild]
            let other = try await ChildProcess.start(victim)
            _ = try await other.reader(1)?.read()
            let probe = """
                #define _GNU_SOURCE
                #include <errno.h>
                #include <fcntl.h>
                #include <signal.h>
                #include <stdio.h>
                #include <stdlib.h>
                #include <string.h>
                #include <sys/ptrace.h>
                #include <sys/socket.h>
                #include <sys/stat.h>
                #include <sys/syscall.h>
                #include <sys/uio.h>
                #include <sys/un.h>
                #include <unistd.h>
                static void tell(const char *what, long result) { printf("%s %d\\n", what, result < 0 ? errno : 0); }
                int main(int count, char **arguments) {
                    pid_t other = atoi(arguments[1]);
                    tell("kill", kill(other, 0));
                    tell("tgkill", syscall(SYS_tgkill, other, other, 0));
                    tell("ptrace", ptrace(PTRACE_ATTACH, other, 0, 0));
                    char byte; struct iovec own = {&byte, 1}, there = {(void *)0x400000, 1};
                    tell("process_vm_readv", process_vm_readv(other, &own, 1, &there, 1, 0));
                    int handle = syscall(SYS_pidfd_open, other, 0);
                    tell("pidfd_send_signal", handle < 0 ? -1 : syscall(SYS_pidfd_send_signal, handle, 0, NULL, 0));
                    tell("pidfd_getfd", handle < 0 ? -1 : syscall(SYS_pidfd_getfd, handle, 0, 0));
                    struct sockaddr_un address = {.sun_family = AF_UNIX};
                    strcpy(address.sun_path + 1, arguments[2]);
                    int socket_ = socket(AF_UNIX, SOCK_STREAM, 0);
                    tell("connect", connect(socket_, (void *)&address, sizeof(sa_family_t) + 1 + strlen(arguments[2])));
                    mkdir("/inner", 0755);
                    tell("chroot", chroot("/inner"));
                    for (int i = 0; i < 64; i++) if (chdir("..")) break;
                    tell("outside", open(arguments[3] + 1, O_RDONLY));
                    tell("absolute", open(arguments[3], O_RDONLY));
                    tell("own", open("/etc/passwd", O_RDWR));
                }
                """
            try await compile(probe, to: root.appending("bin/probe"))
            let outside = root.removingLastComponent().appending("secret")
            try "secret".write(toFile: outside.string, atomically: true, encoding: .utf8)
            var configuration = step(root, "")
            configuration.arguments = ["/bin/probe", "\(other.processID)", name, outside.string].map { Array($0.utf8) }
            let result = try await run(runner, configuration)
            try await other.terminate(signal: .kill)
            #expect(
                result.output == """
                    kill 1
                    tgkill 1
                    ptrace 1
                    process_vm_readv 1
                    pidfd_send_signal 1
                    pidfd_getfd 1
                    connect 1
                    chroot 1
                    outside 2
                    absolute 2
                    own 0

                    """
            )
        }
    }

    @Test func `without Landlock nothing is left of a process either`() async throws {
        try await withRoot { runner, root in
            let keeper = root.removingLastComponent().appending("keeper")
            // landlock_create_ruleset(2) is 444 on every processor.
            try await compile(
                """
                #include <linux/filter.h>
                #include <linux/seccomp.h>
                #include <sys/prctl.h>
                #include <sys/syscall.h>
                #include <unistd.h>
                int main(int count, char **arguments) {
                    struct sock_filter filter[] = {
                        {BPF_LD | BPF_W | BPF_ABS, 0, 0, 0}, {BPF_JMP | BPF_JEQ | BPF_K, 0, 1, 444},
                        {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ERRNO | 38}, {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW}};
                    struct sock_fprog program = {4, filter};
                    if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program)) return 1;
                    execv("\(try Slipway.binary)", arguments);
                    return 1;
                }
                """,
                to: keeper
            )
            let scratch = root.removingLastComponent()
            let runner = SandboxRunner(
                scratch: scratch,
                level: .confined(isSuperuser: true),
                keeper: .path(keeper)
            )
            let marker = UUID().uuidString
            let script = """
                (setsid sh -c 'while true; do sleep 1000; done' \(marker) < /dev/null > /dev/null 2>&1 &)
                i=0; while [ $i -lt 50 ]; do (sleep 1000 &); i=$((i+1)); done; sleep 0.1; echo done
                """
            #expect(try await run(runner, step(root, script)).output == "done\n")
            let left = try await runProgram("pgrep", ["-f", marker])
            #expect(left.text.isEmpty, "\(left.text)")
        }
    }
}
