import Foundation
import Proofs
import Testing

/// The life of containers, as Debian's docker client leads it at a daemon.
@Suite(.requires(.root, .program("/usr/bin/docker"), .program("busybox"), .program("conmon"), .program("crun")))
struct DockerContainerTests {
    @Test(.proves("docker run"))
    func `docker runs a program, and has what it writes and how it ends`() async throws {
        let daemon = try await DockerDaemon.start()
        let run = try await daemon.docker(
            "run",
            "--rm",
            "busybox",
            "sh",
            "-c",
            "echo out; echo err >&2; exit 3"
        )
        #expect(run.text == "out\n")
        #expect(run.errorText == "err\n")
        #expect(run.status == 3)
        #expect(try await daemon.succeed("ps", "-aq").isEmpty)
        let piped = try await daemon.docker(
            "run",
            "--rm",
            "-i",
            "busybox",
            "wc",
            "-c",
            input: Array(repeating: 7, count: 300_000)
        )
        #expect(piped.text == "300000\n")
        let silent = try await daemon.docker("run", "--rm", "busybox", "cat", input: Array("nothing".utf8))
        #expect(silent.status == 0)
        #expect(silent.text.isEmpty)
    }

    @Test(.proves("docker run"))
    func `all that a container writes arrives, byte by byte and in order`() async throws {
        let daemon = try await DockerDaemon.start()
        let run = try await daemon.docker(
            "run",
            "--rm",
            "busybox",
            "sh",
            "-c",
            "seq 1 200000; printf 'no end\\0of line'"
        )
        let expected = (1...200_000).map { "\($0)\n" }.joined() + "no end\0of line"
        #expect(run.text == expected)
    }

    @Test(.proves("docker run"))
    func `what cannot be run ends as docker has it`() async throws {
        let daemon = try await DockerDaemon.start()
        let missing = try await daemon.docker("run", "--rm", "busybox", "no-such-program")
        #expect(missing.status == 127)
        #expect(missing.errorText.contains("executable file not found"), "\(missing.errorText)")
        #expect(try await daemon.succeed("ps", "-aq").isEmpty)
        let directory = try await daemon.docker("run", "--rm", "busybox", "/etc")
        #expect(directory.status == 126, "\(directory.errorText)")
        let unknown = try await daemon.docker("run", "--rm", "127.0.0.1:9/nothing", "true")
        #expect(unknown.status == 125)
        #expect(unknown.errorText.contains("Unable to find image"))
        let refused = try await daemon.docker("run", "--rm", "--cpu-shares", "512", "busybox", "true")
        #expect(refused.status == 125)
        #expect(refused.errorText.contains("HostConfig.CpuShares is not supported"))
    }

    @Test(.proves("docker run"))
    func `a terminal shows what is typed, has the client's size and can be let go of`() async throws {
        let daemon = try await DockerDaemon.start()
        let typed = try await daemon.onTerminal("run", "-it", "--rm", "busybox", "sh") { session in
            try await session.expect("# ")
            try await session.type("stty size; tty && exit 7\n")
            try await session.expect("30 90")
            try await session.expect("/dev/pts/0")
        }
        #expect(typed.status == 7)
        let left = try await daemon.onTerminal("run", "-it", "--name", "kept", "busybox", "sh") { session in
            try await session.expect("# ")
            try await session.type("\u{10}\u{11}")
        }
        #expect(left.status == 0, "\(left.rest)")
        #expect(try await daemon.succeed("inspect", "--format", "{{.State.Status}}", "kept") == "running")
        let again = try await daemon.onTerminal("attach", "kept") { session in
            try await session.type("echo I am $((40 + 2))\n")
            try await session.expect("I am 42")
            try await session.type("exit 5\n")
        }
        #expect(again.status == 5, "\(again.rest)")
    }

