import CommandLine
import Foundation
import LinuxSystem
import Proofs
import Storage
import SystemPackage
import Testing

/// Commands that change a store, killed with SIGKILL where they enter a system call that changes it: strace(1) counts the calls.
///
/// A few calls of each command are tried, evenly spread; all of them with `SLIPWAY_TEST_EVERY_POINT=1` in the environment.
@Suite(.serialized, .requires(.root, .program("strace"), .program("crun"), .program("docker-registry")))
struct `Commands killed at any step` {
    /// A system call and how often one thread has entered it.
    private struct Point: Hashable, CustomStringConvertible {
        let call: String
        let count: Int
        var description: String { "\(call) number \(count)" }
    }

    /// What is done, and what tells that it was done as it should be.
    private struct Workload {
        let name: String
        let arguments: [String]
        /// Printed after the command; nil for what the command itself prints.
        var result: [String]?
    }

    /// Everything that changes a file, a name, a mount or the database, or takes a lock.
    private static let calls = [
        "fsync", "fdatasync", "syncfs", "rename", "renameat", "renameat2", "unlink", "unlinkat", "rmdir", "mkdir",
        "mkdirat", "mount", "move_mount", "umount2", "pwrite64", "ftruncate", "flock", "linkat", "symlinkat", "clone",
    ]

    private let scratch: TemporaryDirectory
    private let marker = ProcessMarker()

    init() throws { scratch = try TemporaryDirectory() }

    private func path(_ name: String) -> String { scratch.path + "/" + name }

    private func slipway(_ store: String) -> Slipway {
        Slipway(root: path(store), environment: marker.environment)
    }

    /// A store with a small image, `base`, and an archive of it.
    private func makeTemplate() async throws -> Slipway {
        let made = try await runProgram(
            "sh",
            [
                "-ec",
                """
                mkdir -p tree/bin tree/etc tree/tmp context; cp /bin/busybox tree/bin
                for name in sh cat touch rm mkdir ls; do ln -s busybox tree/bin/$name; done
                echo 'root:x:0:0:root:/root:/bin/sh' > tree/etc/passwd; tar -C tree -cf base.tar .
                head -c 200000 /bin/busybox > context/file; touch -d @1500000000 context/file
                """,
            ],
            in: scratch.url
        )
        try #require(made.status == 0, "\(made.errorText)")
        try scratch.write(
            """
            FROM base
            COPY file /file
            ENV \(marker.name)=\(marker.value)
            RUN mkdir /made && cat /file /file > /made/twice && rm /file && touch -d @1500000000 /made /made/twice
            """,
            to: "context/Dockerfile"
        )
        let slipway = slipway("template")
        try await slipway.succeed("import", "--change", "CMD [\"sh\"]", path("base.tar"), "base")
        try await slipway.succeed("save", "-o", path("saved.tar"), "base")
        return slipway
    }

    @Test func `a build`() async throws {
        _ = try await makeTemplate()
        try await tryAll(
            Workload(
                name: "build",
                arguments: ["build", "-q", "-t", "made", path("context")],
                result: ["image", "inspect", "--format", "{{json .RootFS.Layers}}{{json .Config.Cmd}}", "made"]
            )
        )
    }

    @Test func `a load`() async throws {
        let slipway = try await makeTemplate()
        try await slipway.succeed("rmi", "base")
        try await slipway.succeed("system", "prune", "-af")
        try await tryAll(
            Workload(
                name: "load",
                arguments: ["load", "-i", path("saved.tar")],
                result: ["run", "--rm", "--network", "none", "base", "cat", "/etc/passwd"]
            )
        )
    }

    @Test func `a pull and a push`() async throws {
        let slipway = try await makeTemplate()
        let registry = try await RegistryServer.start(in: FilePath(scratch.path))
        try await slipway.succeed("tag", "base", "\(registry.host)/base:1")
        try await slipway.succeed("push", "-q", "\(registry.host)/base:1")
        try await slipway.succeed("tag", "base", "\(registry.host)/other:1")
        try await tryAll(Workload(name: "push", arguments: ["push", "-q", "\(registry.host)/other:1"]))
        try await slipway.succeed("rmi", "base", "\(registry.host)/base:1", "\(registry.host)/other:1")
        try await slipway.succeed("system", "prune", "-af")
        try await tryAll(
            Workload(
                name: "pull",
                arguments: ["pull", "-q", "\(registry.host)/base:1"],
                result: ["image", "inspect", "--format", "{{json .RootFS.Layers}}", "\(registry.host)/base:1"]
            )
        )
    }

    @Test func `a prune`() async throws {
        let slipway = try await makeTemplate()
        try await slipway.succeed("build", "-q", "-t", "made", path("context"))
        try await slipway.succeed("rmi", "made")
        try await tryAll(
            Workload(name: "prune", arguments: ["system", "prune", "-f"], result: ["images", "-q", "--no-trunc"])
        )
    }

