import Foundation
import Testing

/// Containers from the command line, as docker's users know them.
@Suite(.requires(.root, .program("crun"), .program("conmon"), .program("busybox"), .program("ps")))
struct `Container commands` {
    let scratch: TemporaryDirectory

    init() throws { scratch = try TemporaryDirectory() }

    /// Runs `body` with a name that no other test uses; the container of that name is gone afterwards.
    func withName(_ body: (Slipway, String) async throws -> Void) async throws {
        let slipway = try await Slipway.shared()
        let name = "test-\(UUID().uuidString.lowercased().prefix(8))"
        do { try await body(slipway, name) } catch {
            _ = try? await slipway("rm", "-f", name)
            throw error
        }
        _ = try await slipway("rm", "-f", name)
    }

    @Test func `a container is created, started, attached to, restarted and renamed`() async throws {
        try await withName { slipway, name in
            let created = try await slipway.succeed(
                "create",
                "--name",
                name,
                "--network",
                "none",
                "busybox",
                "sh",
                "-c",
                "echo again >> /count; wc -l < /count; exit 4"
            )
            let id = created.trimmingCharacters(in: .newlines)
            #expect(id.count == 64)
            let status = ["inspect", "-f", "{{.State.Status}} {{.State.ExitCode}} {{.Name}} {{.Id}}", name]
            #expect(try await slipway.run(status).text == "created 0 /\(name) \(id)\n")
            let attached = try await slipway("start", "-a", name)
            #expect(attached.text == "1\n")
            #expect(attached.status == 4)
            #expect(try await slipway.succeed("start", name) == "\(name)\n")
            #expect(try await slipway.succeed("wait", name) == "4\n")
            #expect(try await slipway.succeed("restart", name) == "\(name)\n")
            #expect(try await slipway.succeed("wait", name) == "4\n")
            // Attached or not, what it wrote is in its log.
            #expect(try await slipway.succeed("logs", name) == "1\n2\n3\n")
            #expect(try await slipway.run(status).text == "exited 4 /\(name) \(id)\n")
            try await slipway.succeed("rename", name, name + "-b")
            #expect(try await slipway("inspect", "--type", "container", name).status == 1)
            try await slipway.succeed("rename", name + "-b", name)
        }
    }

    @Test func `inspect finds containers and images, and says what it does not find`() async throws {
        try await withName { slipway, name in
            try await slipway.succeed("create", "--name", name, "-l", "a=b", "-v", "/data", "busybox", "true")
            let found = try await slipway("inspect", "-f", "{{.Id}}", name, "busybox", "no-such-thing")
            #expect(found.status == 1)
            #expect(found.text.split(separator: "\n").count == 2)
            #expect(found.errorText == "Error: No such object: no-such-thing\n")
            let typed = try await slipway("inspect", "--type=image", name)
            #expect(typed.errorText.contains("No such image: \(name)"))
            let values = try await slipway.succeed(
                "container",
                "inspect",
                "-f",
                "{{.Config.Image}} {{json .Config.Cmd}} {{index .Config.Labels \"a\"}} {{(index .Mounts 0).Destination}} {{.HostConfig.NetworkMode}}",
                name
            )
            #expect(values == "busybox [\"true\"] b /data bridge\n")
        }
    }

    @Test func `flags of run reach the process`() async throws {
        let slipway = try await Slipway.shared()
        let script = """
            hostname; cat /etc/hosts | grep db; cat /etc/resolv.conf; ulimit -n; id -G; grep CapBnd /proc/self/status
            touch /x 2>/dev/null || echo read-only; touch /t/x && echo written; df -k /dev/shm | tail -n 1 | awk '{print $2}'
            grep NoNewPrivs /proc/self/status; grep ' /t ' /proc/mounts | grep -o noexec
            """
        let result = try await slipway(
            "run",
            "--rm",
            "--network",
            "none",
            "-h",
            "box",
            "--add-host",
            "db:10.1.2.3",
            "--dns",
            "9.9.9.9",
            "--dns-search",
            "example.org",
            "--ulimit",
            "nofile=77:99",
            "--group-add",
            "2000",
            "--cap-drop",
            "ALL",
            "--cap-add",
            "CHOWN",
            "--read-only",
            "--tmpfs",
            "/t",
            "--shm-size",
            "1m",
            "--security-opt",
            "no-new-privileges",
            "busybox",
            "sh",
            "-c",
            script
        )
        try #require(result.status == 0, "\(result.errorText)")
        let lines = result.text.split(separator: "\n").map(String.init)
        #expect(lines.first == "box")
        #expect(lines.contains("10.1.2.3\tdb"))
        #expect(lines.contains("nameserver 9.9.9.9") && lines.contains("search example.org"))
        #expect(lines.filter { $0.hasPrefix("nameserver") }.count == 1)
        #expect(lines.contains("77"))
        #expect(lines.contains { $0.split(separator: " ").contains("2000") })
        // CAP_CHOWN is number 0.
        #expect(lines.contains("CapBnd:\t0000000000000001"))
        #expect(lines.contains("read-only") && lines.contains("written") && lines.contains("noexec"))
        #expect(lines.contains("1024"))
        #expect(lines.contains("NoNewPrivs:\t1"))
    }

