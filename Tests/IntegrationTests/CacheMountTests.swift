import Foundation
import LinuxSystem
import Proofs
import Testing

/// Directories that outlive builds: `RUN --mount=type=cache`, `builder du` and `builder prune`.
@Suite(.requires(.root, .program("crun")))
struct `Cache mounts` {
    private let scratch: TemporaryDirectory
    /// No other test sees or prunes its caches.
    private let slipway: Slipway

    init() async throws {
        scratch = try TemporaryDirectory()
        slipway = Slipway(root: scratch.url.appending(path: "store").path)
        let base = scratch.url.appending(path: "busybox.tar").path
        try await Slipway.shared().succeed("save", "-o", base, "busybox")
        try await slipway.succeed("load", "-i", base)
    }

    private func build(_ instructions: String, _ options: String..., name: String = "context") async throws
        -> ProgramResult
    {
        try scratch.write("FROM busybox\n" + instructions, to: "\(name)/Dockerfile")
        return try await slipway.run(
            ["build", "--progress=plain"] + options + ["."],
            in: scratch.url.appending(path: name)
        )
    }

    @Test(.proves("cache")) func `keep what steps leave in them, by id and namespace`() async throws {
        let first = try await build("RUN --mount=type=cache,id=one,target=/c touch /c/left\n")
        try #require(first.status == 0, "\(first.errorText)")
        let again = try await build(
            """
            RUN --mount=type=cache,id=one,target=/elsewhere test -e /elsewhere/left
            RUN --mount=type=cache,id=two,target=/c test ! -e /c/left
            RUN --mount=type=cache,id=one,target=/c,ro ! touch /c/x
            RUN test ! -e /c && test ! -e /elsewhere
            """
        )
        #expect(again.status == 0, "\(again.errorText)")
        let other = try await build(
            "RUN --mount=type=cache,id=one,target=/c test ! -e /c/left\n",
            "--build-arg",
            "BUILDKIT_CACHE_MOUNT_NS=mine"
        )
        #expect(other.status == 0, "\(other.errorText)")
    }

    @Test func `are one directory for a step that mounts one twice, which does not wait for itself`() async throws {
        let mount = "--mount=type=cache,id=twice,sharing=locked,target="
        let built = try await build("RUN \(mount)/a \(mount)/b touch /a/left && test -e /b/left\n")
        #expect(built.status == 0, "\(built.errorText)")
    }

    @Test(.proves("--no-cache (cache key)", "--no-cache")) func `begin anew for steps that are to ignore the cache`()
        async throws
    {
        let first = try await build(
            "RUN --mount=type=cache,id=one,target=/c --mount=type=cache,id=two,target=/d,mode=0711 touch /c/left /d/left\n"
        )
        try #require(first.status == 0, "\(first.errorText)")
        let stages = """
            FROM busybox AS fresh
            RUN --mount=type=cache,id=one,target=/c test ! -e /c/left
            FROM busybox AS usual
            RUN --mount=type=cache,id=two,target=/d,mode=0711 test -e /d/left
            FROM scratch
            COPY --from=fresh /etc/passwd /fresh
            COPY --from=usual /etc/passwd /usual
            """
        let some = try await build(stages, "--no-cache-filter", "fresh")
        #expect(some.status == 0, "\(some.errorText)")
        let all = try await build(
            "RUN --mount=type=cache,id=two,target=/d,mode=0711 test ! -e /d/left\n",
            "--no-cache"
        )
        #expect(all.status == 0, "\(all.errorText)")
    }

    @Test(.proves("cache")) func `begin with an owner, permissions or files`() async throws {
        let built = try await build(
            """
            RUN --mount=type=cache,id=a,target=/c,mode=0711,uid=5,gid=6 test "$(stat -c '%a %u:%g' /c)" = "711 5:6" && test -z "$(ls -A /c)"
            RUN --mount=type=cache,id=b,target=/c test "$(stat -c '%a %u:%g' /c)" = "755 0:0"
            FROM busybox AS seed
            RUN mkdir -p /seed/deep && echo seed > /seed/deep/file
            FROM busybox
            RUN --mount=type=cache,id=s,target=/c,from=seed,source=/seed test "$(cat /c/deep/file)" = seed && echo changed > /c/deep/file
            RUN --mount=type=cache,id=s,target=/c,from=seed,source=/seed test "$(cat /c/deep/file)" = changed
            """
        )
        #expect(built.status == 0, "\(built.errorText)")
    }

    /// Runs a step that has the cache `l` until it is let go, and meanwhile another build.
    private func whileHeld(
        sharing: String,
        _ body: () async throws -> ProgramResult
    ) async throws -> (holder: ProgramResult, other: ProgramResult) {
        async let holder = build(
            """
            RUN --mount=type=cache,id=l,target=/c,sharing=\(sharing) --mount=type=cache,id=m,target=/m \\
                touch /c/mine /m/has && while [ ! -e /m/go ]; do sleep 0.1; done && touch /c/done
            """,
            name: "holder"
        )
        try await wait { self.mark("has") }
        let other = try await body()
        return (try await holder, other)
    }

    @Test(.proves("cache")) func `that are locked serve one step after the other, which says that it waits`()
        async throws
    {
        let (holder, waiter) = try await whileHeld(sharing: "locked") {
            async let waiter = build(
                "RUN --mount=type=cache,id=l,target=/c,sharing=locked test -e /c/done\n",
                name: "waiter"
            )
            try await wait { try await self.waits() }
            try mark(making: "go")
            return try await waiter
        }
        #expect(holder.status == 0, "\(holder.errorText)")
        #expect(waiter.status == 0, "\(waiter.errorText)")
        #expect(waiter.errorText.contains("waiting for another step to end that has the cache mount l"))
    }