    @Test(.proves("D: a process that is killed while")) func `a container`() async throws {
        _ = try await makeTemplate()
        try await tryAll(
            Workload(
                name: "run",
                arguments: [
                    "run", "--rm", "--network", "none", "-e", "\(marker.name)=\(marker.value)", "base", "sh", "-c",
                    "echo text > /file; rm /etc/passwd; cat /file",
                ]
            )
        )
    }

    // MARK: One workload

    private func tryAll(_ workload: Workload) async throws {
        let (points, expected) = try await undisturbed(workload)
        try #require(points.count > 10, "\(points)")
        let isWhole = ProcessInfo.processInfo.environment["SLIPWAY_TEST_EVERY_POINT"] == "1"
        let step = isWhole ? 1 : max(1, points.count / 5)
        for index in stride(from: 0, to: points.count, by: step) {
            try await tryOne(workload, points[index], expected, isWatched: index % (2 * step) != 0)
        }
    }

    /// Runs the command once with every call counted.
    private func undisturbed(_ workload: Workload) async throws -> (points: [Point], expected: String) {
        let slipway = try await copyTemplate()
        let log = path("log")
        let result = try await trace(
            slipway,
            ["-o", log, "-e", "trace=" + Self.calls.joined(separator: ",")],
            workload,
            waitsForLog: true
        )
        try #require(result.status == 0, "\(result.errorText)")
        let expected = try await self.result(of: workload, slipway, printed: result.text)
        // `<thread> <call>(…`; a call that was interrupted by another thread's has a second line, `<... call resumed>`.
        var counts: [String: Int] = [:]
        var highest: [String: Int] = [:]
        for line in try String(contentsOfFile: log, encoding: .utf8).split(separator: "\n") {
            // Numbers below 10,000 are filled up with spaces.
            let thread = line.prefix { $0 != " " }
            let rest = line.dropFirst(thread.count).drop { $0 == " " }
            guard let end = rest.firstIndex(of: "(") else { continue }
            let call = String(rest[..<end])
            guard Self.calls.contains(call) else { continue }
            counts["\(thread) \(call)", default: 0] += 1
            highest[call] = max(highest[call] ?? 0, counts["\(thread) \(call)"] ?? 0)
        }
        let points = highest.sorted { $0.key < $1.key }.flatMap { call, count in
            (1...count).map { Point(call: call, count: $0) }
        }
        return (points, expected)
    }

    /// Kills the command at one point and expects the next run to find a sound store and to leave nothing behind.
    ///
    /// Where it is watched, a process that lives has the database open: what the killed one had written to its log and not yet
    /// announced stays hidden then.
    private func tryOne(_ workload: Workload, _ point: Point, _ expected: String, isWatched: Bool) async throws {
        let slipway = try await copyTemplate()
        let watcher = isWatched ? try await Store.open(at: FilePath(slipway.root), tables: .all) : nil
        _ = try await watcher?.check()
        defer { withExtendedLifetime(watcher) {} }
        let injection = "inject=\(point.call):signal=KILL:when=\(point.count)"
        // Which thread enters a call how often differs from run to run: a late point may not be reached.
        _ = try await trace(slipway, ["-o", "/dev/null", "-e", "trace=\(point.call)", "-e", injection], workload)
        let comment = "\(workload.name) killed at \(point)" + (isWatched ? ", watched" : "")
        let check = try await slipway("system", "check")
        #expect(check.status == 0, "\(comment): \(check.text) \(check.errorText)")
        try await marker.waitForEnd(comment)
        let again = try await slipway.run(workload.arguments)
        #expect(again.status == 0, "\(comment), then again: \(again.errorText)")
        #expect(try await result(of: workload, slipway, printed: again.text) == expected, "\(comment)")
        try await expectNothingLeft(of: slipway, marker, "\(comment), then again")
    }

    private func copyTemplate() async throws -> Slipway {
        let copied = try await runProgram("sh", ["-ec", "rm -rf store; cp -a template store"], in: scratch.url)
        try #require(copied.status == 0, "\(copied.errorText)")
        return slipway("store")
    }

    /// Runs the command under strace, which goes on beside it rather than before it (`-D`): nothing waits for what it left.
    ///
    /// Where it waits for the log, strace is the command's parent and ends after it, its log complete; else the command is our child.
    private func trace(
        _ slipway: Slipway,
        _ options: [String],
        _ workload: Workload,
        waitsForLog: Bool = false
    ) async throws -> ProgramResult {
        try await runProgram(
            "strace",
            (waitsForLog ? [] : ["-D"]) + ["-f", "-q"] + options + [try Slipway.binary] + workload.arguments,
            environment: slipway.environment.merging(["SLIPWAY_ROOT": slipway.root]) { $1 }
        )
    }

    private func result(of workload: Workload, _ slipway: Slipway, printed: String) async throws -> String {
        guard let arguments = workload.result else { return printed }
        let result = try await slipway.run(arguments)
        #expect(result.status == 0, "\(result.errorText)")
        return result.text
    }
}
