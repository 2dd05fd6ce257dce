import Foundation
import Proofs
import Testing

/// `volume`, and volumes of containers.
@Suite(.requires(.root, .program("crun"), .program("conmon"), .program("busybox")))
struct `Volumes` {
    private func lines(_ text: String) -> [String] { text.split(separator: "\n").map(String.init) }

    @Test(.proves("B18: named and anonymous volumes")) func `are made, listed, inspected and removed`() async throws {
        let (slipway, directory) = try Slipway.isolated()
        defer { withExtendedLifetime(directory) {} }
        #expect(try await slipway.succeed("volume", "create", "one", "--label", "a=b") == "one\n")
        #expect(try await slipway.succeed("volume", "create", "one") == "one\n")
        #expect(try await slipway.succeed("volume", "create", "two") == "two\n")
        let anonymous = try await slipway.succeed("volume", "create").trimmingCharacters(in: .newlines)
        #expect(anonymous.count == 64)
        #expect(try await slipway.succeed("volume", "ls").hasPrefix("DRIVER    VOLUME NAME\nlocal     "))
        for (filter, expected) in [
            ("name=^o", ["one"]), ("name=o", ["one", "two"]), ("label=a", ["one"]), ("label=a=c", []),
            ("dangling=true", [anonymous, "one", "two"]), ("dangling=false", []),
            ("driver=local", [anonymous, "one", "two"]),
            ("driver=nfs", []),
        ] {
            let listed = lines(try await slipway.succeed("volume", "ls", "-q", "-f", filter))
            #expect(Set(listed) == Set(expected), "\(filter)")
        }
        let format = "{{.Name}} {{.Driver}} {{.Scope}} {{.Label \"a\"}} {{.Labels}}"
        #expect(
            try await slipway.succeed("volume", "ls", "-f", "name=one", "--format", format) == "one local local b a=b\n"
        )
        let shown = "{{.Name}} {{.Labels.a}} {{.Options}} {{.Scope}} {{.Mountpoint}}"
        let inspected = try await slipway.succeed("volume", "inspect", "-f", shown, "one")
        #expect(inspected == "one b map[] local \(slipway.root)/volumes/one/_data\n")
        #expect(try await slipway.succeed("inspect", "-f", "{{.Name}}", "two") == "two\n")
        #expect(try await slipway.succeed("volume", "rm", "one") == "one\n")
        #expect(try await slipway.succeed("volume", "rm", "-f", "one") == "one\n")
        for (arguments, message) in [
            (["rm", "one"], "get one: no such volume"), (["inspect", "one"], "get one: no such volume"),
            (
                ["create", "x"],
                "create x: volume name is too short, names should be at least two alphanumeric characters"
            ),
            (["ls", "-f", "what=1"], "invalid filter 'what'"),
            (["ls", "-f", "dangling=x"], "invalid filter 'dangling=x'"),
        ] {
            let failed = try await slipway.run(["volume"] + arguments)
            #expect(failed.status == 1 && failed.errorText == "Error: \(message)\n", "\(arguments)")
        }
    }

    @Test(.proves("B18: named and anonymous volumes"))
    func `of earlier versions are there, and only those without a name are pruned unless all are`() async throws {
        let (slipway, directory) = try Slipway.isolated()
        defer { withExtendedLifetime(directory) {} }
        let anonymous = String(repeating: "0f", count: 32)
        for name in ["old", anonymous] {
            let content = URL(filePath: slipway.root).appending(path: "volumes/\(name)/_data")
            try FileManager.default.createDirectory(at: content, withIntermediateDirectories: true)
            try Data("1234".utf8).write(to: content.appending(path: "file"))
        }
        #expect(lines(try await slipway.succeed("volume", "ls", "-q")) == [anonymous, "old"])
        #expect(
            try await slipway.succeed("system", "df").contains(
                "Local Volumes   2         0         8B        8B (100%)"
            )
        )
        #expect(
            try await slipway.succeed("volume", "prune", "-f")
                == "Deleted Volumes:\n\(anonymous)\n\nTotal reclaimed space: 4B\n"
        )
        #expect(
            try await slipway.succeed("volume", "prune", "-af", "--filter", "label=x") == "Total reclaimed space: 0B\n"
        )
        #expect(
            try await slipway.succeed("volume", "prune", "-af")
                == "Deleted Volumes:\nold\n\nTotal reclaimed space: 4B\n"
        )
    }

    @Test(.proves("B18: a path of the host that is"))
    func `a host path that is not UTF-8 is mounted, by every way to name it`() async throws {
        let slipway = try await Slipway.shared()
        let scratch = try TemporaryDirectory()
        let script = """
            cd "$1" && name=$(printf 'd\\377') && mkdir "$name" && echo inside > "$name/file"
            "$2" run --rm -v "./$name:/m:ro" busybox cat /m/file
            "$2" run --rm --mount "type=bind,source=$1/$name/file,target=/m" busybox cat /m
            cd "$name" && "$2" run -d --name bytes-mounted -v "$1/$name:/m" -v .:/n busybox sleep 100 > /dev/null
            "$2" exec bytes-mounted cat /m/file /n/file
            "$2" inspect -f '{{range .Mounts}}{{.Source}} {{end}}' bytes-mounted
            "$2" rm -f bytes-mounted
            """
        let result = try await runProgram(
            "sh",
            ["-c", script, "sh", scratch.url.path, try Slipway.binary],
            environment: ["SLIPWAY_ROOT": slipway.root]
        )
        // Docker writes U+FFFD for the byte, for its answers are JSON.
        let shown = "\(scratch.url.path)/d\u{fffd}"
        let expected = ["inside", "inside", "inside", "inside", "\(shown) \(shown) ", "bytes-mounted"]
        #expect(lines(result.text) == expected, "\(result.errorText)")
    }

    @Test(.proves("B18: named and anonymous volumes"))
    func `that a container has cannot be removed, are filled once and counted`() async throws {
        let slipway = try await Slipway.shared()
        let name = "test-\(UUID().uuidString.lowercased().prefix(8))"
        try await slipway.succeed("volume", "create", name)
        let ids = try await (0..<2).asyncMap { index in
            try await slipway.succeed(
                "create",
                "--name",
                "\(name)-\(index)",
                "-v",
                "\(name):/etc",
                "busybox",
                "ls",
                "/etc"
            )
            .trimmingCharacters(in: .newlines)
        }
        let refused = try await slipway("volume", "rm", name)
        #expect(refused.status == 1 && refused.errorText.hasPrefix("Error: remove \(name): volume is in use - ["))
        #expect(ids.allSatisfy { refused.errorText.contains($0) })
        #expect(try await slipway.succeed("start", "-a", "\(name)-0").contains("passwd\n"))
        // What was removed from the volume does not come back.
        let first = ["run", "--rm", "--network", "none", "-v", "\(name):/v", "busybox", "rm", "/v/passwd"]
        #expect(try await slipway.run(first).status == 0)
        #expect(try await !slipway.succeed("start", "-a", "\(name)-1").contains("passwd\n"))
        #expect(try await slipway.succeed("ps", "-aq", "--no-trunc", "-f", "volume=\(name)").contains(ids[0]))
        #expect(
            lines(try await slipway.succeed("system", "df", "-v")).contains { line in
                line.split(separator: " ").prefix(2).elementsEqual([name[...], "2"])
            }
        )
        try await slipway.succeed("rm", "-v", "\(name)-0", "\(name)-1")
        #expect(try await slipway.succeed("volume", "rm", name) == "\(name)\n")
    }

    @Test(.proves("B18: named and anonymous volumes"))
    func `without a name are those of the last container that has them`() async throws {
        let slipway = try await Slipway.shared()
        let name = "test-\(UUID().uuidString.lowercased().prefix(8))"
        try await slipway.succeed("create", "--name", name, "-v", "/m", "busybox", "true")
        let volume = try await slipway.succeed("inspect", "-f", "{{(index .Mounts 0).Name}}", name)
            .trimmingCharacters(in: .newlines)
        try await slipway.succeed("create", "--name", name + "-b", "--volumes-from", name + ":ro", "busybox", "true")
        let mount = "{{range .Mounts}}{{.Name}} {{.Destination}} {{.RW}}{{end}}"
        #expect(try await slipway.succeed("inspect", "-f", mount, name + "-b") == "\(volume) /m false\n")
        try await slipway.succeed("rm", "-v", name)
        #expect(try await slipway.succeed("volume", "ls", "-q", "-f", "name=\(volume)") == "\(volume)\n")
        try await slipway.succeed("rm", "-v", name + "-b")
        #expect(try await slipway.succeed("volume", "ls", "-q", "-f", "name=\(volume)") == "")
    }

    @Test(.proves("A18: a volume, a directory of the"))
    func `and all other mounts are refused over the kernel's files, by name and by link`() async throws {
        let slipway = try await Slipway.shared()
        let scratch = try TemporaryDirectory()
        let tag = "test-\(UUID().uuidString.lowercased().prefix(8))"
        let built = try await slipway.build("FROM busybox\nRUN ln -s /proc /p", ["-t", tag], in: scratch)
        try #require(built.status == 0, "\(built.errorText)")
        for arguments in [
            ["-v", "\(tag):/proc"], ["-v", "/tmp:/proc/x"], ["-v", "/tmp:/etc/../proc"], ["--tmpfs", "/proc/self"],
            ["--mount", "type=volume,target=/proc"], ["-v", "/tmp:/p"],
        ] {
            let refused = try await slipway.run(["run", "--rm", "--network", "none"] + arguments + [tag, "true"])
            #expect(refused.status == 125, "\(arguments)")
            #expect(refused.errorText.contains("cannot be mounted because it is inside /proc"), "\(arguments)")
        }
        let own = ["run", "--rm", "--network", "none", "-v", "/proc:/proc", "-v", "/proc/uptime:/proc/uptime"]
        #expect(try await slipway.run(own + [tag, "true"]).status == 0)
        _ = try await slipway("rmi", "-f", tag)
        _ = try await slipway("volume", "rm", "-f", tag)
    }
}

extension Sequence {
    /// The results of `transform`, one after the other.
    fileprivate func asyncMap<Value>(_ transform: (Element) async throws -> Value) async rethrows -> [Value] {
        var values: [Value] = []
        for element in self { values.append(try await transform(element)) }
        return values
    }
}
