import Images
import LinuxSystem
import OCI
import Storage
import SystemPackage
import Testing

private let amd64 = Platform(os: "linux", architecture: "amd64")
private let arm64 = Platform(os: "linux", architecture: "arm64")
private let arm = Platform(os: "linux", architecture: "arm", variant: "v7")

extension ImageArchiver {
    /// Makes an image of one file for each platform, and one index of them all.
    fileprivate func addIndex(
        _ names: String...,
        platforms: [Platform] = [amd64, arm64],
        content: String = "",
        in scratch: FilePath
    ) async throws -> ImageIndex {
        var parts: [(image: NewImage, platform: Platform)] = []
        for platform in platforms {
            let archive = try await makeArchive([.text("platform", "\(platform)\(content)")])
            let id = try await importFileSystem(
                try await file(archive, in: scratch),
                name: nil,
                platform: platform,
                created: FileTime(seconds: 1_700_000_000)
            )
            let record = try await images.image(id.description)
            let bytes = try await images.store.blobs.read(id)
            parts.append((NewImage(configuration: bytes, layers: record.layers), platform))
        }
        let references = try names.map { try ImageReference(parsing: $0) }
        let layers = BlobLayers(store: images.store)
        let lease = try await images.store.lastingLease
        return try await images.add(try await layers.index(of: parts, names: references, in: lease))
    }
}

@Suite struct `An image of several platforms` {
    @Test func `is one image in lists, and a name and a platform lead to one of its images`() async throws {
        try await withArchiver { archiver, scratch in
            let index = try await archiver.addIndex("app:1", in: scratch)
            let listed = try await archiver.images.list()
            #expect(listed.map(\.id) == [index.id])
            #expect(listed.first?.platforms == [amd64, arm64])
            #expect(listed.first?.names.map(\.familiar) == ["app:1"])
            for (position, platform) in [amd64, arm64].enumerated() {
                let image = try await archiver.images.image("app:1", platform: platform)
                #expect(image.configuration.platform == platform)
                #expect(image.id == index.members[position].image && image.listedID == index.id)
                #expect(image.names.map(\.familiar) == ["app:1"])
                #expect(try await archiver.images.history("app:1", platform: platform).first?.id == "\(image.id)")
            }
            let usual = try await archiver.images.image("app:1")
            #expect(usual.configuration.platform == (Platform.current == arm64 ? arm64 : amd64))
            #expect(try await archiver.images.inspect("app:1").id == "\(index.id)")
            #expect(try await archiver.images.inspect(index.id.short, platform: arm64).architecture == "arm64")
            await #expect(
                throws: ImageError.noSuchPlatform("app:1", available: [amd64, arm64], wanted: arm)
            ) { try await archiver.images.image("app:1", platform: arm) }
        }
    }

    @Test func `lists the sizes of all its platforms, and shares nothing with itself`() async throws {
        try await withArchiver { archiver, scratch in
            let index = try await archiver.addIndex("app", in: scratch)
            let sizes = try await [amd64, arm64].asyncMap { try await archiver.images.image("app", platform: $0).size }
            let listed = try #require(try await archiver.images.list().first { $0.id == index.id })
            #expect(listed.size == sizes.reduce(0, +) && listed.sharedSize == 0)
        }
    }

    @Test func `goes as a whole, with its documents, and its members not before it`() async throws {
        try await withArchiver { archiver, scratch in
            let images = archiver.images
            let index = try await archiver.addIndex("app", in: scratch)
            let member = index.members[1]
            await #expect(throws: ImageError.self) { try await images.remove(member.image.hex, force: true) }
            #expect(try await images.image(id: member.image) != nil)
            // What is kept for the index stays when nothing else needs it.
            _ = try await images.store.collectGarbage(thoroughly: true)
            #expect(try await images.store.check(full: true).problems.isEmpty)
            #expect(try await images.store.blobs.contains(member.manifest.digest))
            let removals = try await images.remove("app")
            #expect(removals.first == .untagged("app:latest") && removals.contains(.deleted(index.id)))
            #expect(removals.contains(.deleted(member.image)))
            #expect(try await images.image(id: member.image) == nil)
            for digest in [index.id, member.image, member.manifest.digest] {
                let isKept = try await images.store.blobs.contains(digest)
                #expect(!isKept)
            }
        }
    }

    @Test func `leaves what another index or a name needs`() async throws {
        try await withArchiver { archiver, scratch in
            let images = archiver.images
            let both = try await archiver.addIndex("both", in: scratch)
            let three = try await archiver.addIndex("three", platforms: [amd64, arm64, arm], in: scratch)
            #expect(both.members.map(\.image) == three.members.prefix(2).map(\.image))
            try await images.tag(three.members[2].image.hex, as: "own")
            _ = try await images.remove("three")
            #expect(try await images.list().flatMap(\.names).map(\.familiar).sorted() == ["both:latest", "own:latest"])
            #expect(try await images.image("both", platform: arm64).id == both.members[1].image)
        }
    }

    @Test func `that lost its name dangles and is pruned`() async throws {
        try await withArchiver { archiver, scratch in
            let old = try await archiver.addIndex("app", content: "old", in: scratch)
            let new = try await archiver.addIndex("app", in: scratch)
            #expect(Set(try await archiver.images.list().filter(\.isDangling).map(\.id)) == [old.id])
            _ = try await archiver.images.prune()
            #expect(try await archiver.images.list().map(\.id) == [new.id])
        }
    }

    @Test func `that a container uses is not removed`() async throws {
        try await withArchiver { archiver, scratch in
            let index = try await archiver.addIndex("app", in: scratch)
            try await archiver.images.addContainer("0123456789abcdef", of: index.members[0].image, isRunning: true)
            #expect(try await archiver.images.list().first?.containers == 1)
            await #expect(throws: ImageError.self) { try await archiver.images.remove("app") }
            await #expect(throws: ImageError.self) { try await archiver.images.remove(index.id.hex, force: true) }
        }
    }
}

