import Archive
import Images
import LinuxSystem
import OCI
import Snapshots
import Storage
import SystemPackage
import Testing

@Suite struct `Saving and loading` {
    @Test func `what was saved is loaded elsewhere as the same image with its names`() async throws {
        try await withArchiver { archiver, scratch in
            let id = try await archiver.importSample("app:1", in: scratch)
            try await archiver.images.tag("app:1", as: "registry.example/app:2")
            let bytes = try await archiver.saved(["app:1", "registry.example/app:2"], in: scratch)
            try await withArchiver { other, scratch in
                let loaded = try await other.load(bytes: bytes, in: scratch)
                #expect(loaded.flatMap(\.lines) == ["Loaded image: app:1", "Loaded image: registry.example/app:2"])
                #expect(try await other.images.image("app:1").id == id)
                #expect(try await other.saved(["app:1", "registry.example/app:2"], in: scratch) == bytes)
                #expect(try await other.images.store.check(full: true).problems.isEmpty)
            }
        }
    }

    @Test(arguments: [Compression.gzip, .zstd])
    func `a compressed archive is loaded as well`(_ compression: Compression) async throws {
        try await withArchiver { archiver, scratch in
            let id = try await archiver.importSample("app", in: scratch)
            let bytes = try await archiver.saved(["app"], in: scratch)
            let compressed = try await onBlockingPool {
                let sink = MemorySink()
                let encoder = try compressing(into: sink, compression, threads: 1)
                try encoder.write(bytes)
                try encoder.finish()
                return sink.bytes
            }
            _ = try await archiver.images.remove("app")
            #expect(try await archiver.load(bytes: compressed, in: scratch).map(\.id) == [id])
        }
    }

    @Test func `several images share what they have in common, and a repository stands for its tags`() async throws {
        try await withArchiver { archiver, scratch in
            try await archiver.importSample("app:1", in: scratch)
            try await archiver.importSample("app:2", content: "other", in: scratch)
            try await archiver.importSample("unrelated", content: "x", in: scratch)
            let bytes = try await archiver.saved(["app"], in: scratch)
            try await withArchiver { other, scratch in
                let lines = try await other.load(bytes: bytes, in: scratch).flatMap(\.lines)
                #expect(lines == ["Loaded image: app:1", "Loaded image: app:2"])
            }
        }
    }

    @Test func `an image saved by id has no name where it is loaded`() async throws {
        try await withArchiver { archiver, scratch in
            let id = try await archiver.importSample("app", in: scratch)
            let bytes = try await archiver.saved([id.short], in: scratch)
            try await withArchiver { other, scratch in
                let lines = try await other.load(bytes: bytes, in: scratch).flatMap(\.lines)
                #expect(lines == ["Loaded image ID: \(id)"])
                #expect(try await other.images.image(id.hex).isDangling)
            }
        }
    }

    @Test func `loading over a name tells which image lost it`() async throws {
        try await withArchiver { archiver, scratch in
            let old = try await archiver.importSample("app", in: scratch)
            let bytes = try await archiver.saved(["app"], in: scratch)
            let new = try await archiver.importSample("app", content: "new", in: scratch)
            let lines = try await archiver.load(bytes: bytes, in: scratch).flatMap(\.lines)
            #expect(
                lines == [
                    "The image app:latest already exists, renaming the old one with ID \(new) to empty string",
                    "Loaded image: app:latest",
                ]
            )
            #expect(try await archiver.images.image("app").id == old)
        }
    }

    @Test func `saving what is not there writes no file`() async throws {
        try await withArchiver { archiver, scratch in
            let path = scratch.appending("out.tar")
            await #expect(throws: ImageError.noSuchImage("nope:latest")) { try await archiver.save(["nope"], to: path) }
            let entries = try await onBlockingPool { try HostFiles.entries(of: scratch) }
            #expect(entries.isEmpty)
        }
    }

    @Test func `layers with bzip2, links to layers and legacy documents are understood`() async throws {
        try await withArchiver { archiver, scratch in
            let layer = try await makeArchive([.text("a", "a")])
            let gzip = try await makeArchive([.text("a", "a")], compression: .gzip)
            let diffID = Digest.sha256(of: layer)
            var configuration = ImageConfiguration(platform: .current)
            configuration.rootFileSystem.diffIDs = [diffID, diffID]
            let bytes = try await makeArchive([
                .directory("one"), .text("one/VERSION", "1.0"), .file("one/layer.tar", gzip),
                .link("two/layer.tar", to: "../one/layer.tar"),
                .file("c.json", try StrictJSON.encode(configuration)),
                .text("repositories", "{}"),
                .text(
                    "manifest.json",
                    #"[{"Config":"c.json","RepoTags":null,"Layers":["one/layer.tar","two/layer.tar"]}]"#
                ),
            ])
            let loaded = try await archiver.load(bytes: bytes, in: scratch)
            #expect(try await archiver.images.image(try #require(loaded.first).id.hex).layers.count == 2)
        }
    }
}

@Suite struct `Importing` {
    @Test func `a file system becomes an image of one layer`() async throws {
        try await withArchiver { archiver, scratch in
            let archive = try await makeArchive([.text("a", "a")], compression: .gzip)
            var defaults = ContainerDefaults()
            defaults.command = ["sh"]
            let id = try await archiver.importFileSystem(
                try await archiver.file(archive, in: scratch),
                name: try ImageReference(parsing: "base"),
                defaults: defaults,
                message: "from a tar",
                created: FileTime(seconds: 1_700_000_000)
            )
            let image = try await archiver.images.image("base")
            #expect(image.id == id)
            #expect(image.configuration.created == "2023-11-14T22:13:20Z")
            #expect(image.configuration.history?.first?.comment == "from a tar")
            #expect(image.configuration.config?.command == ["sh"])
            let plain = Digest.sha256(of: try await makeArchive([.text("a", "a")]))
            #expect(image.configuration.rootFileSystem.diffIDs == [plain])
        }
    }

    @Test(arguments: ["not an archive, but text that is long enough to fill a header block of a tar archive", "{}"])
    func `anything but an archive is refused and leaves nothing`(_ text: String) async throws {
        try await withArchiver { archiver, scratch in
            let file = try await archiver.file(Array(String(repeating: text, count: 30).utf8), in: scratch)
            await #expect(throws: ArchiveError.self) {
                try await archiver.importFileSystem(file, name: nil, created: .epoch)
            }
            #expect(try await archiver.images.store.diskUsage().blobCount == 0)
        }
    }
}
