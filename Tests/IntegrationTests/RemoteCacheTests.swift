import Foundation
import SystemPackage
import Testing

/// Two machines that share nothing but a build cache: each has a store and a copy of the context in a place of its own.
@Suite(.requires(.root, .program("crun"), .program("docker-registry"), .program("skopeo")))
struct `Remote caches` {
    private let scratch: TemporaryDirectory
    private let first: Slipway
    private let second: Slipway

    init() async throws {
        scratch = try TemporaryDirectory()
        first = Slipway(root: scratch.url.appending(path: "first").path)
        second = Slipway(root: scratch.url.appending(path: "second").path)
        let base = scratch.url.appending(path: "busybox.tar").path
        try await Slipway.shared().succeed("save", "-o", base, "busybox")
        for slipway in [first, second] { try await slipway.succeed("load", "-i", base) }
        try write()
    }

    /// Writes the context of each machine: two stages, in which no two runs of a step give the same.
    private func write(last: String = "cat /copied > /last", source: String = "text\n") throws {
        let random = "cat /proc/sys/kernel/random/uuid"
        for name in ["here", "there"] {
            try scratch.write(
                """
                FROM busybox AS make
                COPY source /source
                RUN cat /source > /made && \(random) >> /made && \(random) > /unused
                FROM busybox
                COPY --from=make /made /copied
                RUN \(random) > /own
                RUN \(last)
                """,
                to: "\(name)/Dockerfile"
            )
            try scratch.write(source, to: "\(name)/source")
        }
    }

    @discardableResult
    private func build(_ slipway: Slipway, in directory: String, _ options: [String]) async throws -> ProgramResult {
        try await slipway.run(
            ["build", "--progress=plain", "--iidfile=\(scratch.path)/\(directory).id"] + options + ["."],
            in: scratch.url.appending(path: directory)
        )
    }

    @discardableResult
    private func succeed(_ slipway: Slipway, in directory: String, _ options: String...) async throws -> String {
        let result = try await build(slipway, in: directory, options)
        try #require(result.status == 0, "\(options): \(result.errorText)")
        return result.errorText
    }

    /// The titles of the steps of the Dockerfile that ran.
    private func ran(_ log: String) -> [String] {
        let lines = log.split(separator: "\n").map { $0.split(separator: " ", maxSplits: 1).map(String.init) }
        let cached = Set(lines.filter { $0.last == "CACHED" }.map { $0[0] })
        var seen: Set<String> = []
        return lines.filter { line in
            line.count == 2 && line[1].hasPrefix("[") && !line[1].hasPrefix("[internal]") && !cached.contains(line[0])
                && seen.insert(line[0]).inserted
        }.map { $0[1] }
    }

    private func id(_ directory: String) throws -> String {
        try String(contentsOf: scratch.url.appending(path: "\(directory).id"), encoding: .utf8)
    }

    private func withRegistry(_ body: (RegistryServer) async throws -> Void) async throws {
        let registry = try await RegistryServer.start(in: FilePath(scratch.path))
        defer { registry.stop() }
        try await body(registry)
    }

    private var local: (to: String, from: String) {
        ("--cache-to=type=local,dest=\(scratch.path)/cache", "--cache-from=type=local,src=\(scratch.path)/cache")
    }

    /// Removes what a directory of a cache has of layers: everything that is no JSON.
    private func removeLayers(of cache: String = "cache") throws {
        let blobs = scratch.url.appending(path: "\(cache)/blobs/sha256")
        for name in try FileManager.default.contentsOfDirectory(atPath: blobs.path) {
            let file = blobs.appending(path: name)
            if try Data(contentsOf: file).first != UInt8(ascii: "{") { try FileManager.default.removeItem(at: file) }
        }
    }

    // MARK: What they are for

