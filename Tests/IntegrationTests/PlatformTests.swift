import Foundation
import Proofs
import SystemPackage
import Testing

/// Builds for several platforms at once.
///
/// Nothing runs for another processor here: files are copied, or made on this machine.
@Suite(
    .requires(.root, .program("crun"), .program("docker-registry"), .program("skopeo"), .program("buildah"))
)
struct `Builds for several platforms` {
    private let scratch: TemporaryDirectory

    init() throws { scratch = try TemporaryDirectory() }

    private static let both = "linux/amd64,linux/arm64"

    private func context(_ dockerfile: String) throws {
        try scratch.write(dockerfile, to: "context/Dockerfile")
        try scratch.write("A\n", to: "context/a.txt")
    }

    private func json(_ bytes: [UInt8]) throws -> [String: Any] {
        try #require(try JSONSerialization.jsonObject(with: Data(bytes)) as? [String: Any])
    }

    private func json(file name: String) throws -> [String: Any] {
        try json(Array(try Data(contentsOf: scratch.url.appending(path: name))))
    }

    /// `os/architecture[/variant]` of each manifest of an index.
    private func platforms(_ index: [String: Any]) throws -> [String] {
        try #require(index["manifests"] as? [[String: Any]]).map { manifest in
            let platform = try #require(manifest["platform"] as? [String: String])
            return [platform["os"], platform["architecture"], platform["variant"]].compactMap(\.self)
                .joined(separator: "/")
        }
    }

    private func build(_ slipway: Slipway, _ arguments: String...) async throws -> ProgramResult {
        let result = try await slipway.run(["build", "--progress", "plain"] + arguments + ["context"], in: scratch.url)
        try #require(result.status == 0, "\(result.errorText)")
        return result
    }

    /// A base image for amd64 and arm64 that another builder made, each with a file of its own.
    private func pushForeignBase(to name: String) async throws {
        try scratch.write("FROM scratch\nARG TARGETARCH\nCOPY base /base-$TARGETARCH\n", to: "base/Dockerfile")
        try scratch.write("base\n", to: "base/base")
        let store = [
            "--root", scratch.url.appending(path: "buildah").path, "--runroot",
            scratch.url.appending(path: "buildah-run").path, "--storage-driver", "vfs",
        ]
        let commands = [
            ["build", "--platform", Self.both, "--manifest", "base", "-q", scratch.url.appending(path: "base").path],
            ["manifest", "push", "--all", "--tls-verify=false", "base", "docker://\(name)"],
        ]
        for command in commands {
            let result = try await runProgram("buildah", store + command)
            try #require(result.status == 0, "\(result.errorText)")
        }
    }

    @Test(.proves("--platform"))
    func `each platform has its own arguments and base, and the registry gets their index`() async throws {
        let registry = try await RegistryServer.start(in: FilePath(scratch.path))
        defer { registry.stop() }
        let base = "\(registry.host)/base:1"
        try await pushForeignBase(to: base)
        try context(
            """
            FROM --platform=$BUILDPLATFORM busybox AS tools
            ARG TARGETARCH
            RUN echo "for $TARGETARCH" > /made
            FROM \(base)
            ARG TARGETPLATFORM
            LABEL for=$TARGETPLATFORM
            COPY --from=tools /made /made
            """
        )
        let (slipway, directory) = try Slipway.isolated()
        defer { withExtendedLifetime(directory) {} }
        let busybox = scratch.url.appending(path: "busybox.tar").path
        try await Slipway.shared().succeed("save", "-o", busybox, "busybox:latest")
        try await slipway.succeed("load", "-i", busybox)
        let name = "\(registry.host)/team/app:1"
        let built = try await build(
            slipway,
            "--platform",
            Self.both,
            "-t",
            name,
            "--push",
            "--iidfile",
            "id",
            "--metadata-file",
            "meta.json"
        )
        for platform in ["linux/amd64", "linux/arm64"] {
            #expect(
                built.errorText.contains("[\(platform) internal] load metadata for \(base)"),
                "\(built.errorText)"
            )
            #expect(built.errorText.contains("[\(platform) stage-1 2/2] COPY --from=tools /made /made"))
        }
        let raw = try await runProgram("skopeo", ["inspect", "--raw", "--tls-verify=false", "docker://\(name)"])
        let index = try json(raw.output)
        #expect(index["mediaType"] as? String == "application/vnd.oci.image.index.v1+json")
        #expect(try platforms(index) == ["linux/amd64", "linux/arm64"])
        let metadata = try json(file: "meta.json")
        let digest = try await runProgram("sha256sum", [], input: raw.output).text.prefix(64)
        #expect(metadata["containerimage.digest"] as? String == "sha256:\(digest)")
        #expect(metadata["containerimage.config.digest"] == nil)
        let descriptor = try #require(metadata["containerimage.descriptor"] as? [String: Any])
        #expect(descriptor["mediaType"] as? String == "application/vnd.oci.image.index.v1+json")
        for architecture in ["amd64", "arm64"] {
            let inspected = try await runProgram(
                "skopeo",
                ["--override-arch", architecture, "inspect", "--tls-verify=false", "docker://\(name)"]
            )
            let image = try json(inspected.output)
            #expect(image["Architecture"] as? String == architecture)
            #expect((image["Labels"] as? [String: String])?["for"] == "linux/\(architecture)")
            // Unpacked by another tool: the base's own file, and what was made for this platform.
            let layout = "oci:\(scratch.url.appending(path: architecture).path):x"
            let copied = try await runProgram(
                "skopeo",
                [
                    "copy", "-q", "--override-arch", architecture, "--src-tls-verify=false", "docker://\(name)", layout,
                ]
            )
            #expect(copied.status == 0, "\(copied.errorText)")
        }
        let id = try String(contentsOf: scratch.url.appending(path: "id"), encoding: .utf8)
        #expect(try await slipway.succeed("images", "-q", "--no-trunc", name) == "\(id)\n")

        // One platform of it elsewhere, as before.
        let (other, otherDirectory) = try Slipway.isolated()
        defer { withExtendedLifetime(otherDirectory) {} }
        try await other.succeed("pull", "--platform", "linux/arm64", name)
        #expect(
            try await other.succeed("image", "inspect", "--format", "{{.Os}}/{{.Architecture}}", name)
                == "linux/arm64\n"
        )
    }

    @Test(.proves("--platform")) func `a stage for this machine runs once for all platforms`() async throws {
        try context(
            """
            FROM --platform=$BUILDPLATFORM busybox AS tools
            RUN cat /proc/sys/kernel/random/uuid > /once
            FROM scratch
            COPY --from=tools /once /
            """
        )
        let slipway = try await Slipway.shared()
        let built = try await build(slipway, "--platform", Self.both, "--no-cache", "-o", "out")
        let steps = built.errorText.split(separator: "\n").filter { $0.contains("] RUN cat") }
        #expect(steps.count == 1, "\(built.errorText)")
        let files = try ["linux_amd64", "linux_arm64"].map {
            try String(contentsOf: scratch.url.appending(path: "out/\($0)/once"), encoding: .utf8)
        }
        #expect(files[0] == files[1])
    }

    @Test func `the local store keeps one image, of which commands choose a platform`() async throws {
        try context("FROM scratch\nARG TARGETARCH\nCOPY a.txt /$TARGETARCH\nENV ARCH=$TARGETARCH\n")
        let (slipway, directory) = try Slipway.isolated()
        defer { withExtendedLifetime(directory) {} }
        _ = try await build(slipway, "--platform", "linux/amd64", "--platform", "linux/arm64,linux/arm/v7", "-t", "m:1")
        let listed = try await slipway.succeed("images", "--format", "{{.Repository}}:{{.Tag}}")
        #expect(listed == "m:1\n")
        for (platform, architecture) in [("linux/amd64", "amd64"), ("arm64", "arm64"), ("linux/arm", "arm")] {
            let format = "{{.Architecture}} {{index .Config.Env 1}}"
            let seen = try await slipway.succeed("image", "inspect", "--platform", platform, "--format", format, "m:1")
            #expect(seen == "\(architecture) ARCH=\(architecture)\n")
            let history = try await slipway.succeed("history", "--platform", platform, "--no-trunc", "m:1")
            #expect(history.contains("ENV ARCH=\(architecture)"))
        }
        let missing = try await slipway("image", "inspect", "--platform", "linux/s390x", "m:1")
        #expect(missing.status == 1)
        #expect(missing.errorText.contains("does not provide the specified platform (linux/s390x)"))
        // The same build again is the same image.
        let first = try await slipway.succeed("images", "-q", "--no-trunc", "m:1")
        _ = try await build(slipway, "--platform", "linux/amd64,linux/arm64,linux/arm/v7", "-t", "m:2")
        #expect(try await slipway.succeed("images", "-q", "--no-trunc", "m:2") == first)
        // It moves whole.
        let archive = scratch.url.appending(path: "m.tar").path
        try await slipway.succeed("save", "-o", archive, "m:1")
        let (other, otherDirectory) = try Slipway.isolated()
        defer { withExtendedLifetime(otherDirectory) {} }
        #expect(try await other.succeed("load", "-i", archive) == "Loaded image: m:1\n")
        #expect(try await other.succeed("images", "-q", "--no-trunc", "m:1") == first)
        #expect(try await slipway.succeed("rmi", "m:1", "m:2").contains("Deleted: \(first)"))
        #expect(try await slipway.succeed("images", "-aq").isEmpty)
    }

    @Test(.proves("local (exporter)")) func `an index of the store is the base of builds for its platforms`()
        async throws
    {
        try context("FROM scratch\nARG TARGETARCH\nCOPY a.txt /base-$TARGETARCH\n")
        let (slipway, directory) = try Slipway.isolated()
        defer { withExtendedLifetime(directory) {} }
        _ = try await build(slipway, "--platform", Self.both, "-t", "base:1")
        try context("FROM base:1\nCOPY a.txt /own\n")
        _ = try await build(slipway, "--platform", Self.both, "-o", "out")
        for architecture in ["amd64", "arm64"] {
            let path = scratch.url.appending(path: "out/linux_\(architecture)").path
            #expect(
                try FileManager.default.contentsOfDirectory(atPath: path).sorted() == ["base-\(architecture)", "own"]
            )
        }
        // Without a directory for each, they may not have a file in common.
        let options = ["build", "--platform", Self.both, "-o", "type=local,dest=mixed,platform-split=false", "context"]
        let refused = try await slipway.run(options, in: scratch.url)
        #expect(refused.status == 1)
        #expect(
            refused.errorText.contains(
                "cannot overwrite own from linux/amd64 with linux/arm64 when split option is disabled"
            )
        )
        // One platform alone gets no directory of its own.
        _ = try await build(slipway, "--platform", "linux/arm64", "-o", "one")
        let path = scratch.url.appending(path: "one").path
        #expect(try FileManager.default.contentsOfDirectory(atPath: path).sorted() == ["base-arm64", "own"])
    }

    @Test(.proves("tar")) func `archives hold the index or a directory for each platform, docker's kind refuses`()
        async throws
    {
        try context("FROM scratch\nARG TARGETARCH\nCOPY a.txt /$TARGETARCH\n")
        let slipway = try await Slipway.shared()
        _ = try await build(slipway, "--platform", Self.both, "-t", "x:1", "-o", "type=oci,dest=x.tar")
        let archive = scratch.url.appending(path: "x.tar").path
        let raw = try await runProgram("skopeo", ["inspect", "--raw", "oci-archive:\(archive)"])
        try #require(raw.status == 0, "\(raw.errorText)")
        #expect(try platforms(try json(raw.output)) == ["linux/amd64", "linux/arm64"])
        let top = try json(try await runProgram("tar", ["-xOf", archive, "index.json"]).output)
        let entry = try #require((top["manifests"] as? [[String: Any]])?.first)
        #expect(entry["mediaType"] as? String == "application/vnd.oci.image.index.v1+json")
        let annotations = try #require(entry["annotations"] as? [String: String])
        #expect(annotations["io.containerd.image.name"] == "docker.io/library/x:1")
        #expect(annotations["org.opencontainers.image.ref.name"] == "1")

        _ = try await build(slipway, "--platform", Self.both, "-o", "type=tar,dest=files.tar")
        let names = try await runProgram("tar", ["-tf", scratch.url.appending(path: "files.tar").path]).text
        #expect(names == "linux_amd64/\nlinux_amd64/amd64\nlinux_arm64/\nlinux_arm64/arm64\n")

        let refused = try await slipway(
            "build",
            "--platform",
            Self.both,
            "-o",
            "type=docker,dest=d.tar",
            "context",
            in: scratch.url
        )
        #expect(refused.status == 1)
        #expect(refused.errorText.contains("docker exporter does not currently support exporting manifest lists"))
    }

    /// The beginning of a program for a processor (see elf(5)) that no distribution registers an emulator for.
    private func writeForeignProgram(to name: String) throws {
        var program: [UInt8] =
            [0x7f, 0x45, 0x4c, 0x46, 2, 1, 1] + [UInt8](repeating: 0, count: 9) + [2, 0, 0x02, 0x01, 1]
        program += [UInt8](repeating: 0, count: 128 - program.count)
        try Data(program).write(to: scratch.url.appending(path: name))
    }

    @Test func `a step for a processor that nothing here emulates names it, its line and what to do`() async throws {
        try context("FROM scratch\nCOPY --chmod=755 sh /bin/sh\n\nRUN make\n")
        try writeForeignProgram(to: "context/sh")
        let slipway = try await Slipway.shared()
        let failed = try await slipway(
            "build",
            "--platform",
            "linux/loong64",
            "--build-arg",
            "BUILDKIT_MULTI_PLATFORM=1",
            "context",
            in: scratch.url
        )
        #expect(failed.status == 1)
        for part in [
            "[linux/loong64 2/2] RUN make", "Dockerfile:4", "cannot run programs for linux/loong64 on this machine (",
            "qemu-user-static", "FROM --platform=$BUILDPLATFORM",
        ] { #expect(failed.errorText.contains(part), "\(failed.errorText)") }
        // Files can be copied for it.
        try context("FROM scratch\nCOPY --chmod=755 sh /bin/sh\n")
        try writeForeignProgram(to: "context/sh")
        _ = try await build(slipway, "--platform", "linux/loong64", "-t", "foreign-\(getpid()):1")
        let run = try await slipway("run", "--rm", "foreign-\(getpid()):1", "/bin/sh")
        #expect(run.status == 126 || run.status == 255, "\(run.status)")
        #expect(run.errorText.contains("does not match the detected host platform"), "\(run.errorText)")
        try await slipway.succeed("rmi", "foreign-\(getpid()):1")
    }

    @Test(.proves("Platform of a base image"))
    func `a base image that exists for another platform only is used, with a warning`() async throws {
        let registry = try await RegistryServer.start(in: FilePath(scratch.path))
        defer { registry.stop() }
        try context("FROM scratch\nCOPY a.txt /base\n")
        let (slipway, directory) = try Slipway.isolated()
        defer { withExtendedLifetime(directory) {} }
        let name = "\(registry.host)/riscv:1"
        _ = try await build(slipway, "--platform", "linux/riscv64", "-t", name, "--push")
        try context("FROM \(name)\nCOPY a.txt /own\n")
        let format = "{{.Os}}/{{.Architecture}}"
        // Nobody asks for a platform: the image is for that of its base.
        let implicit = try await build(slipway, "-t", "own:1")
        #expect(implicit.errorText.contains("InvalidBaseImagePlatform: Base image \(name) was pulled with platform"))
        #expect(try await slipway.succeed("image", "inspect", "--format", format, "own:1") == "linux/riscv64\n")
        // Somebody does: as BuildKit has it, the image is for that one, with the files of the only base there is.
        let (other, otherDirectory) = try Slipway.isolated()
        defer { withExtendedLifetime(otherDirectory) {} }
        let given = try await build(other, "--platform", Self.both, "-t", "own:2")
        #expect(
            given.errorText.contains(
                "Base image \(name) was pulled with platform \"linux/riscv64\", expected \"linux/arm64\" for current build"
            )
        )
        for platform in ["linux/amd64", "linux/arm64"] {
            let seen = try await other.succeed("image", "inspect", "--platform", platform, "--format", format, "own:2")
            #expect(seen == "\(platform)\n")
        }
    }

    @Test func `a local base for another platform is used where none is asked for, and named otherwise`() async throws {
        let registry = try await RegistryServer.start(in: FilePath(scratch.path))
        defer { registry.stop() }
        try context("FROM scratch\nCOPY a.txt /base\n")
        let (slipway, directory) = try Slipway.isolated()
        defer { withExtendedLifetime(directory) {} }
        let name = "\(registry.host)/local:1"
        _ = try await build(slipway, "--platform", "linux/riscv64", "-t", name)
        try context("FROM \(name)\nCOPY a.txt /own\n")
        let implicit = try await build(slipway, "-t", "own:1")
        #expect(implicit.errorText.contains("InvalidBaseImagePlatform"))
        let failed = try await slipway("build", "--platform", "linux/arm64", "context", in: scratch.url)
        #expect(failed.status == 1)
        #expect(
            failed.errorText.contains("the local image \(name) is for linux/riscv64, not for linux/arm64"),
            "\(failed.errorText)"
        )
    }

    @Test(.proves("BUILDKIT_MULTI_PLATFORM")) func `one platform can be an index, too`() async throws {
        try context("FROM scratch\nCOPY a.txt /\n")
        let slipway = try await Slipway.shared()
        _ = try await build(
            slipway,
            "--build-arg",
            "BUILDKIT_MULTI_PLATFORM=1",
            "--platform",
            "linux/arm/v7",
            "-o",
            "type=oci,dest=one.tar"
        )
        let archive = scratch.url.appending(path: "one.tar").path
        let raw = try await runProgram("skopeo", ["inspect", "--raw", "oci-archive:\(archive)"])
        #expect(try platforms(try json(raw.output)) == ["linux/arm/v7"])
    }
}
