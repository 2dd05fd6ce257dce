import Foundation
import Glibc
import LinuxSystem
import SystemPackage
import Testing
import Text

/// Commands of ordinary users that end early: `kill -9` of the program, and Ctrl-C.
@Suite(
    .requires(
        .root,
        .program("crun"),
        .program("conmon"),
        .program("newuidmap"),
        .program("setpriv"),
        .program("slirp4netns"),
        .program("pasta"),
        .program("docker-registry"),
        .program("skopeo")
    )
)
struct `Commands of ordinary users that end early` {
    /// How a command ends, at which level, and what carries the packets of its processes.
    struct End: Sendable, CustomTestStringConvertible {
        let signal: CInt
        let level: StepLevel
        var missing: [String] = []

        var testDescription: String {
            "\(signal == SIGKILL ? "kill -9" : "Ctrl-C"), \(level.rawValue)" + missing.map { ", no \($0)" }.joined()
        }

        static let all = StepLevel.user.flatMap { level in
            [SIGKILL, SIGINT].map { End(signal: $0, level: level) }
        }
        static let allNetworks =
            all + [SIGKILL, SIGINT].map { End(signal: $0, level: .subordinateIDs, missing: ["slirp4netns"]) }
    }

    private let scratch: TemporaryDirectory

    init() throws { scratch = try TemporaryDirectory() }

    private func user(_ end: End) async throws -> OrdinaryUser {
        let count = end.level == .singleID ? nil : 65_536
        return try await OrdinaryUser.withBusybox(.init(subordinateIDs: count, missing: end.missing))
    }

    /// Starts a command of the user in a process group of its own and ends it once `condition` holds of its output.
    private func end(
        _ end: End,
        _ user: OrdinaryUser,
        _ arguments: [String],
        when condition: (_ output: String) throws -> Bool,
        sourceLocation: SourceLocation = #_sourceLocation
    ) async throws {
        let log = scratch.path + "/log-\(UUID().uuidString)"
        let output = try await onBlockingPool { try OpenFile.open(FilePath(log), [.writeOnly, .create, .append]) }
        var command = ChildProcessConfiguration(.path(FilePath(try user.slipway.program)), arguments)
        command.environment = ProcessInfo.processInfo.environment.merging(["SLIPWAY_ROOT": user.store]) { $1 }
            .map { "\($0.key)=\($0.value)" }
        command.files = [1: .open(output), 2: .open(output)]
        let process = try await ChildProcess.start(command)
        while process.statusIfEnded == nil, try !condition(try String(contentsOfFile: log, encoding: .utf8)) {
            try await Task.sleep(for: .milliseconds(3))
        }
        // Ctrl-C is for the group, kill -9 for the program alone.
        _ = kill(end.signal == SIGINT ? -process.processID : process.processID, end.signal)
        let status = try await process.wait()
        let text = try String(contentsOfFile: log, encoding: .utf8)
        #expect(status.shellCode == 128 + end.signal, "\(arguments): \(text)", sourceLocation: sourceLocation)
        try await expectNothingLeft(of: user, "\(arguments)", sourceLocation: sourceLocation)
    }