    @Test func `limits hold what the container starts, or are said not to`() async throws {
        try await withName { slipway, name in
            let script = """
                (while :; do :; done) & busy=$!
                dd if=/dev/zero of=/dev/null bs=64M count=1 2>/dev/null && echo fits || echo too-large
                i=0; while [ $i -lt 40 ]; do sleep 100000 & i=$((i+1)); done; echo all
                kill $busy
                """
            let limited = try await slipway(
                "run",
                "--name",
                name,
                "--network",
                "none",
                "-m",
                "32m",
                "--pids-limit",
                "20",
                "--cpus",
                "0.5",
                "busybox",
                "sh",
                "-c",
                script
            )
            let said = try await slipway.succeed(
                "inspect",
                "-f",
                "{{.HostConfig.Memory}} {{.HostConfig.NanoCpus}} {{.HostConfig.PidsLimit}}",
                name
            )
            #expect(said == "33554432 500000000 20\n")
            if !limited.errorText.contains("WARNING: Your kernel does not support memory limit") {
                #expect(limited.text.contains("too-large"), "\(limited.text)\(limited.errorText)")
            }
            if !limited.errorText.contains("PIDs limit discarded") {
                #expect(limited.errorText.contains("fork"), "\(limited.errorText)")
            }
            let id = try await slipway.succeed("inspect", "-f", "{{.Id}}", name).trimmingCharacters(in: .newlines)
            let left = try await runProgram("find", ["/sys/fs/cgroup", "-maxdepth", "4", "-name", id])
            #expect(left.text.isEmpty)
        }
    }

    @Test func `privileged and default containers differ in what they may do`() async throws {
        let slipway = try await Slipway.shared()
        let mounting = ["busybox", "sh", "-c", "mkdir -p /m && mount -t tmpfs none /m && echo mounted"]
        let plain = try await slipway.run(["run", "--rm", "--network", "none"] + mounting)
        #expect(plain.status != 0)
        let privileged = try await slipway.run(["run", "--rm", "--network", "none", "--privileged"] + mounting)
        #expect(privileged.text == "mounted\n", "\(privileged.errorText)")
    }