    @Test func `of a directory spare another machine every step, and it makes the same image`() async throws {
        let log = try await succeed(first, in: "here", local.to + ",mode=max", "--metadata-file=\(scratch.path)/meta")
        #expect(ran(log).count == 6)
        #expect(log.contains(" exporting cache to client directory\n"))
        #expect(log.contains(" preparing build cache for export ") && log.contains(" writing layer sha256:"))
        let again = try await succeed(second, in: "there", local.from)
        #expect(ran(again) == [])
        #expect(again.contains(" importing cache manifest from local:\(scratch.path)/cache\n"))
        #expect(try id("there") == id("here"))
        let explained = try await second.succeed("explain")
        #expect(explained.contains("its result came from the remote cache local:\(scratch.path)/cache"))

        let meta = try Data(contentsOf: scratch.url.appending(path: "meta"))
        let fields = try #require(try JSONSerialization.jsonObject(with: meta) as? [String: Any])
        let manifest = try #require(fields["cache.manifest"] as? [String: Any])
        let digest = try #require(manifest["digest"] as? String)
        #expect(manifest["mediaType"] as? String == "application/vnd.oci.image.manifest.v1+json")
        // The image works, also without the cache it came from.
        try FileManager.default.removeItem(at: scratch.url.appending(path: "cache"))
        #expect(try await second.succeed("run", "--rm", id("there"), "head", "-n", "1", "/last") == "text\n")
        #expect(digest.hasPrefix("sha256:"))
    }

