import Archive
import Exporters
import Foundation
import Glibc
import LinuxSystem
import OCI
import Proofs
import SystemPackage
import Testing
import Text

/// An image of one layer, and where its blob is.
private struct Sample {
    let scratch: FilePath
    let layer: Descriptor
    let configuration: ImageDocuments.Document
    let manifest: ImageDocuments.Document

    init(_ content: String = "layer") throws {
        let url = FileManager.default.temporaryDirectory.appending(path: "slipway-layout-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
        scratch = FilePath(url.path)
        let bytes = Array(content.utf8)
        layer = Descriptor(mediaType: .dockerLayerGzip, digest: .sha256(of: bytes), size: Int64(bytes.count))
        try HostFiles.write(bytes, to: scratch.appending(layer.digest.hex))
        let documents = ImageDocuments(annotations: [], docker: false)
        configuration = documents.configuration("{\"\(content)\":1}")
        manifest = try documents.manifest(
            configuration,
            layers: [layer],
            platform: Platform(os: "linux", architecture: "amd64")
        )
    }

    func layout(_ names: String...) throws -> ExportedLayout {
        ExportedLayout(
            top: manifest.descriptor,
            documents: [configuration, manifest],
            layers: [layer],
            names: try names.map { try ImageReference(parsing: $0) }
        )
    }

    func open(_ digest: Digest) throws -> OpenFile { try OpenFile.open(scratch.appending(digest.hex), .readOnly) }

    func names(in directory: FilePath) throws -> [String] {
        try HostFiles.entries(of: directory).map { String(decoding: $0, as: UTF8.self) }
    }

    func index(_ directory: FilePath) throws -> Index {
        let bytes = try #require(try contentsIfPresent(of: directory.appending("index.json"), limit: 1 << 20))
        return try Index(parsing: bytes, declaredAs: .ociIndex)
    }
}

@Suite struct `Layouts of images` {
    @Test func `documents have the media types that are asked for`() throws {
        let layers = [
            Descriptor(mediaType: .ociLayer, digest: .sha256(of: [1]), size: 1, annotations: ["a": "b"]),
            Descriptor(mediaType: .dockerLayerGzip, digest: .sha256(of: [2]), size: 1),
            Descriptor(mediaType: .ociLayerZstd, digest: .sha256(of: [3]), size: 1),
        ]
        let platform = Platform(os: "linux", architecture: "amd64")
        let docker = ImageDocuments(annotations: [], docker: true)
        let dockerManifest = try docker.manifest(docker.configuration([]), layers: layers, platform: platform)
        let parsed = try Manifest(parsing: dockerManifest.bytes, declaredAs: .dockerManifest)
        #expect(parsed.config.mediaType == .dockerConfiguration)
        #expect(parsed.layers.map(\.mediaType) == [.dockerLayer, .dockerLayerGzip, .dockerLayerZstd])
        #expect(parsed.layers.allSatisfy { $0.annotations == nil })
        #expect(try docker.index([dockerManifest]).descriptor.mediaType == .dockerList)

        let oci = ImageDocuments(
            annotations: [
                ImageAnnotation(.manifest, key: "m", value: "1"), ImageAnnotation(.index, key: "i", value: "2"),
                ImageAnnotation(.manifestDescriptor, key: "md", value: "3"),
                ImageAnnotation(.indexDescriptor, key: "id", value: "4"),
            ],
            docker: false
        )
        let manifest = try oci.manifest(oci.configuration([]), layers: layers, platform: platform)
        let read = try Manifest(parsing: manifest.bytes, declaredAs: .ociManifest)
        #expect(read.layers.map(\.mediaType) == [.ociLayer, .ociLayerGzip, .ociLayerZstd])
        #expect(read.layers[0].annotations == ["a": "b"])
        #expect(read.annotations == ["m": "1"])
        let index = try oci.index([manifest])
        let entries = try Index(parsing: index.bytes, declaredAs: .ociIndex)
        #expect(entries.annotations == ["i": "2"])
        #expect(entries.manifests == [manifest.descriptor])
        #expect(manifest.descriptor.annotations == ["md": "3"])
        #expect(manifest.descriptor.platform == platform)
        #expect(index.descriptor.annotations == ["id": "4"])
    }