    @Test func `a missing directory is made for -v and refused for --mount`() async throws {
        let slipway = try await Slipway.shared()
        let made = try await slipway(
            "run",
            "--rm",
            "--network",
            "none",
            "-v",
            "./made/here:/here",
            "busybox",
            "touch",
            "/here/file",
            in: scratch.url
        )
        #expect(made.status == 0, "\(made.errorText)")
        #expect(FileManager.default.fileExists(atPath: scratch.url.appending(path: "made/here/file").path))
        let refused = try await slipway(
            "run",
            "--rm",
            "--network",
            "none",
            "--mount",
            "type=bind,src=/no/such,dst=/x",
            "busybox",
            "true"
        )
        #expect(refused.status == 125)
        #expect(
            refused.errorText
                == "slipway: invalid mount config for type \"bind\": bind source path does not exist: /no/such\n\nRun 'slipway run --help' for more information\n"
        )
    }

    @Test func `the id goes to a file that must not be there yet`() async throws {
        try await withName { slipway, name in
            let line = ["create", "--name", name, "--cidfile", "cid", "busybox", "true"]
            let made = try await slipway.run(line, in: scratch.url)
            #expect(made.status == 0, "\(made.errorText)")
            let file = try String(contentsOf: scratch.url.appending(path: "cid"), encoding: .utf8)
            #expect(file + "\n" == made.text)
            let again = try await slipway.run(line, in: scratch.url)
            #expect(again.status == 1)
            #expect(again.errorText.contains("container ID file found"))
        }
    }

    @Test(.requires(.program("tini-static"))) func `an init is process 1 and reaps`() async throws {
        let result = try await Slipway.shared()(
            "run",
            "--rm",
            "--init",
            "--network",
            "none",
            "busybox",
            "sh",
            "-c",
            "cat /proc/1/cmdline | tr '\\0' ' '"
        )
        #expect(result.text.hasPrefix("/sbin/docker-init -- sh -c"), "\(result.text)\(result.errorText)")
        let missing = try await Slipway.shared()("run", "--rm", "--init", "--network", "none", "busybox", "nope")
        #expect(missing.status == 127, "\(missing.errorText)")
    }

    @Test func `a detached container that is to be removed goes when it has ended`() async throws {
        let slipway = try await Slipway.shared()
        let printed = try await slipway.succeed(
            "run",
            "-d",
            "--rm",
            "--network",
            "none",
            "-v",
            "/anonymous",
            "busybox",
            "true"
        )
        let id = printed.trimmingCharacters(in: .newlines)
        // No command looks at it: its monitor has it removed.
        let directory = URL(filePath: slipway.root).appending(path: "containers/\(id)").path
        for _ in 0..<3000 where FileManager.default.fileExists(atPath: directory) {
            try await Task.sleep(for: .milliseconds(100))
        }
        #expect(!FileManager.default.fileExists(atPath: directory))
        #expect(try await slipway("inspect", id).status == 1)
    }

    @Test func `a detached terminal is a terminal`() async throws {
        try await withName { slipway, name in
            try await slipway.succeed(
                "run",
                "-dit",
                "--name",
                name,
                "--network",
                "none",
                "busybox",
                "sh",
                "-c",
                "tty; stty size; exec sh"
            )
            let running = try await slipway.succeed("inspect", "-f", "{{.State.Running}} {{.Config.Tty}}", name)
            #expect(running == "true true\n")
            let top = try await slipway.succeed("top", name)
            #expect(top.split(separator: "\n").count >= 2)
            #expect(top.hasPrefix("UID") && top.contains("sh"))
            try await slipway.succeed("kill", name)
            let log = try await slipway.succeed("logs", name)
            #expect(log.hasPrefix("/dev/pts/0\r\n24 80\r\n"), "\(log)")
        }
    }

    @Test(.requires(.program("netavark"))) func `published ports are shown, and stores do not share a bridge`()
        async throws
    {
        let (other, _directory) = try Slipway.isolated()
        defer { withExtendedLifetime(_directory) {} }
        let shared = try await Slipway.shared()
        let archive = scratch.url.appending(path: "busybox.tar").path
        try await shared.succeed("save", "-o", archive, "busybox")
        try await other.succeed("load", "-i", archive)
        let names = ["one-\(UUID().uuidString.prefix(8))", "two"]
        for (slipway, name) in zip([shared, other], names) {
            try await slipway.succeed("run", "-d", "--name", name, "-p", "127.0.0.1::80", "busybox", "sleep", "86400")
        }
        let addresses = try await [
            shared.succeed("inspect", "-f", "{{.NetworkSettings.Networks.bridge.Gateway}}", names[0]),
            other.succeed("inspect", "-f", "{{.NetworkSettings.Networks.bridge.Gateway}}", names[1]),
        ]
        #expect(addresses[0] != addresses[1])
        let ports = try await shared.succeed("port", names[0])
        #expect(ports.hasPrefix("80/tcp -> 127.0.0.1:"))
        let endpoint = try await shared.succeed("port", names[0], "80")
        #expect("80/tcp -> " + endpoint == ports)
        let published = try await shared.succeed(
            "inspect",
            "-f",
            "{{(index (index .NetworkSettings.Ports \"80/tcp\") 0).HostPort}}",
            names[0]
        )
        #expect(endpoint == "127.0.0.1:" + published)
        let missing = try await shared("port", names[0], "81")
        #expect(missing.status == 1)
        #expect(missing.errorText == "Error: no public port '81/tcp' published for \(names[0])\n")
        for (slipway, name) in zip([shared, other], names) { try await slipway.succeed("rm", "-f", name) }
    }

    @Test(.requires(.program("netavark"))) func `what a killed run leaves is cleaned up by the next command`()
        async throws
    {
        let slipway = try await Slipway.shared()
        let name = "killed-\(UUID().uuidString.lowercased().prefix(8))"
        let script = """
            "\(try Slipway.binary)" run --name \(name) -p 127.0.0.1::80 busybox sh -c 'echo up; sleep 86400' > out &
            pid=$!
            until grep -q up out; do kill -0 $pid || exit 9; done
            kill -KILL $pid; wait $pid 2>/dev/null; echo "status $?"
            """
        let killed = try await runProgram(
            "bash",
            ["-c", script],
            in: scratch.url,
            environment: ["SLIPWAY_ROOT": slipway.root]
        )
        #expect(killed.text == "status 137\n", "\(killed.errorText)")
        let state = ["inspect", "-f", "{{.State.Status}} {{.NetworkSettings.IPAddress}}.", name]
        #expect(try await slipway.run(state).text == "exited .\n")
        let id = try await slipway.succeed("inspect", "-f", "{{.Id}}", name).trimmingCharacters(in: .newlines)
        let processes = try await runProgram("pgrep", ["-f", id])
        #expect(processes.text.isEmpty)
        try await slipway.succeed("rm", name)
    }

    @Test func `stopped containers are pruned by their labels`() async throws {
        let (slipway, _directory) = try Slipway.isolated()
        defer { withExtendedLifetime(_directory) {} }
        let archive = scratch.url.appending(path: "busybox.tar").path
        try await Slipway.shared().succeed("save", "-o", archive, "busybox")
        try await slipway.succeed("load", "-i", archive)
        let ids = try await [
            slipway.succeed("create", "-l", "keep", "busybox"), slipway.succeed("create", "-l", "drop=1", "busybox"),
        ]
        let pruned = try await slipway.succeed("container", "prune", "-f", "--filter", "label!=keep")
        #expect(pruned == "Deleted Containers:\n\(ids[1])\nTotal reclaimed space: 0B\n")
        let rest = try await slipway.succeed("system", "prune", "-f")
        #expect(rest.contains("Deleted Containers:\n\(ids[0])"))
        #expect(try await slipway.succeed("ps", "-aq").isEmpty)
    }
}
