import Foundation
import Testing

/// `slipway system reset` removes a store with everything that belongs to it, in whatever state it is.
@Suite(.requires(.root, .program("crun"), .program("conmon"), .program("netavark"), .program("strace")))
struct `slipway system reset` {
    /// A store with an image of busybox.
    private static func store() async throws -> (Slipway, TemporaryDirectory) {
        let (slipway, directory) = try Slipway.isolated()
        let archive = directory.path + "/busybox.tar"
        try await Slipway.shared().succeed("save", "-o", archive, "busybox:latest")
        try await slipway.succeed("load", "-q", "-i", archive)
        return (slipway, directory)
    }

    private static func exists(_ path: String) -> Bool { FileManager.default.fileExists(atPath: path) }

    /// The number of a container's first process.
    private static func process(of name: String, in slipway: Slipway) async throws -> Int32 {
        let text = try await slipway.succeed("inspect", "--format", "{{.State.Pid}}", name)
        return try #require(Int32(text.trimmingCharacters(in: .newlines)))
    }

    private static func runs(_ process: Int32) -> Bool { kill(process, 0) == 0 }

    @Test func `ends and removes all containers, their network and the store; the next command makes a new one`()
        async throws
    {
        let (slipway, directory) = try await Self.store()
        try await slipway.succeed("run", "-d", "--name", "first", "-v", "data:/data", "busybox", "sleep", "600")
        try await slipway.succeed("create", "--name", "second", "busybox")
        let process = try await Self.process(of: "first", in: slipway)
        let attached = Task { try await slipway("run", "--name", "third", "busybox", "sleep", "600") }
        while try await slipway("inspect", "--format", "{{.State.Status}}", "third").text != "running\n" {
            try await Task.sleep(for: .milliseconds(50))
        }
        let network = try await slipway.succeed(
            "inspect",
            "--format",
            "{{range $name, $_ := .NetworkSettings.Networks}}{{$name}}{{end}}",
            "first"
        )
        let bridge = network.trimmingCharacters(in: .newlines).replacingOccurrences(of: "slipway-", with: "slw-")
        #expect(Self.exists("/sys/class/net/\(bridge)") || network.contains("bridge"), "\(network)")

        let kept = try await slipway("system", "reset", input: Array("n\n".utf8))
        #expect(kept.status == 0 && kept.text.contains("WARNING! This will remove:\n  - all containers, running ones"))
        #expect(try await slipway.succeed("ps", "-aq").split(separator: "\n").count == 3)

        let removed = try await slipway("system", "reset", input: Array("y\n".utf8))
        #expect(removed.status == 0, "\(removed.errorText)")
        #expect(removed.text.contains("Removed: 3 containers, 1 image, 1 volume, the build cache\nRemoved the store "))
        #expect(removed.errorText.isEmpty, "\(removed.errorText)")
        #expect(!Self.exists(slipway.root))
        #expect(!Self.runs(process))
        #expect(try await attached.value.status == 137)
        #expect(!Self.exists("/sys/class/net/\(bridge)"))

        #expect(try await slipway.succeed("images", "-q").isEmpty)
        #expect(try await slipway.succeed("system", "check").hasSuffix("no problems\n"))
        withExtendedLifetime(directory) {}
    }

    @Test func `removes a store that cannot be read, with a container that runs in it`() async throws {
        let (slipway, directory) = try await Self.store()
        try await slipway.succeed("run", "-d", "--name", "first", "busybox", "sleep", "600")
        let process = try await Self.process(of: "first", in: slipway)
        for file in ["slipway.db", "slipway.db-wal", "slipway.db-sums", "slipway.records"] {
            try Data("nothing of use".utf8).write(to: URL(filePath: slipway.root + "/" + file))
        }
        try FileManager.default.removeItem(atPath: slipway.root + "/blobs")
        try await slipway.succeed("system", "reset", "--force")
        #expect(!Self.exists(slipway.root))
        #expect(!Self.runs(process))
        #expect(try await slipway.succeed("images", "-q").isEmpty)
        withExtendedLifetime(directory) {}
    }

    @Test(arguments: ["rename": [1, 8], "unlinkat": [1, 5], "rmdir": [1, 4]])
    func `goes on where it was killed`(call: String, counts: [Int]) async throws {
        for count in counts {
            let (slipway, directory) = try await Self.store()
            let killed = try await runProgram(
                "strace",
                ["-f", "-o", "/dev/null", "-e", "trace=\(call)", "-e", "inject=\(call):signal=KILL:when=\(count)"]
                    + [try slipway.program, "system", "reset", "-f"],
                environment: ["SLIPWAY_ROOT": slipway.root]
            )
            #expect(killed.status != 0, "\(call) number \(count) was not reached: \(killed.text)")
            try await slipway.succeed("system", "reset", "--force")
            #expect(!Self.exists(slipway.root), "\(call) number \(count)")
            withExtendedLifetime(directory) {}
        }
    }

