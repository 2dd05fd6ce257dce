import Foundation
import Proofs
import Testing

/// `ps` and `inspect`.
extension `Container commands` {
    @Test(.proves("B15: ps has docker's filters, names")) func `ps has docker's filters`() async throws {
        try await withName { slipway, name in
            let first = name + "-one"
            let second = name + "-two"
            try await slipway.succeed(
                "create",
                "--name",
                first,
                "-l",
                "k=v",
                "-v",
                "/m",
                "-v",
                "/tmp:/host",
                "-p",
                "80",
                "--expose",
                "53/udp",
                "busybox",
                "sh",
                "-c",
                "exit 4"
            )
            _ = try await slipway("run", "--name", second, "--network", "none", "busybox", "sh", "-c", "exit 4")
            let volume = try await slipway.succeed("inspect", "-f", "{{(index .Mounts 0).Name}}", first)
                .trimmingCharacters(in: .newlines)
            let id = try await slipway.succeed("inspect", "-f", "{{.Id}}", second).trimmingCharacters(in: .newlines)
            let cases: [([String], [String])] = [
                (["name=^\(first)$"], [first]), (["name=^/\(first)$"], [first]),
                (["name=(one|two)$"], [second, first]),
                (["name=one", "name=two"], [second, first]), (["id=\(id.prefix(12))"], [second]),
                (["label=k"], [first]),
                (["label=k=w"], []), (["status=exited"], [second]), (["status=created"], [first]),
                (["exited=4"], [second]),
                (["exited=0"], []), (["volume=\(volume)"], [first]), (["volume=/m"], [first]),
                (["volume=/tmp"], [first]),
                (["network=none"], [second]), (["network=bridge", "network=none"], [second, first]),
                (["publish=80"], [first]), (["publish=70-90/tcp"], [first]), (["publish=53/udp"], []),
                (["expose=53/udp"], [first]), (["expose=53"], []), (["health=none"], [second, first]),
                (["health=healthy"], []), (["before=\(second)"], [first]), (["since=\(first)"], [second]),
                (["ancestor=busybox"], [second, first]), (["ancestor=busybox:latest"], [second, first]),
                (["ancestor=nosuch"], []), (["is-task=true"], []), (["is-task=false", "name=one"], [first]),
            ]
            for (filters, expected) in cases {
                let arguments = (filters + ["name=^\(name)"].filter { _ in !filters.contains { $0.hasPrefix("name") } })
                    .flatMap { ["-f", $0] }
                let listed = try await slipway.run(["ps", "-a", "--format", "{{.Names}}"] + arguments)
                #expect(listed.status == 0)
                let names = listed.text.split(separator: "\n").map(String.init).filter { $0.hasPrefix(name) }
                #expect(names == expected, "\(filters)")
            }
            for (filter, message) in [
                ("status=nope", "invalid filter 'status=nope'"), ("nope=1", "invalid filter 'nope'"),
                ("exited=x", "invalid filter 'exited=x'"), ("health=nope", "invalid filter 'health=nope'"),
                ("publish=x", "invalid filter 'publish=x'"), ("before=nosuch-here", "No such container: nosuch-here"),
                ("name=(", "invalid filter 'name=(': missing closing )"),
            ] {
                let failed = try await slipway("ps", "-a", "-f", filter)
                #expect(failed.status == 1 && failed.errorText == "Error: \(message)\n", "\(filter)")
            }
            try await slipway.succeed("rm", "-v", first, second)
        }
    }

    @Test(.proves("B15: ps has docker's filters, names"))
    func `ps names the image by its id once the name stands for another`() async throws {
        try await withName { slipway, name in
            try await slipway.succeed("tag", "busybox", name)
            try await slipway.succeed("create", "--name", name, name, "sh", "-c", "exit 3", "ab")
            let columns = ["ps", "-a", "-f", "name=^\(name)$", "--format", "{{.Image}} {{.Command}} {{.Mounts}}|"]
            #expect(try await slipway.run(columns + ["--no-trunc"]).text == "\(name) \"sh -c 'exit 3' ab\" |\n")
            try await slipway.succeed("rmi", name)
            let id = try await slipway.succeed("image", "inspect", "-f", "{{.Id}}", "busybox")
            #expect(try await slipway.run(columns).text.hasPrefix(id.dropFirst(7).prefix(12) + " "))
            let size = try await slipway.succeed("ps", "-as", "-f", "name=^\(name)$", "--format", "{{.Size}}")
            #expect(size.hasPrefix("0B (virtual "))
        }
    }