    @Test(.proves("cache"), arguments: [("private", "test ! -e /c/mine"), ("shared", "test -e /c/mine")])
    func `that are not locked are another or the same one meanwhile`(sharing: String, check: String) async throws {
        let (holder, other) = try await whileHeld(sharing: sharing) {
            let other = try await build(
                "RUN --mount=type=cache,id=l,target=/c,sharing=\(sharing) \(check) && test ! -e /c/done\n",
                // What a step has is not taken from it.
                "--no-cache",
                name: "other"
            )
            try mark(making: "go")
            return other
        }
        #expect(holder.status == 0, "\(holder.errorText)")
        #expect(other.status == 0, "\(other.errorText)")
        #expect(!other.errorText.contains("waiting for another step"))
    }

    /// The directory of the cache `m`, found by its id.
    private func marks() throws -> URL? {
        let caches = scratch.url.appending(path: "store/cachemounts")
        let names = (try? FileManager.default.contentsOfDirectory(atPath: caches.path)) ?? []
        return names.map { caches.appending(path: $0) }.first {
            (try? String(contentsOf: $0.appending(path: "id"), encoding: .utf8)) == "/m"
        }?.appending(path: "0/data")
    }

    private func mark(_ name: String) -> Bool {
        guard let marks = try? marks() else { return false }
        return FileManager.default.fileExists(atPath: marks.appending(path: name).path)
    }

    private func mark(making name: String) throws {
        let directory = try #require(try marks())
        try Data().write(to: directory.appending(path: name))
    }

    /// Whether a process waits for the lock of a cache.
    ///
    /// See proc_locks(5): waiting ones are marked with an arrow.
    private func waits() async throws -> Bool {
        let locks = (try? String(contentsOfFile: "/proc/locks", encoding: .utf8)) ?? ""
        let caches = scratch.url.appending(path: "store/cachemounts")
        let files = try await runProgram("find", [caches.path, "-name", "lock", "-printf", "%i\\n"])
        let inodes = Set(files.text.split(separator: "\n").map { ":\($0) " })
        return locks.split(separator: "\n").contains { line in
            line.contains("->") && inodes.contains { line.contains($0) }
        }
    }

    /// Looks again and again, for minutes at most.
    private func wait(until condition: () async throws -> Bool) async throws {
        for _ in 0..<1200 {
            if try await condition() { return }
            try await Task.sleep(for: .milliseconds(250))
        }
        Issue.record("it did not come about")
    }

    @Test(.proves("du, prune")) func `are listed and pruned`() async throws {
        let built = try await build(
            "RUN --mount=type=cache,id=big,target=/c head -c 5000000 /dev/zero > /c/f && echo made > /made\n",
            "--tag",
            "kept"
        )
        try #require(built.status == 0, "\(built.errorText)")
        let all = try await slipway.succeed("builder", "du")
        #expect(all.hasPrefix("ID"))
        let header = try #require(all.split(separator: "\n").first).split(
            separator: " ",
            omittingEmptySubsequences: true
        )
        #expect(header.joined(separator: " ") == "ID RECLAIMABLE SIZE LAST ACCESSED")
        let mounts = try await slipway.succeed("builder", "du", "--filter", "type=exec.cachemount", "--verbose")
        #expect(mounts.contains("cached mount /big"), "\(mounts)")
        #expect(mounts.contains("exec.cachemount"))
        #expect(mounts.contains("5MB") || mounts.contains("5.0"), "\(mounts)")
        #expect(!mounts.contains("regular"))

        let kept = try await slipway.succeed(
            "builder",
            "prune",
            "-f",
            "--filter",
            "type=exec.cachemount",
            "--reserved-space",
            "1g"
        )
        #expect(kept.contains("Total reclaimed space: 0B"), "\(kept)")
        let old = try await slipway.succeed(
            "builder",
            "prune",
            "-f",
            "--filter",
            "type=exec.cachemount",
            "--filter",
            "until=24h"
        )
        #expect(old.contains("Total reclaimed space: 0B"), "\(old)")
        let pruned = try await slipway.succeed("builder", "prune", "-f", "--filter", "type=exec.cachemount")
        #expect(pruned.contains("Total reclaimed space: 5"), "\(pruned)")
        #expect(!(try await slipway.succeed("builder", "du", "--filter", "type=exec.cachemount").contains("true")))
        let left = try await slipway.succeed("builder", "du")
        #expect(left.contains("true"), "the records of steps are still there: \(left)")
        let again = try await build("RUN --mount=type=cache,id=big,target=/c test ! -e /c/f\n")
        #expect(again.status == 0, "\(again.errorText)")
        _ = try await slipway.succeed("builder", "prune", "-a", "-f")
        #expect(!(try await slipway.succeed("builder", "du").contains("true")))
    }

    @Test(
        .proves("du, prune"),
        arguments: [
            (["--filter", "colour=red"], "the filter colour is not one of"),
            (["--filter", "type"], "bad format of filter (expected name=value)"),
            (["--filter", "until=soon"], "it is not a duration"),
        ]
    )
    func `refuse meaningless filters`(options: [String], message: String) async throws {
        let result = try await slipway.run(["builder", "du"] + options)
        #expect(result.status == 125)
        #expect(result.errorText.contains(message), "\(result.errorText)")
    }
}