    @Test func `leaves what is not the store's, and a directory without a store`() async throws {
        let (slipway, directory) = try await Self.store()
        let own = slipway.root + "/notes\u{1b}"
        try Data("mine".utf8).write(to: URL(filePath: own))
        let removed = try await slipway.succeed("system", "reset", "-f")
        #expect(removed.contains("Kept what is not the store's: notes\\u001b\n") || removed.contains("notes\\x1b"))
        #expect(try FileManager.default.contentsOfDirectory(atPath: slipway.root) == ["notes\u{1b}"])

        let other = directory.path + "/other"
        for name in ["tmp", "run", "mounts"] {
            let path = other + "/" + name
            try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        }
        let result = try await Slipway(root: other)("system", "reset", "-f")
        #expect(result.text == "No store at \(other): nothing was removed\n" && result.status == 0)
        #expect(try FileManager.default.contentsOfDirectory(atPath: other).sorted() == ["mounts", "run", "tmp"])
    }

    @Test func `empties a store whose directory is a mounted file system`() async throws {
        let (slipway, directory) = try await Self.store()
        let script = """
            cp -a "$0" "$0.copy"; mount -t tmpfs none "$0"; cp -a "$0.copy/." "$0"
            mkdir -p "$0/tmp/x"; mount --bind "$0.copy" "$0/tmp/x"
            mkdir "$0/cachemounts"; mount -t tmpfs none "$0/cachemounts"; touch "$0/cachemounts/file"
            SLIPWAY_ROOT="$0" "$1" system reset -f >&2
            umount "$0/cachemounts"; ls -A "$0"; ls "$0.copy" | grep -c slipway.db$
            """
        let result = try await runProgram("unshare", ["-m", "sh", "-euc", script, slipway.root, try slipway.program])
        #expect(result.text == "cachemounts\n1\n", "\(result.errorText)")
        withExtendedLifetime(directory) {}
    }

    @Test func `is refused while a daemon uses the store`() async throws {
        let (slipway, directory) = try await Self.store()
        let daemon = try await DaemonProcess.start(slipway, in: directory)
        let refused = try await slipway("system", "reset", "-f")
        #expect(refused.status == 1)
        #expect(refused.errorText.contains("is using the store \(slipway.root): end it"), "\(refused.errorText)")
        #expect(try await slipway.succeed("images", "-q").split(separator: "\n").count == 1)
        daemon.kill()
        try await slipway.succeed("system", "reset", "-f")
        #expect(!Self.exists(slipway.root))
    }

    @Test(.requires(.program("newuidmap"), .program("setpriv")), arguments: [65_536, nil])
    func `removes an ordinary user's store, whoever owns its files`(subordinateIDs: Int?) async throws {
        let user = try await OrdinaryUser.withBusybox(.init(subordinateIDs: subordinateIDs))
        let scratch = try TemporaryDirectory()
        let dockerfile = "FROM busybox\nRUN mkdir /a && touch /a/b && chown -R 7:8 /a && chmod 0 /a"
        let built = try await user.slipway.build(dockerfile, in: scratch)
        try #require(built.status == 0, "\(built.errorText)")
        let result = try await user.run(
            """
            $slipway run -d --name first -v data:/data busybox sleep 600 > /dev/null
            $slipway system reset -f
            ls -A "$(dirname "$SLIPWAY_ROOT")"
            $slipway images -q
            """
        )
        #expect(result.status == 0, "\(result.errorText)")
        #expect(result.text.hasPrefix("Removed: 1 container, "), "\(result.text)")
        #expect(result.text.contains("Removed the store \(user.store)\n"), "\(result.text)")
    }

    @Test(.requires(.program("newuidmap"), .program("setpriv")))
    func `says who can remove a store of ids that the user has no more, and that root can`() async throws {
        let user = try await OrdinaryUser.withBusybox()
        let script = "$slipway run --name first busybox sh -c 'mkdir /a && touch /a/b && chown 7:8 /a'"
        #expect(try await user.run(script).status == 0)
        // The ids are taken away.
        let emptied = "for name in subuid subgid; do : > \"\(user.directory.path)/etc/$name\"; done"
        _ = try await runProgram("sh", ["-euc", emptied])
        let refused = try await user.slipway("system", "reset", "-f")
        #expect(refused.status == 1)
        #expect(refused.errorText.contains("have root remove it: slipway --root \(user.store) system reset"))
        try await Slipway(root: user.store).succeed("system", "reset", "-f")
        #expect(!Self.exists(user.store))
    }
}
