import Foundation
import Proofs
import SystemPackage
import Testing
import Text

/// What one machine built is found by another one, wherever the cache lies between them.
@Suite(.requires(.root, .program("crun"), .program("docker-registry"), .program("skopeo")))
struct `Remote caches` {
    private let machines: TwoMachines

    init() async throws { machines = try await TwoMachines() }

    private func withRegistry(_ body: (RegistryServer) async throws -> Void) async throws {
        let registry = try await RegistryServer.start(in: FilePath(machines.scratch.path))
        defer { registry.stop() }
        try await body(registry)
    }

    private var local: (to: String, from: String) {
        (
            "--cache-to=type=local,dest=\(machines.scratch.path)/cache",
            "--cache-from=type=local,src=\(machines.scratch.path)/cache"
        )
    }

    /// Removes what a directory of a cache has of layers: everything that is no JSON.
    private func removeLayers(of cache: String = "cache") throws {
        let blobs = machines.scratch.url.appending(path: "\(cache)/blobs/sha256")
        for name in try FileManager.default.contentsOfDirectory(atPath: blobs.path) {
            let file = blobs.appending(path: name)
            if try Data(contentsOf: file).first != "{" { try FileManager.default.removeItem(at: file) }
        }
    }

    // MARK: What they are for

    @Test(.proves("--cache-from, --cache-to", "local (cache)", "cache.manifest"))
    func `of a directory spare another machine every step, and it makes the same image`() async throws {
        let log = try await machines.here(local.to + ",mode=max", "--metadata-file=\(machines.scratch.path)/meta")
        #expect(machines.ran(log).count == 6)
        #expect(log.contains(" exporting cache to client directory\n"))
        #expect(log.contains(" preparing build cache for export ") && log.contains(" writing layer sha256:"))
        let again = try await machines.there(local.from)
        #expect(machines.ran(again) == [])
        #expect(again.contains(" importing cache manifest from local:\(machines.scratch.path)/cache\n"))
        #expect(try machines.id("there") == machines.id("here"))
        let explained = try await machines.second.succeed("explain")
        #expect(explained.contains("its result came from the remote cache local:\(machines.scratch.path)/cache"))

        let meta = try Data(contentsOf: machines.scratch.url.appending(path: "meta"))
        let fields = try #require(try JSONSerialization.jsonObject(with: meta) as? [String: Any])
        let manifest = try #require(fields["cache.manifest"] as? [String: Any])
        let digest = try #require(manifest["digest"] as? String)
        #expect(manifest["mediaType"] as? String == "application/vnd.oci.image.manifest.v1+json")
        // The image works, also without the cache it came from.
        try FileManager.default.removeItem(at: machines.scratch.url.appending(path: "cache"))
        #expect(
            try await machines.second.succeed("run", "--rm", machines.id("there"), "head", "-n", "1", "/last")
                == "text\n"
        )
        #expect(digest.hasPrefix("sha256:"))
    }

    @Test(.proves("registry")) func `of a registry are manifests or indexes that other tools read`() async throws {
        try await withRegistry { registry in
            let cache = "\(registry.host)/team/cache:1"
            let log = try await machines.here("--cache-to=type=registry,ref=\(cache),mode=max")
            #expect(
                log.contains(" exporting cache to registry\n") && log.contains(" writing cache image manifest sha256:")
            )
            let again = try await machines.there("--cache-from", cache)
            #expect(machines.ran(again) == [])
            #expect(again.contains(" importing cache manifest from \(cache)\n"))
            #expect(try machines.id("there") == machines.id("here"))

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
            try await machines.here("--cache-to=type=registry,ref=\(index),image-manifest=false")
            let listed = try #require(try await raw(index)["manifests"] as? [[String: Any]])
            #expect(listed.last?["mediaType"] as? String == "application/vnd.buildkit.cacheconfig.v0")
            let third = try await machines.third()
            #expect(machines.ran(try await machines.there(on: third, "--cache-from", index)) == [])
        }
    }

    @Test(.proves("BUILDKIT_INLINE_CACHE, BUILDKIT_BUILD_NAME", "inline")) func `in an image hold its own layers`()
        async throws
    {
        try await withRegistry { registry in
            let name = "\(registry.host)/team/app:1"
            try await machines.here("--push", "-t", name, "--build-arg", "BUILDKIT_INLINE_CACHE=1")
            let again = try await machines.there("--cache-from", name, "--cache-to=type=inline")
            #expect(machines.ran(again) == [])
            #expect(try machines.id("there") == machines.id("here"))
            let bare = "\(registry.host)/team/bare:1"
            try await machines.here("--push", "-t", bare)
            let third = try await machines.third()
            let without = try await machines.there(on: third, "--cache-from", bare)
            #expect(without.contains("ERROR: no build cache: neither a cache nor an image with a cache in it"))
            #expect(machines.ran(without).count == 6)
        }
    }

    @Test(.proves("local (cache)")) func `hold the layers of the result, or those of all stages`() async throws {
        let max = "type=local,dest=\(machines.scratch.path)/max,mode=max"
        try await machines.here(local.to, "--cache-to", max)
        // What comes after the last common step runs; of the other stage nothing is needed for it.
        try machines.write(last: "cat /copied > /another")
        #expect(machines.ran(try await machines.there(local.from)) == ["[stage-1 4/4] RUN cat /copied > /another"])
        // Now something of the other stage is needed.
        try machines.write(last: "--mount=from=make,target=/m cat /m/unused > /another")
        let third = try await machines.third()
        #expect(
            machines.ran(
                try await machines.there(on: third, "--cache-from=type=local,src=\(machines.scratch.path)/max")
            ).count == 1
        )
        let steps = machines.ran(try await machines.there(local.from))
        #expect(steps.contains { $0.contains("/proc/sys/kernel/random/uuid >> /made") })
    }

    @Test func `are read only as far as they are needed`() async throws {
        try await machines.here(local.to + ",mode=max")
        try removeLayers()
        // Everything is known to be there, and nobody looks.
        #expect(machines.ran(try await machines.there(local.from, "--output=type=cacheonly")) == [])
        // Without the cache its records are as good as gone.
        #expect(machines.ran(try await machines.there("--output=type=cacheonly")).count == 5)
    }

    // MARK: What may be wrong with them

    @Test(.proves("--cache-from, --cache-to"))
    func `without the layers that they promise are left alone, and the build goes on`() async throws {
        try await machines.here(local.to + ",mode=max")
        try removeLayers()
        let log = try await machines.there(local.from)
        #expect(
            log.contains("the build cache local:\(machines.scratch.path)/cache is incomplete and is not used any more")
        )
        #expect(
            try await machines.second.succeed("run", "--rm", machines.id("there"), "head", "-n", "1", "/last")
                == "text\n"
        )
        #expect(try machines.id("there") != machines.id("here"))
    }

    @Test func `are written without the layers that another one promised in vain`() async throws {
        try await machines.here(local.to + ",mode=max")
        try removeLayers()
        let again = "type=local,src=\(machines.scratch.path)/again"
        let log = try await machines.there(
            local.from,
            "--cache-to=\(again.replacing("src=", with: "dest=")),mode=max",
            "--output=type=cacheonly"
        )
        #expect(machines.ran(log) == [])
        // Its steps are known, and what they gave is not there.
        let third = try await machines.third()
        let steps = machines.ran(try await machines.there(on: third, "--cache-from", again, "--output=type=cacheonly"))
        #expect(steps.count == 5)
    }

    @Test func `that are missing or malformed are errors of their own steps`() async throws {
        let cache = machines.scratch.url.appending(path: "cache")
        let missing = try await machines.there(local.from)
        #expect(missing.contains("ERROR: \(cache.path)/index.json: not found"))
        #expect(machines.ran(missing).count == 6)
        try machines.scratch.write("nonsense", to: "cache/index.json")
        #expect(try await machines.there(local.from).contains("ERROR: invalid JSON at byte 0"))
        try await withRegistry { registry in
            let unknown = "\(registry.host)/team/none:1"
            let log = try await machines.there("--cache-from", unknown)
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
        let made = try await runProgram("sh", ["-c", script, "sh", content], in: machines.scratch.url)
        try #require(made.status == 0, "\(made.errorText)")
        let log = try await machines.there(local.from)
        #expect(log.contains("ERROR: ") && log.contains(reason), "\(log)")
        #expect(machines.ran(log).count == 6)
    }

    @Test func `change nothing of what the store knows`() async throws {
        // The same step was built on both machines, with results of their own.
        try await machines.here(local.to + ",mode=max")
        try await machines.there("-t", "mine")
        let mine = try machines.id("there")
        #expect(machines.ran(try await machines.there(local.from)) == [])
        #expect(try machines.id("there") == mine)
    }

    // MARK: Writing

    @Test(.proves("--cache-from, --cache-to"))
    func `that cannot be written fail the build, unless that does not matter`() async throws {
        try machines.scratch.write("in the way", to: "cache")
        let failed = try await machines.build(machines.first, in: "here", [local.to])
        #expect(failed.status == 1)
        #expect(
            failed.errorText.contains(
                "ERROR: failed to build: failed to solve: \(machines.scratch.path)/cache: not a directory"
            )
        )
        #expect(try await machines.here(local.to + ",ignore-error=true").contains("ERROR: "))
        #expect(
            try await machines.here("--cache-to=type=registry,ref=127.0.0.1:1/x,ignore-error=true")
                .contains("exporting cache to registry")
        )
    }

    @Test(.proves("--cache-from, --cache-to")) func `are whole or not there when their export is killed`() async throws
    {
        try machines.write(last: "dd if=/dev/zero of=/big bs=1M count=64")
        try await machines.here(local.to)
        try machines.write(last: "head -c 48000000 /dev/urandom > /big", source: "other\n")
        let script = """
            "$0" build -q --cache-to=type=local,dest="$1/cache",mode=max,compression=uncompressed "$1/here" &
            until ls "$1"/cache/ingest/slipway-* > /dev/null 2>&1 || ! kill -0 $! 2> /dev/null; do :; done
            kill -9 $!
            wait $!
            test $? -ne 0
            """
        let killed = try await runProgram(
            "sh",
            ["-c", script, Slipway.binary, machines.scratch.path],
            environment: ["SLIPWAY_ROOT": machines.first.root]
        )
        try #require(killed.status == 0, "\(killed.errorText)")
        // What was there before is there still.
        try machines.write(last: "dd if=/dev/zero of=/big bs=1M count=64")
        #expect(machines.ran(try await machines.there(local.from)) == [])
        // And the next export clears away what the killed one left.
        try await machines.here(local.to + ",mode=max")
        let left = try FileManager.default.contentsOfDirectory(atPath: "\(machines.scratch.path)/cache/ingest")
        #expect(left == [])
    }

    @Test(.proves("local (cache)")) func `have several tags, and only what those need where that is asked for`()
        async throws
    {
        func blobs() throws -> Int {
            try FileManager.default.contentsOfDirectory(atPath: "\(machines.scratch.path)/cache/blobs/sha256").count
        }
        try await machines.here(local.to + ",tag=one")
        let one = try blobs()
        try machines.write(last: "true")
        try await machines.here(local.to + ",tag=two")
        #expect(try blobs() > one)
        #expect(machines.ran(try await machines.there(local.from + ",tag=two")) == [])
        // There are two and none of them is the latest.
        #expect(try await machines.there(local.from).contains("ERROR: the tag latest in"))
        try machines.write(source: "other\n")
        try await machines.here(local.to + ",tag=one,reset=true")
        try await machines.here(local.to + ",tag=two,reset=true")
        #expect(try blobs() == one)
    }

    @Test(.proves("--no-cache-filter")) func `of one stage alone are not used where that is asked for`() async throws {
        try await machines.here()
        #expect(machines.ran(try await machines.here("--no-cache-filter=other")) == [])
        let log = try await machines.here("--no-cache-filter=other,MAKE")
        #expect(machines.ran(log).contains("[make 2/3] COPY source /source"))
        #expect(machines.ran(log).contains { $0.hasPrefix("[make 3/3] RUN ") })
        let both = try await machines.build(machines.first, in: "here", ["--no-cache", "--no-cache-filter=make"])
        #expect(both.errorText.contains("--no-cache and --no-cache-filter cannot currently be used together"))
    }
}
