import Attestations
import OCI
import Testing
import Text

/// What results were made of.
@Suite struct `What results were made of` {
    private let amd64 = Platform(os: "linux", architecture: "amd64")
    private let arm64 = Platform(os: "linux", architecture: "arm64")
    private let digest = Digest.sha256(of: "content")

    private func image(_ name: String, _ platform: Platform? = nil) throws -> Materials.Image {
        Materials.Image(try ImageReference(parsing: name), platform: platform, digest: digest)
    }

    @Test func `have an image once for each platform`() throws {
        var materials = Materials()
        for platform in [amd64, arm64, amd64] { materials.add(try image("busybox:1", platform)) }
        #expect(materials.images.map(\.platform) == [amd64, arm64])
    }

    @Test func `leave out an image by digest where the name that led to it is there`() throws {
        var materials = Materials()
        materials.add(try image("busybox:latest@\(digest)", amd64))
        materials.add(try image("busybox:latest", amd64))
        materials.add(try image("alpine@\(digest)", amd64))
        #expect(
            materials.sorted.images.map { "\($0.reference)" } == [
                "docker.io/library/alpine@\(digest)", "docker.io/library/busybox:latest",
            ]
        )
    }

    @Test func `have addresses without credentials, each once`() {
        var materials = Materials()
        materials.addDownload(digest, at: "https://user:pass@host.example/file")
        materials.addDownload(digest, at: "https://other:word@host.example/file")
        materials.addCommit("0123", at: "https://token@host.example/a.git#main")
        #expect(materials.downloads.map(\.address) == ["https://xxxxx:xxxxx@host.example/file"])
        #expect(materials.commits.map(\.address) == ["https://xxxxx@host.example/a.git#main"])
    }

    @Test func `need a secret where any step needs it`() {
        var materials = Materials()
        materials.addSecret("token", isOptional: true)
        #expect(materials.secrets.first?.isOptional == true)
        materials.addSecret("token", isOptional: false)
        materials.addSecret("token", isOptional: true)
        #expect(materials.secrets.map(\.isOptional) == [false])
    }

    @Test func `are complete without directories of the client, and hermetic without a network`() {
        var materials = Materials()
        #expect(materials.areComplete && materials.areHermetic)
        materials.usesNetwork = true
        #expect(materials.areComplete && !materials.areHermetic)
        materials.addDirectory("context")
        #expect(!materials.areComplete)
    }

    @Test func `of one platform lack images that every platform has its own of`() throws {
        let all = [
            try image("busybox:1", amd64), try image("busybox:1", arm64), try image("golang:1", amd64),
        ]
        let own = all.only(for: arm64, of: [amd64, arm64])
        #expect(own == [all[1], all[2]])
    }
}