@Suite struct `Saving and loading images of several platforms` {
    @Test func `what was saved is loaded elsewhere as the same image with all its platforms`() async throws {
        try await withArchiver { archiver, scratch in
            let index = try await archiver.addIndex("app:1", in: scratch)
            let bytes = try await archiver.saved(["app:1"], in: scratch)
            try await withArchiver { other, scratch in
                let loaded = try await other.load(bytes: bytes, in: scratch)
                #expect(loaded.flatMap(\.lines) == ["Loaded image: app:1"])
                #expect(try await other.images.index("app:1") == index)
                #expect(try await other.saved(["app:1"], in: scratch) == bytes)
            }
        }
    }

    @Test func `without a name it is loaded by its id`() async throws {
        try await withArchiver { archiver, scratch in
            let index = try await archiver.addIndex("app:1", in: scratch)
            let bytes = try await archiver.saved([index.id.short], in: scratch)
            try await withArchiver { other, scratch in
                let loaded = try await other.load(bytes: bytes, in: scratch)
                #expect(loaded.flatMap(\.lines) == ["Loaded image ID: \(index.id)"])
                #expect(try await other.images.index(index.id.hex)?.members.count == 2)
            }
        }
    }

    @Test func `a platform that was asked for is saved and loaded by itself`() async throws {
        try await withArchiver { archiver, scratch in
            let index = try await archiver.addIndex("app", platforms: [amd64, arm64, arm], in: scratch)
            let path = scratch.appending("one.tar")
            try await archiver.save(["app"], to: path, platforms: [arm64])
            let one = try await onBlockingPool { try OpenFile.open(path, .readOnly).readToEnd() }
            let all = try await archiver.saved(["app"], in: scratch)
            try await archiver.save(["app"], to: path, platforms: [arm64, arm])
            let two = try await onBlockingPool { try OpenFile.open(path, .readOnly).readToEnd() }
            try await withArchiver { other, scratch in
                #expect(try await other.load(bytes: one, in: scratch).map(\.id) == [index.members[1].image])
                #expect(try await other.images.index("app") == nil)
                let loaded = try await other.load(bytes: all, in: scratch, platforms: [arm])
                #expect(loaded.map(\.id) == [index.members[2].image])
                _ = try await other.load(bytes: two, in: scratch)
                #expect(try await other.images.index("app")?.members.map(\.platform) == [arm64, arm])
            }
            await #expect(throws: ImageError.self) {
                try await archiver.save(["app"], to: path, platforms: [Platform(os: "linux", architecture: "s390x")])
            }
        }
    }

    @Test func `readers of docker's archives find this machine's image in it`() async throws {
        try await withArchiver { archiver, scratch in
            _ = try await archiver.addIndex("app", platforms: [arm, .current, arm64], in: scratch)
            let current = try await archiver.images.image("app", platform: .current)
            let bytes = try await archiver.saved(["app"], in: scratch)
            let item = "[{\"Config\":\"blobs/sha256/\(current.id.hex)\""
            #expect(String(decoding: bytes, as: UTF8.self).contains(item))
        }
    }

    @Test func `an archive that holds some of an index's images gives those`() async throws {
        try await withArchiver { archiver, scratch in
            let index = try await archiver.addIndex("app", in: scratch)
            let member = index.members[1]
            let image = try await archiver.images.image("app", platform: arm64)
            let layer = try #require(image.configuration.rootFileSystem.diffIDs.first)
            let blobs = archiver.images.store.blobs
            let document = try await blobs.read(index.id)
            let plain = try await makeArchive([.text("platform", "\(arm64)")])
            #expect(Digest.sha256(of: plain) == layer)
            let top = Descriptor(mediaType: .ociIndex, digest: index.id, size: Int64(document.count))
            let archive = try await makeArchive([
                .file("index.json", try StrictJSON.encode(Index(mediaType: .ociIndex, manifests: [top]))),
                .file("blobs/sha256/\(index.id.hex)", document),
                .file("blobs/sha256/\(member.manifest.digest.hex)", try await blobs.read(member.manifest.digest)),
                .file("blobs/sha256/\(member.image.hex)", try await blobs.read(member.image)),
                .file("blobs/sha256/\(layer.hex)", plain),
            ])
            try await withArchiver { other, scratch in
                let loaded = try await other.load(bytes: archive, in: scratch)
                #expect(loaded.map(\.id) == [member.image])
            }
        }
    }
}

extension Sequence {
    fileprivate func asyncMap<T>(_ transform: (Element) async throws -> T) async rethrows -> [T] {
        var result: [T] = []
        for element in self { result.append(try await transform(element)) }
        return result
    }
}