    @Test(.proves("oci, docker")) func `an archive holds sorted members, whose names stand in the index`() throws {
        let sample = try Sample()
        defer { try? removeTree(sample.scratch) }
        let sink = MemorySink()
        try sample.layout("x:1", "host.example/y").write(to: sink, open: sample.open) { false }
        let reader = TarReader(MemorySource(sink.bytes))
        var members: [(name: String, bytes: [UInt8])] = []
        while let entry = try reader.next() {
            members.append((String(decoding: entry.path, as: UTF8.self), try reader.readContent(limit: 1 << 20)))
        }
        #expect(members.map(\.name) == members.map(\.name).sorted())
        #expect(members.contains { $0.name == "blobs/sha256/\(sample.layer.digest.hex)" })
        #expect(!members.contains { $0.name == "manifest.json" })
        let bytes = try #require(members.first { $0.name == "index.json" }?.bytes)
        let entries = try Index(parsing: bytes, declaredAs: .ociIndex).manifests
        #expect(
            entries.map { $0.annotations?["io.containerd.image.name"] }
                == ["docker.io/library/x:1", "host.example/y:latest"]
        )
        #expect(entries.map { $0.annotations?["org.opencontainers.image.ref.name"] } == ["1", "latest"])
    }

    @Test func `a blob that is not what its digest says is refused`() throws {
        let sample = try Sample()
        defer { try? removeTree(sample.scratch) }
        try HostFiles.write("other", to: sample.scratch.appending(sample.layer.digest.hex))
        #expect(throws: ExportError.damagedBlob(sample.layer.digest)) {
            try sample.layout().write(to: MemorySink(), open: sample.open) { false }
        }
        let target = sample.scratch.appending("layout")
        #expect(throws: ExportError.self) {
            try sample.layout().write(toDirectory: target, open: sample.open) { false }
        }
        // Nothing of it is there.
        #expect(try sample.names(in: sample.scratch) == [sample.layer.digest.hex])
    }

    @Test(.proves("oci, docker")) func `a directory is made whole, and updated where it is there`() throws {
        let (first, second) = (try Sample("one"), try Sample("two"))
        defer { for scratch in [first.scratch, second.scratch] { try? removeTree(scratch) } }
        let target = first.scratch.appending("deep").appending("layout")
        try first.layout().write(toDirectory: target, open: first.open) { false }
        #expect(try first.names(in: target) == ["blobs", "index.json", "oci-layout"])
        #expect(
            try first.index(target).manifests.map(\.annotations) == [["org.opencontainers.image.ref.name": "latest"]]
        )
        try first.layout("x:1", "y").write(toDirectory: target, open: first.open) { false }
        try second.layout("x:1").write(toDirectory: target, open: second.open) { false }
        let entries = try first.index(target).manifests
        let names = entries.map { $0.annotations?["io.containerd.image.name"] }
        #expect(names == [nil, "docker.io/library/y:latest", "docker.io/library/x:1"])
        #expect(entries.last?.digest == second.manifest.descriptor.digest)
        #expect(try first.names(in: target.appending("blobs").appending("sha256")).count == 6)
        // A name of its own for the lock and for what is being written, and then none.
        #expect(try first.names(in: target) == ["blobs", "index.json", "oci-layout"])
        #expect(try first.names(in: target.removingLastComponent()) == ["layout"])
    }

    @Test func `a file, a foreign index and another writer are refused`() throws {
        let sample = try Sample()
        defer { try? removeTree(sample.scratch) }
        let file = sample.scratch.appending("file")
        try HostFiles.write([], to: file)
        #expect(throws: ExportError.layoutIsFile(file)) {
            try sample.layout().write(toDirectory: file, open: sample.open) { false }
        }
        let target = sample.scratch.appending("layout")
        try HostFiles.createDirectory(target)
        try HostFiles.write("{}", to: target.appending("index.json"))
        #expect(throws: ExportError.self) {
            try sample.layout().write(toDirectory: target, open: sample.open) { false }
        }
        let lock = target.appending("index.json.lock")
        let held = try #require(try OpenFile.openLocked(lock))
        #expect(throws: ExportError.layoutIsLocked(lock)) {
            try sample.layout().write(toDirectory: target, open: sample.open) { false }
        }
        withExtendedLifetime(held) {}
    }
}