    @Test(.proves("docker run -d, ps, logs, stop, kill, rm, wait, rename, restart, top"))
    func `docker leads a container through its life`() async throws {
        let daemon = try await DockerDaemon.start()
        let id = try await daemon.succeed(
            "run",
            "-d",
            "--name",
            "life",
            "--label",
            "a=b",
            "-e",
            "WHO=docker",
            "busybox",
            "sh",
            "-c",
            "echo begun $WHO; trap 'echo ended; exit 4' TERM; while true; do sleep 0.1; done"
        )
        #expect(id.count == 64)
        #expect(try await daemon.succeed("ps", "-q", "--no-trunc") == id)
        #expect(try await daemon.succeed("ps", "-q", "--filter", "label=a=c").isEmpty)
        let row = try await daemon.succeed("ps", "--format", "{{.Names}} {{.Image}} {{.State}} {{.Label \"a\"}}")
        #expect(row == "life busybox running b")
        for _ in 0..<100 where try await daemon.succeed("logs", "life").isEmpty {
            try await Task.sleep(for: .milliseconds(50))
        }
        #expect(try await daemon.succeed("logs", "life") == "begun docker")
        #expect(try await daemon.succeed("top", "life").contains("sleep"))
        let running = try await daemon.docker("rm", "life")
        #expect(running.status == 1)
        #expect(running.errorText.contains("container is running"))
        try await daemon.succeed("rename", "life", "afterlife")
        async let waited = daemon.succeed("wait", "afterlife")
        #expect(try await daemon.succeed("stop", "afterlife") == "afterlife")
        #expect(try await waited == "4")
        #expect(try await daemon.succeed("logs", "afterlife") == "begun docker\nended")
        let state = "{{.State.Status}} {{.State.ExitCode}}"
        #expect(try await daemon.succeed("inspect", "--format", state, id) == "exited 4")
        try await daemon.succeed("start", "afterlife")
        try await daemon.succeed("kill", "afterlife")
        #expect(try await daemon.succeed("inspect", "--format", state, id) == "exited 137")
        try await daemon.succeed("restart", "-t", "0", "afterlife")
        #expect(try await daemon.succeed("inspect", "--format", "{{.State.Running}}", id) == "true")
        #expect(try await daemon.docker("kill", "nothing").errorText.contains("No such container: nothing"))
        try await daemon.succeed("rm", "-f", "afterlife")
        #expect(try await daemon.succeed("ps", "-aq").isEmpty)
    }

    @Test(.proves("docker run -d, ps, logs, stop, kill, rm, wait, rename, restart, top"))
    func `logs follow a container to its end, and choose lines`() async throws {
        let daemon = try await DockerDaemon.start()
        try await daemon.succeed(
            "run",
            "-d",
            "--name",
            "lines",
            "busybox",
            "sh",
            "-c",
            "for i in 1 2 3 4 5; do echo $i; sleep 0.2; done; echo bad >&2"
        )
        let followed = try await daemon.docker("logs", "-f", "lines")
        #expect(followed.text == "1\n2\n3\n4\n5\n")
        #expect(followed.errorText == "bad\n")
        #expect(try await daemon.docker("logs", "--tail", "2", "lines").text == "5\n")
        let stamped = try await daemon.docker("logs", "-t", "--tail", "1", "lines").errorText
        #expect(stamped.contains(/^\d{4}-\d\d-\d\dT[0-9:.]+Z bad\n$/))
        #expect(try await daemon.docker("logs", "--until", "1m", "lines").text.isEmpty)
        #expect(try await daemon.docker("logs", "--since", "1m", "lines").text == "1\n2\n3\n4\n5\n")
    }

