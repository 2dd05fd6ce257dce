import Foundation
import Proofs
import SystemPackage
import Testing

/// What the options of outputs make of an image, as other programs read it.
@Suite(
    .requires(.root, .program("crun"), .program("docker-registry"), .program("skopeo"), .program("umoci"))
)
struct `Exported images` {
    private let scratch: TemporaryDirectory

    init() throws {
        scratch = try TemporaryDirectory()
        // A step of each test's own: tests that run at the same time do not share its layer.
        let run = "RUN echo made > /made && rm /etc/group && : \(UUID())"
        try scratch.write("FROM busybox\nCOPY a.txt /\n\(run)\n", to: "context/Dockerfile")
        try scratch.write("A\n", to: "context/a.txt")
    }

    private func path(_ name: String) -> String { scratch.url.appending(path: name).path }

    private func json(_ bytes: [UInt8]) throws -> [String: Any] {
        try #require(try JSONSerialization.jsonObject(with: Data(bytes)) as? [String: Any])
    }

    private func build(_ arguments: String..., environment: [String: String] = [:]) async throws -> ProgramResult {
        let slipway = try await Slipway.shared()
        let line = ["build", "--progress", "plain"] + arguments + ["context"]
        let result = try await slipway.run(line, in: scratch.url, environment: environment)
        try #require(result.status == 0, "\(arguments): \(result.errorText)")
        return result
    }

    private func inspect(_ name: String) async throws -> [String: Any] {
        let raw = try await runProgram("skopeo", ["inspect", "--raw", "--tls-verify=false", name], in: scratch.url)
        try #require(raw.status == 0, "\(raw.errorText)")
        return try json(raw.output)
    }

    private func layers(_ manifest: [String: Any]) throws -> [[String: Any]] {
        try #require(manifest["layers"] as? [[String: Any]])
    }

    /// The files of an image, as umoci unpacks it; it verifies the digests of what it unpacks.
    private func unpack(_ name: String) async throws -> [String] {
        let script = """
            set -e; rm -rf copy bundle
            skopeo copy -q \(name) oci:copy:x >&2
            umoci unpack --image copy:x bundle >&2
            cat bundle/rootfs/made bundle/rootfs/a.txt; ls -A bundle/rootfs bundle/rootfs/etc
            """
        let result = try await runProgram("sh", ["-c", script], in: scratch.url)
        try #require(result.status == 0, "\(result.errorText)")
        return result.text.split(separator: "\n").map(String.init)
    }

    @Test(
        .proves("image, registry"),
        arguments: [
            ("gzip,compression-level=9", "tar+gzip"), ("zstd,compression-level=19", "tar+zstd"),
            ("uncompressed", "tar"), ("estargz", "tar+gzip"),
        ]
    )
    func `layers are compressed as they are asked for, and are the same files`(
        compression: String,
        type: String
    ) async throws {
        _ = try await build("-o", "type=oci,dest=x.tar,compression=\(compression),force-compression=true")
        let manifest = try await inspect("oci-archive:x.tar")
        let layers = try layers(manifest)
        #expect(layers.count == 3)
        #expect(layers.allSatisfy { $0["mediaType"] as? String == "application/vnd.oci.image.layer.v1.\(type)" })
        let isEstargz = compression == "estargz"
        for layer in layers {
            let annotations = layer["annotations"] as? [String: String]
            #expect((annotations?["containerd.io/snapshot/stargz/toc.digest"] != nil) == isEstargz)
        }
        if compression.hasPrefix("zstd") {
            // umoci does not know it.
            let last = try #require(layers.last?["digest"] as? String).dropFirst("sha256:".count)
            let script = "tar -xOf x.tar blobs/sha256/\(last) | zstd -dc | tar -tf -"
            let listed = try await runProgram("sh", ["-c", script], in: scratch.url)
            #expect(listed.text == "dev/\netc/\netc/.wh.group\nmade\nproc/\nsys/\n")
        } else {
            let files = try await unpack("oci-archive:x.tar")
            #expect(files.prefix(2) == ["made", "A"])
            #expect(files.contains("passwd") && !files.contains("group"))
            #expect(!files.contains { $0.contains("stargz") || $0.contains("landmark") })
        }
        // Nothing of it depends on the clock, the store or how many threads there are.
        let again = path("y.tar")
        _ = try await build("-o", "type=oci,dest=\(again),compression=\(compression),force-compression=true")
        #expect(try await runProgram("cmp", ["x.tar", again], in: scratch.url).status == 0)
    }