    @Test(.proves("B16: inspect has the fields of"))
    func `inspect has every field of docker's document, empty or absent as Go gives it`() async throws {
        try await withName { slipway, name in
            try await slipway.succeed(
                "create",
                "--name",
                name,
                "-v",
                "/m",
                "-v",
                "/tmp:/b:ro",
                "-v",
                "\(name)-volume:/n",
                "--tmpfs",
                "/t:size=1m",
                "--memory",
                "64m",
                "-l",
                "a=b",
                "busybox",
                "x"
            )
            let readOnly = #"["/proc/bus","/proc/fs","/proc/irq","/proc/sys","/proc/sysrq-trigger"]"#
            for (template, expected) in [
                ("{{if .State.Health}}x{{else}}none{{end}}", "none"), ("{{.Config.Healthcheck}}", "<nil>"),
                ("{{.SizeRw}} {{.SizeRootFs}}", "<nil> <nil>"), ("{{json .Config.Volumes}}", "{\"/m\":{}}"),
                ("{{.HostConfig.MemorySwap}} {{.HostConfig.PidsLimit}}", "134217728 <nil>"),
                ("{{.Config.AttachStdin}} {{.Config.AttachStdout}} {{.Config.StdinOnce}}", "false true false"),
                (
                    "{{json .HostConfig.LogConfig}} {{.HostConfig.Tmpfs}}",
                    "{\"Type\":\"json-file\",\"Config\":{}} map[/t:size=1m]"
                ),
                (
                    "{{range .Mounts}}{{.Type}} {{.Destination}} {{.Mode}} {{.RW}} {{.Driver}} {{.Propagation}};{{end}}",
                    "volume /m  true local ;bind /b ro false  rprivate;volume /n z true local ;"
                ),
                ("{{json .HostConfig.ReadonlyPaths}} {{index .HostConfig.MaskedPaths 0}}", readOnly + " /proc/acpi"),
                ("{{.Config.StopTimeout}} {{.RestartCount}} {{json .ExecIDs}}", "<nil> 0 null"),
            ] {
                #expect(try await slipway.succeed("inspect", "-f", template, name) == expected + "\n", "\(template)")
            }
            #expect(try await slipway.succeed("inspect", "-s", "-f", "{{.SizeRw}}", name) == "0\n")
            let document = try await slipway.succeed("inspect", name)
            // What has no value is left out where Go leaves it out.
            for field in ["\"Health\"", "\"Healthcheck\"", "\"SizeRw\"", "\"StopTimeout\""] {
                #expect(!document.contains(field), "\(field)")
            }
            let wrong = try await slipway("inspect", "-f", "{{.Nope}}", name)
            #expect(wrong.status == 1 && wrong.errorText.contains("map has no entry for key \"Nope\""))
            try await slipway.succeed("rm", "-v", name)
            try await slipway.succeed("volume", "rm", "\(name)-volume")
        }
    }

    @Test func `only the streams that are attached to are shown`() async throws {
        let slipway = try await Slipway.shared()
        let script = ["busybox", "sh", "-c", "echo out; echo err >&2"]
        let shown = try await slipway.run(["run", "--rm", "--network", "none", "-a", "stderr"] + script)
        #expect(shown.text == "" && shown.errorText == "err\n")
        let refused = try await slipway.run(["run", "-d", "-a", "stdout"] + script)
        #expect(refused.status == 125)
        #expect(refused.errorText.contains("conflicting options: cannot specify both --attach and --detach"))
    }
}
