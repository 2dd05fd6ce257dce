import Archive
import Images
import LinuxSystem
import OCI
import Snapshots
import Storage
import SystemPackage
import Testing

/// Archives that lie.
///
/// Each is refused with a reason, and the store is as it was.
@Suite struct `Hostile archives` {
    private let layer: [UInt8]
    private let configuration: [UInt8]

    init() async throws {
        layer = try await makeArchive([.text("a", "a")])
        var value = ImageConfiguration(platform: .current)
        value.rootFileSystem.diffIDs = [Digest.sha256(of: layer)]
        configuration = try StrictJSON.encode(value)
    }

    private func refusal(of members: [Member]) async throws -> String {
        try await withArchiver { archiver, scratch in
            let bytes = try await makeArchive(members)
            var text = ""
            do {
                _ = try await archiver.load(bytes: bytes, in: scratch)
                Issue.record("the archive was loaded")
            } catch {
                text = "\(error)"
            }
            #expect(try await archiver.images.list().isEmpty)
            #expect(try await archiver.images.store.diskUsage().blobCount == 0)
            #expect(try await archiver.images.store.check(full: true).problems.isEmpty)
            return text
        }
    }

    private func manifest(_ config: String = "c.json", tags: String = "[\"app:1\"]", layers: String = "[\"l.tar\"]")
        -> Member
    {
        .text("manifest.json", "[{\"Config\":\"\(config)\",\"RepoTags\":\(tags),\"Layers\":\(layers)}]")
    }

    @Test func `in docker's form`() async throws {
        let config = Member.file("c.json", configuration)
        let good = Member.file("l.tar", layer)
        let other = Member.file("l.tar", try await makeArchive([.text("b", "b")]))
        let cases: [(members: [Member], reason: String)] = [
            ([config, good], "does not contain a manifest.json"),
            ([config, good, manifest("nope.json")], "names the configuration \"nope.json\", which is not in it"),
            ([config, manifest()], "names the layer \"l.tar\", which is not in it"),
            ([config, other, manifest()], "invalid diffID for layer 0"),
            ([config, good, manifest(layers: "[]")], "layers length mismatch: expected 0, got 1"),
            ([config, good, manifest("../c.json")], "leads out of it"),
            ([config, good, manifest(tags: "[\"App\"]")], "must be lowercase"),
            ([config, good, manifest(tags: "[\"app\"]")], "invalid tag"),
            ([config, good, .link("c2.json", to: "../../etc/passwd"), manifest("c2.json")], "leads out of it"),
            (
                [config, good, .link("c2.json", to: "c2.json"), manifest("c2.json")],
                "a link to a file that does not exist"
            ),
            ([config, good, .device("x"), manifest()], "is a device or a pipe"),
            ([config, good, .pipe("x"), manifest()], "is a device or a pipe"),
            ([config, config, good, manifest()], "appears in it twice"),
            (
                [config, .text("l.tar", String(repeating: "no tar ", count: 500)), manifest()],
                "\"l.tar\" is not a layer"
            ),
            ([config, good, .text("manifest.json", "[{\"Config\":\"a\",\"Config\":\"b\"}]")], "duplicate key"),
            ([config, good, .text("manifest.json", "[")], "invalid JSON"),
            ([.text("c.json", "{}"), good, manifest()], "the field"),
        ]
        for (members, reason) in cases {
            let text = try await refusal(of: members)
            #expect(text.contains(reason), "\(text)")
        }
    }

    private func layout(
        _ members: [Member],
        config: [UInt8],
        layer: Digest,
        annotations: [String: String] = [:]
    ) throws -> [Member] {
        let manifest = Manifest(
            mediaType: .ociManifest,
            config: Descriptor(
                mediaType: .ociConfiguration,
                digest: Digest.sha256(of: config),
                size: Int64(config.count)
            ),
            layers: [Descriptor(mediaType: .ociLayer, digest: layer, size: 0)]
        )
        let bytes = try StrictJSON.encode(manifest)
        let descriptor = Descriptor(
            mediaType: .ociManifest,
            digest: Digest.sha256(of: bytes),
            size: Int64(bytes.count),
            annotations: annotations
        )
        let index = try StrictJSON.encode(Index(mediaType: .ociIndex, manifests: [descriptor]))
        return members + [
            .file("blobs/sha256/\(Digest.sha256(of: bytes).hex)", bytes),
            .file("blobs/sha256/\(Digest.sha256(of: config).hex)", config),
            .text("oci-layout", "{\"imageLayoutVersion\":\"1.0.0\"}"), .file("index.json", index),
        ]
    }

    @Test func `as an OCI layout`() async throws {
        let name = "blobs/sha256/\(Digest.sha256(of: layer).hex)"
        let other = try await makeArchive([.text("b", "b")])
        let swapped = try layout([.file(name, other)], config: configuration, layer: Digest.sha256(of: layer))
        #expect(try await refusal(of: swapped).contains("has digest \(Digest.sha256(of: other))"))
        let missing = try layout([], config: configuration, layer: Digest.sha256(of: layer))
        #expect(try await refusal(of: missing).contains("is not in it"))
        let outside = try layout([.link(name, to: "/../../x")], config: configuration, layer: Digest.sha256(of: layer))
        #expect(try await refusal(of: outside).contains("leads out of it"))
        let index = "{\"schemaVersion\":2,\"manifests\":[],\"config\":{}}"
        #expect(try await refusal(of: [.text("index.json", index)]).contains("must not have the field"))
        #expect(
            try await refusal(of: [.text("index.json", "{\"schemaVersion\":2,\"manifests\":[]}")]).contains(
                "no image for platform"
            )
        )
    }

    @Test func `a short name in an annotation takes no image's name, a full one is used`() async throws {
        for (annotation, lines) in [
            ("org.opencontainers.image.ref.name", "Loaded image ID"),
            ("io.containerd.image.name", "Loaded image: python:3"),
        ] {
            try await withArchiver { archiver, scratch in
                let bytes = try await makeArchive(
                    try layout(
                        [.file("blobs/sha256/\(Digest.sha256(of: layer).hex)", layer)],
                        config: configuration,
                        layer: Digest.sha256(of: layer),
                        annotations: [annotation: "docker.io/library/python:3"]
                    )
                )
                let loaded = try await archiver.load(bytes: bytes, in: scratch)
                #expect(loaded.flatMap(\.lines).first?.hasPrefix(lines) == true)
            }
        }
    }
}