    @Test(.proves("image, registry")) func `a base keeps its compression unless it is forced`() async throws {
        let registry = try await RegistryServer.start(in: FilePath(scratch.path))
        defer { registry.stop() }
        let base = "\(registry.host)/base:1"
        _ = try await build("-t", base, "-o", "type=registry")
        try scratch.write("FROM \(base)\nCOPY a.txt /b.txt\n", to: "context/Dockerfile")
        let types = { (manifest: [String: Any]) in
            try layers(manifest).map { ($0["mediaType"] as? String ?? "").split(separator: "+").last.map(String.init) }
        }
        let (slipway, store) = try Slipway.isolated()
        defer { withExtendedLifetime(store) {} }
        for (forced, expected) in [
            (false, ["gzip", "gzip", "gzip", "zstd"]), (true, ["zstd", "zstd", "zstd", "zstd"]),
        ] {
            let output = "type=oci,dest=x.tar,compression=zstd,force-compression=\(forced)"
            let built = try await slipway.run(["build", "-o", output, "context"], in: scratch.url)
            try #require(built.status == 0, "\(built.errorText)")
            #expect(try types(try await inspect("oci-archive:x.tar")) == expected)
        }
    }

    @Test(.proves("image, registry"))
    func `documents have Docker's media types and annotations where that is asked for`() async throws {
        let registry = try await RegistryServer.start(in: FilePath(scratch.path))
        defer { registry.stop() }
        let name = "\(registry.host)/docker:1"
        _ = try await build(
            "--push",
            "-t",
            name,
            "-o",
            "type=image,oci-mediatypes=false,annotation.a=b",
            "--metadata-file",
            "meta.json"
        )
        let manifest = try await inspect("docker://\(name)")
        #expect(manifest["mediaType"] as? String == "application/vnd.docker.distribution.manifest.v2+json")
        #expect(manifest["annotations"] as? [String: String] == ["a": "b"])
        let configuration = try #require(manifest["config"] as? [String: Any])
        #expect(configuration["mediaType"] as? String == "application/vnd.docker.container.image.v1+json")
        #expect(
            try layers(manifest).allSatisfy {
                $0["mediaType"] as? String == "application/vnd.docker.image.rootfs.diff.tar.gzip"
            }
        )
        // What is kept is what was pushed: pushed again, it is the same.
        let other = "\(registry.host)/docker:2"
        let slipway = try await Slipway.shared()
        try await slipway.succeed("tag", name, other)
        try await slipway.succeed("push", "-q", other)
        #expect(NSDictionary(dictionary: try await inspect("docker://\(other)")) == NSDictionary(dictionary: manifest))
        let metadata = try json(Array(try Data(contentsOf: URL(filePath: path("meta.json")))))
        #expect(metadata["containerimage.config.digest"] as? String == configuration["digest"] as? String)
    }

    @Test(.proves("--annotation", "containerimage.*, image.name"))
    func `annotations go to the documents and descriptors of all platforms or of one`() async throws {
        let registry = try await RegistryServer.start(in: FilePath(scratch.path))
        defer { registry.stop() }
        let name = "\(registry.host)/annotated:1"
        try scratch.write("FROM scratch\nCOPY a.txt /\n", to: "context/Dockerfile")
        _ = try await build(
            "--push",
            "--platform",
            "linux/amd64,linux/arm64",
            "-t",
            name,
            "--annotation",
            "index,index-descriptor:top=1",
            "--annotation",
            "manifest-descriptor[linux/arm64]:arm=2",
            "--annotation",
            "every=3",
            "--metadata-file",
            "meta.json"
        )
        let index = try await inspect("docker://\(name)")
        #expect(index["annotations"] as? [String: String] == ["top": "1"])
        let manifests = try #require(index["manifests"] as? [[String: Any]])
        #expect(manifests.map { $0["annotations"] as? [String: String] } == [nil, ["arm": "2"]])
        for manifest in manifests {
            let digest = try #require(manifest["digest"] as? String)
            let read = try await inspect("docker://\(registry.host)/annotated@\(digest)")
            #expect(read["annotations"] as? [String: String] == ["every": "3"])
        }
        let metadata = try json(Array(try Data(contentsOf: URL(filePath: path("meta.json")))))
        let descriptor = try #require(metadata["containerimage.descriptor"] as? [String: Any])
        #expect(descriptor["annotations"] as? [String: String] == ["top": "1"])
        #expect(metadata["containerimage.config.digest"] == nil)
        let slipway = try await Slipway.shared()
        let refused = try await slipway(
            "build",
            "--annotation",
            "index:a=b",
            "context",
            in: scratch.url
        )
        #expect(refused.errorText.contains("index annotations not supported for single platform export"))
    }

    @Test(.proves("image, registry"))
    func `a push may be by digest, of nothing that is kept, and to a registry without TLS`() async throws {
        let registry = try await RegistryServer.start(in: FilePath(scratch.path))
        defer { registry.stop() }
        let repository = "\(registry.host)/untagged"
        let output = "type=image,name=\(repository),push=true,push-by-digest=true,store=false,registry.insecure=true"
        let (slipway, store) = try Slipway.isolated()
        defer { withExtendedLifetime(store) {} }
        try scratch.write("FROM scratch\nCOPY a.txt /\n", to: "context/Dockerfile")
        let line = ["build", "-o", output, "--metadata-file", path("meta.json"), "context"]
        let built = try await slipway.run(line, in: scratch.url)
        try #require(built.status == 0, "\(built.errorText)")
        let metadata = try json(Array(try Data(contentsOf: URL(filePath: path("meta.json")))))
        let digest = try #require(metadata["containerimage.digest"] as? String)
        _ = try await inspect("docker://\(repository)@\(digest)")
        let tags = try await runProgram("skopeo", ["list-tags", "--tls-verify=false", "docker://\(repository)"])
        #expect(!tags.text.contains("latest"))
        #expect(try await slipway.succeed("images", "-aq") == "")
        let tagged = try await slipway(
            "build",
            "-t",
            "\(repository):1",
            "-o",
            "type=image,push=true,push-by-digest=true",
            "context",
            in: scratch.url
        )
        #expect(tagged.errorText.contains("can't push tagged ref \(repository):1 by digest"))
    }

    @Test(.proves("image, registry")) func `an image can have names by digest`() async throws {
        let slipway = try await Slipway.shared()
        _ = try await build(
            "-o",
            "type=image,name=canonical:1,name-canonical=true,dangling-name-prefix=dangling",
            "--metadata-file",
            "meta.json"
        )
        let metadata = try json(Array(try Data(contentsOf: URL(filePath: path("meta.json")))))
        let digest = try #require(metadata["containerimage.digest"] as? String)
        let id = try await slipway.succeed("image", "inspect", "--format", "{{.Id}}", "canonical:1")
        for name in ["canonical@\(digest)", "dangling@\(digest)"] {
            #expect(try await slipway.succeed("image", "inspect", "--format", "{{.Id}}", name) == id)
        }
    }

    @Test(.proves("oci, docker"))
    func `a layout is a directory that other programs read, and that another build adds to`() async throws {
        _ = try await build("-t", "one:1", "-o", "type=oci,tar=false,dest=layout")
        _ = try await build("-t", "two:2", "-o", "type=docker,tar=false,dest=layout,compression=zstd")
        let files = try await unpack("oci:layout:1")
        #expect(files.prefix(2) == ["made", "A"])
        #expect(try layers(try await inspect("oci:layout:2")).count == 3)
        #expect(
            try FileManager.default.contentsOfDirectory(atPath: scratch.path).allSatisfy { !$0.contains("partial") }
        )
        try scratch.write("", to: "file")
        let refused = try await Slipway.shared()(
            "build",
            "-o",
            "type=oci,tar=false,dest=file",
            "context",
            in: scratch.url
        )
        #expect(refused.errorText.contains("destination directory file is a file"))
    }

    @Test(.proves("oci, docker")) func `an archive of docker's kind has docker's list, one of OCI's does not`()
        async throws
    {
        _ = try await build("-t", "listed:1", "-o", "type=docker,dest=docker.tar", "-o", "type=oci,dest=oci.tar")
        let docker = try await runProgram("tar", ["-xOf", "docker.tar", "manifest.json"], in: scratch.url)
        #expect(docker.text.contains("\"RepoTags\":[\"listed:1\"]"))
        let names = try await runProgram("tar", ["-tf", "oci.tar"], in: scratch.url)
        #expect(!names.text.contains("manifest.json") && names.text.contains("oci-layout"))
        let (slipway, store) = try Slipway.isolated()
        defer { withExtendedLifetime(store) {} }
        let loaded = try await slipway.succeed("load", "-i", path("docker.tar"))
        #expect(loaded == "Loaded image: listed:1\n")
    }
}
