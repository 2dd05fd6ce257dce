import Attestations
import OCI
import Testing
import Text

/// How attestations name images: the names that BuildKit's own tests expect.
@Suite struct `Package addresses` {
    private static let digest = "sha256:9b2a28eb47540823042a2ba401386845089bb7b62a9637d55816132c4c3c36eb"

    @Test(arguments: [
        ("alpine", "pkg:docker/alpine@latest"),
        ("alpine:3.15", "pkg:docker/alpine@3.15"),
        ("docker.io/library/alpine:latest", "pkg:docker/alpine@latest"),
        ("alpine:latest@" + digest, "pkg:docker/alpine@latest?digest=" + digest),
        ("alpine@" + digest, "pkg:docker/alpine?digest=" + digest),
        ("user/test:v2", "pkg:docker/user/test@v2"),
        ("ghcr.io/foo/bar:v2", "pkg:docker/ghcr.io/foo/bar@v2"),
        ("ghcr.io/foo/bar", "pkg:docker/ghcr.io/foo/bar@latest"),
        ("localhost:5000/foo/bar", "pkg:docker/localhost%3A5000/foo/bar@latest"),
    ])
    func `have the familiar name, the tag and the digest`(name: String, expected: String) throws {
        #expect("\(PackageAddress(try ImageReference(parsing: name)))" == expected)
    }

    @Test func `have the platform last, with its slashes escaped`() throws {
        let image = try ImageReference(parsing: "busybox@" + Self.digest)
        let address = PackageAddress(image, platform: Platform(os: "linux", architecture: "arm", variant: "v6"))
        #expect("\(address)" == "pkg:docker/busybox?digest=\(Self.digest)&platform=linux%2Farm%2Fv6")
    }

    @Test func `of images in layout directories are of another kind`() throws {
        let address = PackageAddress(try ImageReference(parsing: "foo:1"), kind: .oci)
        #expect("\(address)" == "pkg:oci/foo@1")
    }
}