    @Test(.proves("docker exec"))
    func `docker starts more processes in a container`() async throws {
        let daemon = try await DockerDaemon.start()
        try await daemon.succeed("run", "-d", "--name", "host", "busybox", "sleep", "1000")
        let run = try await daemon.docker(
            "exec",
            "-e",
            "A=b",
            "-w",
            "/etc",
            "-u",
            "app",
            "host",
            "sh",
            "-c",
            "echo $A $(pwd) $(id -u); echo e >&2; exit 9"
        )
        #expect(run.text == "b /etc 1000\n")
        #expect(run.errorText == "e\n")
        #expect(run.status == 9)
        let piped = try await daemon.docker(
            "exec",
            "-i",
            "host",
            "wc",
            "-c",
            input: Array(repeating: 7, count: 200_000)
        )
        #expect(piped.text == "200000\n")
        let missing = try await daemon.docker("exec", "host", "no-such-program")
        #expect(missing.status == 127 || missing.status == 126, "\(missing.status)")
        try await daemon.succeed("exec", "-d", "host", "touch", "/made")
        for _ in 0..<100 where try await daemon.docker("exec", "host", "ls", "/made").status != 0 {
            try await Task.sleep(for: .milliseconds(20))
        }
        #expect(try await daemon.docker("exec", "-d", "host", "no-such-program").status == 1)
        let typed = try await daemon.onTerminal("exec", "-it", "host", "sh") { session in
            try await session.expect("# ")
            try await session.type("stty size; exit 6\n")
            try await session.expect("30 90")
        }
        #expect(typed.status == 6)
        try await daemon.succeed("kill", "host")
        #expect(try await daemon.docker("exec", "host", "true").errorText.contains("is not running"))
    }

    @Test(.proves("docker cp"))
    func `docker copies files into containers and out of them`() async throws {
        let daemon = try await DockerDaemon.start()
        try await daemon.succeed("create", "--name", "files", "busybox", "sleep", "1000")
        let from = daemon.scratch.path + "/from"
        try daemon.scratch.write("one", to: "from/one")
        try daemon.scratch.write("two", to: "from/below/two")
        let status = "state when copied"
        for phase in ["created", "running"] {
            if phase == "running" { try await daemon.succeed("start", "files") }
            try await daemon.succeed("cp", from, "files:/\(phase)")
            let back = daemon.scratch.path + "/back-\(phase)"
            try await daemon.succeed("cp", "files:/\(phase)", back)
            let difference = try await runProgram("diff", ["-r", from, back])
            #expect(difference.status == 0, "\(status): \(phase): \(difference.text)")
            try await daemon.succeed("cp", from + "/one", "files:/\(phase)/renamed")
            let archive = try await daemon.docker("cp", "files:/\(phase)/renamed", "-")
            try daemon.scratch.write(archive.text, to: "archive")
            #expect(try await runProgram("tar", ["-xOf", daemon.scratch.path + "/archive", "renamed"]).text == "one")
        }
        #expect(try await daemon.succeed("exec", "files", "cat", "/created/below/two") == "two")
        let missing = try await daemon.docker("cp", "files:/nothing", from)
        #expect(missing.status == 1)
        #expect(missing.errorText.contains("/nothing"), "\(missing.errorText)")
        try await daemon.succeed("rm", "-f", "files")
    }

    @Test(.proves("docker volume"))
    func `docker makes, lists, uses and removes volumes`() async throws {
        let daemon = try await DockerDaemon.start()
        #expect(try await daemon.succeed("volume", "create", "--label", "a=b", "kept") == "kept")
        try await daemon.succeed("run", "--rm", "-v", "kept:/data", "busybox", "sh", "-c", "echo content > /data/file")
        #expect(
            try await daemon.succeed("run", "--rm", "-v", "kept:/data:ro", "busybox", "cat", "/data/file") == "content"
        )
        #expect(try await daemon.succeed("volume", "ls", "-q") == "kept")
        #expect(try await daemon.succeed("volume", "inspect", "--format", "{{.Labels.a}}", "kept") == "b")
        try await daemon.succeed("create", "--name", "user", "-v", "kept:/data", "-v", "/anonymous", "busybox", "true")
        #expect(try await daemon.docker("volume", "rm", "kept").errorText.contains("volume is in use"))
        #expect(try await daemon.succeed("volume", "ls", "-q", "--filter", "dangling=true").isEmpty)
        try await daemon.succeed("rm", "-v", "user")
        #expect(try await daemon.succeed("volume", "ls", "-q") == "kept")
        try await daemon.succeed("volume", "rm", "kept")
        #expect(try await daemon.docker("volume", "inspect", "kept").errorText.contains("No such volume: kept"))
        try await daemon.succeed("volume", "create")
        #expect(try await daemon.succeed("volume", "prune", "-f").contains("Deleted Volumes:"))
    }
}