    @Test func `of a registry are manifests or indexes that other tools read`() async throws {
        try await withRegistry { registry in
            let cache = "\(registry.host)/team/cache:1"
            let log = try await succeed(first, in: "here", "--cache-to=type=registry,ref=\(cache),mode=max")
            #expect(
                log.contains(" exporting cache to registry\n") && log.contains(" writing cache image manifest sha256:")
            )
            let again = try await succeed(second, in: "there", "--cache-from", cache)
            #expect(ran(again) == [])
            #expect(again.contains(" importing cache manifest from \(cache)\n"))
            #expect(try id("there") == id("here"))

            func raw(_ name: String) async throws -> [String: Any] {
                let text = try await skopeo(["inspect", "--raw", "--tls-verify=false", "docker://\(name)"])
                return try #require(try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
            }
            let manifest = try await raw(cache)
            let config = try #require(manifest["config"] as? [String: Any])
            #expect(config["mediaType"] as? String == "application/vnd.buildkit.cacheconfig.v0")
            let layers = try #require(manifest["layers"] as? [[String: Any]])
            #expect(layers.count == 6)
            for layer in layers {
                let annotations = try #require(layer["annotations"] as? [String: String])
                #expect(Set(annotations.keys) == ["containerd.io/uncompressed", "buildkit/createdat"])
                #expect(layer["mediaType"] as? String == "application/vnd.oci.image.layer.v1.tar+gzip")
            }

            let index = "\(registry.host)/team/index"
            try await succeed(first, in: "here", "--cache-to=type=registry,ref=\(index),image-manifest=false")
            let listed = try #require(try await raw(index)["manifests"] as? [[String: Any]])
            #expect(listed.last?["mediaType"] as? String == "application/vnd.buildkit.cacheconfig.v0")
            let third = Slipway(root: scratch.url.appending(path: "third").path)
            try await third.succeed("load", "-i", scratch.url.appending(path: "busybox.tar").path)
            #expect(ran(try await succeed(third, in: "there", "--cache-from", index)) == [])
        }
    }

    @Test func `in an image hold its own layers`() async throws {
        try await withRegistry { registry in
            let name = "\(registry.host)/team/app:1"
            try await succeed(first, in: "here", "--push", "-t", name, "--build-arg", "BUILDKIT_INLINE_CACHE=1")
            let again = try await succeed(second, in: "there", "--cache-from", name, "--cache-to=type=inline")
            #expect(ran(again) == [])
            #expect(try id("there") == id("here"))
            let bare = "\(registry.host)/team/bare:1"
            try await succeed(first, in: "here", "--push", "-t", bare)
            let third = Slipway(root: scratch.url.appending(path: "third").path)
            try await third.succeed("load", "-i", scratch.url.appending(path: "busybox.tar").path)
            let without = try await succeed(third, in: "there", "--cache-from", bare)
            #expect(without.contains("ERROR: no build cache: neither a cache nor an image with a cache in it"))
            #expect(ran(without).count == 6)
        }
    }

    @Test func `hold the layers of the result, or those of all stages`() async throws {
        let max = "type=local,dest=\(scratch.path)/max,mode=max"
        try await succeed(first, in: "here", local.to, "--cache-to", max)
        // What comes after the last common step runs; of the other stage nothing is needed for it.
        try write(last: "cat /copied > /another")
        #expect(ran(try await succeed(second, in: "there", local.from)) == ["[stage-1 4/4] RUN cat /copied > /another"])
        // Now something of the other stage is needed.
        try write(last: "--mount=from=make,target=/m cat /m/unused > /another")
        let third = Slipway(root: scratch.url.appending(path: "third").path)
        try await third.succeed("load", "-i", scratch.url.appending(path: "busybox.tar").path)
        #expect(
            ran(try await succeed(third, in: "there", "--cache-from=type=local,src=\(scratch.path)/max")).count == 1
        )
        let steps = ran(try await succeed(second, in: "there", local.from))
        #expect(steps.contains { $0.contains("/proc/sys/kernel/random/uuid >> /made") })
    }

    @Test func `are read only as far as they are needed`() async throws {
        try await succeed(first, in: "here", local.to + ",mode=max")
        try removeLayers()
        // Everything is known to be there, and nobody looks.
        #expect(ran(try await succeed(second, in: "there", local.from, "--output=type=cacheonly")) == [])
        // Without the cache its records are as good as gone.
        #expect(ran(try await succeed(second, in: "there", "--output=type=cacheonly")).count == 5)
    }

    // MARK: What may be wrong with them

    @Test func `without the layers that they promise are left alone, and the build goes on`() async throws {
        try await succeed(first, in: "here", local.to + ",mode=max")
        try removeLayers()
        let log = try await succeed(second, in: "there", local.from)
        #expect(log.contains("the build cache local:\(scratch.path)/cache is incomplete and is not used any more"))
        #expect(try await second.succeed("run", "--rm", id("there"), "head", "-n", "1", "/last") == "text\n")
        #expect(try id("there") != id("here"))
    }

    @Test func `that are not there, or are none, are errors of their own steps`() async throws {
        let cache = scratch.url.appending(path: "cache")
        let missing = try await succeed(second, in: "there", local.from)
        #expect(missing.contains("ERROR: \(cache.path)/index.json: not found"))
        #expect(ran(missing).count == 6)
        try scratch.write("nonsense", to: "cache/index.json")
        #expect(try await succeed(second, in: "there", local.from).contains("ERROR: invalid JSON at byte 0"))
        try await withRegistry { registry in
            let unknown = "\(registry.host)/team/none:1"
            let log = try await succeed(second, in: "there", "--cache-from", unknown)
            #expect(log.contains("importing cache manifest from \(unknown)\n") && log.contains("not found"))
        }
    }

    @Test(
        arguments: [
            ("{\"layers\":[{\"blob\":\"DIGEST\",\"parent\":3}]}", "is above layer 3 of 1"),
            ("{\"records\":[{\"digest\":\"DIGEST\",\"inputs\":[[{\"link\":0}]]}]}", "uses itself"),
            ("{\"records\":[{\"digest\":\"DIGEST\",\"layers\":[{\"layer\":7}]}]}", "names layer 7 of 0"),
            ("{\"layers\":[{\"blob\":\"DIGEST\",\"parent\":-1}]}", "is not in its manifest"),
            ("[]", "a document must be an object"),
        ] as [(String, String)]
    )
    func `that lie about themselves are refused`(document: String, reason: String) async throws {
        let digest = "sha256:" + String(repeating: "ab", count: 32)
        let content = document.replacing("DIGEST", with: digest)
        let script = """
            set -e
            mkdir -p cache/blobs/sha256 && cd cache
            printf '%s' "$1" > config && c=$(sha256sum config | cut -c1-64) && mv config blobs/sha256/$c
            printf '{"schemaVersion":2,"config":{"mediaType":"application/vnd.buildkit.cacheconfig.v0","digest":"sha256:%s","size":%d},"layers":[]}' \
                $c ${#1} > manifest
            m=$(sha256sum manifest | cut -c1-64) && mv manifest blobs/sha256/$m
            printf '{"schemaVersion":2,"manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"sha256:%s","size":1}]}' \
                $m > index.json
            """
        let made = try await runProgram("sh", ["-c", script, "sh", content], in: scratch.url)
        try #require(made.status == 0, "\(made.errorText)")
        let log = try await succeed(second, in: "there", local.from)
        #expect(log.contains("ERROR: ") && log.contains(reason), "\(log)")
        #expect(ran(log).count == 6)
    }

    @Test func `change nothing of what the store knows`() async throws {
        // The same step was built on both machines, with results of their own.
        try await succeed(first, in: "here", local.to + ",mode=max")
        try await succeed(second, in: "there", "-t", "mine")
        let mine = try id("there")
        #expect(ran(try await succeed(second, in: "there", local.from)) == [])
        #expect(try id("there") == mine)
    }

    // MARK: Writing

    @Test func `that cannot be written fail the build, unless that does not matter`() async throws {
        try scratch.write("in the way", to: "cache")
        let failed = try await build(first, in: "here", [local.to])
        #expect(failed.status == 1)
        #expect(
            failed.errorText.contains("ERROR: failed to build: failed to solve: \(scratch.path)/cache: not a directory")
        )
        #expect(try await succeed(first, in: "here", local.to + ",ignore-error=true").contains("ERROR: "))
        #expect(
            try await succeed(first, in: "here", "--cache-to=type=registry,ref=127.0.0.1:1/x,ignore-error=true")
                .contains("exporting cache to registry")
        )
    }

    @Test func `have several tags, and only what those need where that is asked for`() async throws {
        func blobs() throws -> Int {
            try FileManager.default.contentsOfDirectory(atPath: "\(scratch.path)/cache/blobs/sha256").count
        }
        try await succeed(first, in: "here", local.to + ",tag=one")
        let one = try blobs()
        try write(last: "true")
        try await succeed(first, in: "here", local.to + ",tag=two")
        #expect(try blobs() > one)
        #expect(ran(try await succeed(second, in: "there", local.from + ",tag=two")) == [])
        // There are two and none of them is the latest.
        #expect(try await succeed(second, in: "there", local.from).contains("ERROR: the tag latest in"))
        try write(source: "other\n")
        try await succeed(first, in: "here", local.to + ",tag=one,reset=true")
        try await succeed(first, in: "here", local.to + ",tag=two,reset=true")
        #expect(try blobs() == one)
    }

    @Test func `of one stage alone are not used where that is asked for`() async throws {
        try await succeed(first, in: "here")
        #expect(ran(try await succeed(first, in: "here", "--no-cache-filter=other")) == [])
        let log = try await succeed(first, in: "here", "--no-cache-filter=other,MAKE")
        #expect(ran(log).contains("[make 2/3] COPY source /source"))
        #expect(ran(log).contains { $0.hasPrefix("[make 3/3] RUN ") })
        let both = try await build(first, in: "here", ["--no-cache", "--no-cache-filter=make"])
        #expect(both.errorText.contains("--no-cache and --no-cache-filter cannot currently be used together"))
    }
}