    /// Command lines of the user's processes: all that Slipway starts for one user has one owner, or one of the user's.
    private func processes(of user: OrdinaryUser) throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: "/proc").compactMap { entry in
            guard Int(entry) != nil, let status = FileManager.default.contents(atPath: "/proc/\(entry)/status")
            else { return nil }
            let lines = String(decoding: status, as: UTF8.self).split(separator: "\n")
            // What has ended and was not waited for runs no more.
            guard lines.contains("Uid:\t\(user.id)\t\(user.id)\t\(user.id)\t\(user.id)"),
                !lines.contains(where: { $0.hasPrefix("State:\tZ") })
            else { return nil }
            let line = FileManager.default.contents(atPath: "/proc/\(entry)/cmdline") ?? Data()
            return String(decoding: line.map { $0 == 0 ? 0x20 : $0 }, as: UTF8.self)
        }
    }

    /// Processes, namespaces and mounts are the same thing here: the last process of a namespace takes its mounts along.
    private func expectNothingLeft(
        of user: OrdinaryUser,
        _ comment: String,
        sourceLocation: SourceLocation
    ) async throws {
        for _ in 0..<300 where try !processes(of: user).isEmpty { try await Task.sleep(for: .milliseconds(100)) }
        #expect(try processes(of: user) == [], "\(comment)", sourceLocation: sourceLocation)
        let check = try await user.slipway("system", "check")
        #expect(check.status == 0, "\(comment): \(check.text) \(check.errorText)", sourceLocation: sourceLocation)
        for directory in ["tmp", "run", "mounts"] {
            let left = try FileManager.default.contentsOfDirectory(atPath: user.store + "/" + directory)
            #expect(left == [], "\(comment): \(directory)", sourceLocation: sourceLocation)
        }
        #expect(try await user.slipway.succeed("ps", "-aq") == "", "\(comment)", sourceLocation: sourceLocation)
        let again = try await user.slipway.build("FROM busybox\nRUN true\n", ["--no-cache"], in: scratch)
        #expect(again.status == 0, "\(comment): \(again.errorText)", sourceLocation: sourceLocation)
        #expect(try processes(of: user) == [], "\(comment), then again", sourceLocation: sourceLocation)
    }

    @Test(arguments: End.allNetworks) func `leave nothing of a step`(end: End) async throws {
        let user = try await user(end)
        try scratch.write(
            "FROM busybox\nRUN trap '' INT TERM; (setsid sleep 100000 &); echo ready-$((1+1)); sleep 100000\n",
            to: "step/Dockerfile"
        )
        try await self.end(end, user, ["build", "--progress=plain", scratch.path + "/step"]) {
            $0.contains("ready-2")
        }
    }

    @Test(arguments: End.allNetworks) func `leave nothing of a container`(end: End) async throws {
        let user = try await user(end)
        let script = "trap 'exit 130' INT; (setsid sleep 100000 &); echo ready; while :; do sleep 0.1; done"
        let port = 20_000 + Int.random(in: 0..<10_000)
        try await self.end(end, user, ["run", "--rm", "-p", "\(port):80", "busybox", "sh", "-c", script]) {
            $0.contains("ready")
        }
    }

    @Test(arguments: ["slirp4netns", "pasta"], ["build", "run"])
    func `leave nothing of what carries packets, killed as soon as that runs`(carrier: String, command: String)
        async throws
    {
        let end = End(signal: SIGKILL, level: .subordinateIDs, missing: carrier == "pasta" ? ["slirp4netns"] : [])
        let user = try await user(end)
        try scratch.write("FROM busybox\nRUN sleep 100000\n", to: "step/Dockerfile")
        let arguments =
            command == "build"
            ? ["build", "--no-cache", "--progress=plain", scratch.path + "/step"]
            : ["run", "--rm", "busybox", "sleep", "100000"]
        for _ in 0..<5 {
            try await self.end(end, user, arguments) { _ in
                guard try processes(of: user).contains(where: { $0.hasPrefix(carrier) }) else { return false }
                // pasta knows no descriptor whose end is its own: what ends it is started right after it (docs/rootless.md).
                if carrier == "pasta" { usleep(50_000) }
                return true
            }
        }
    }

    @Test(arguments: End.all) func `leave nothing of a pull`(end: End) async throws {
        let user = try await user(end)
        let registry = try await RegistryServer.start(in: FilePath(scratch.path))
        let size = 32 << 20
        try await ForeignImage.make(in: FilePath(scratch.path), [["big": noise(size)]])
            .push(to: "\(registry.host)/big:1")
        let proxy = try await CuttingProxy.start(to: registry.port, pause: size / 2)
        try await self.end(end, user, ["pull", "127.0.0.1:\(proxy.port)/big:1"]) { _ in proxy.passed > size / 2 }
        #expect(try await user.slipway.succeed("images", "-aq", "127.0.0.1:\(proxy.port)/big:1") == "")
        proxy.resume()
        try await user.slipway.succeed("pull", "-q", "127.0.0.1:\(proxy.port)/big:1")
    }

    @Test(arguments: End.all) func `leave nothing of an export`(end: End) async throws {
        let user = try await user(end)
        try scratch.write("FROM scratch\nCOPY large /\n", to: "export/Dockerfile")
        let made = try await runProgram("sh", ["-c", "head -c 96M /dev/urandom > export/large"], in: scratch.url)
        try #require(made.status == 0, "\(made.errorText)")
        // It takes many seconds to compress.
        let slowly = "compression=zstd,compression-level=19"
        let out = user.directory.path + "/home/result.tar"
        try await self.end(
            end,
            user,
            ["build", "--progress=plain", "-o", "type=oci,dest=\(out),\(slowly)", scratch.path + "/export"]
        ) { $0.contains("exporting to") }
        let left = try FileManager.default.contentsOfDirectory(atPath: user.directory.path + "/home")
        #expect(left.allSatisfy { !$0.contains("result") }, "\(left)")
    }

    @Test(arguments: ["KILL", "INT"]) func `leave nothing in a container with the default profile`(signal: String)
        async throws
    {
        let confined = try await ConfinedSlipway()
        try confined.write("FROM busybox\nRUN (setsid sleep 4711 < /dev/null > /dev/null 2>&1 &); sleep 4712\n")
        let seen = try await confined.succeed(
            """
            head -c 60000000 /dev/zero > context/large
            printf 'FROM scratch\\nCOPY large /\\n' > context/export
            left() {
                for process in /proc/[0-9]*; do
                    if [ "$(readlink $process/exe)" = /bin/slipway ]; then cat $process/cmdline; echo; fi
                done
                ps -o args | grep '^sleep 471' || true
            }
            end() {
                kill -\(signal) $1; wait $1 || echo $?
                for i in $(seq 200); do [ -z "$(left)" ] || sleep 0.05; done
                left; slipway system check | sed 's/.*: //'
                ls -A /var/lib/slipway/tmp /var/lib/slipway/run | grep -ve : -e '^$' || true
            }
            slipway build -q context > /dev/null 2>&1 & builder=$!
            until ps -o args | grep -q '^sleep 4711' && ps -o args | grep -q '^sleep 4712'; do sleep 0.05; done
            end $builder
            slipway build --progress=plain -f context/export -o type=oci,dest=/tmp/out.tar context > log 2>&1 & builder=$!
            until grep -q 'exporting to' log; do sleep 0.01; done
            end $builder; ls -A /tmp | grep out || true
            printf 'FROM busybox\\nRUN true\\n' | slipway build -q - > /dev/null && echo built
            """
        )
        let status = signal == "KILL" ? 137 : 130
        #expect(seen == "\(status)\nno problems\n\(status)\nno problems\nbuilt\n")
    }
}
