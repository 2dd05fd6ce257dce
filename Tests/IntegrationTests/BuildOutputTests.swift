import Foundation
import Proofs
import SystemPackage
import Testing
import Text

/// What `build` does with its result, and where it takes arguments from besides its own flags.
@Suite(.requires(.root, .program("crun"), .program("docker-registry"), .program("skopeo")))
struct `Build results` {
    private let scratch: TemporaryDirectory

    init() throws {
        scratch = try TemporaryDirectory()
        try scratch.write("FROM scratch\nCOPY a.txt /\n", to: "context/Dockerfile")
        try scratch.write("A\n", to: "context/a.txt")
    }

    private func metadata(_ name: String) throws -> [String: Any] {
        let data = try Data(contentsOf: scratch.url.appending(path: name))
        return try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
    }

    @Test(
        .proves(
            "--load, --push",
            "--metadata-file",
            "containerimage.*, image.name",
            "buildx.build.ref, buildx.build.warnings"
        )
    ) func `a pushed image is described by its manifest in the registry`() async throws {
        let registry = try await RegistryServer.start(in: FilePath(scratch.path))
        defer { registry.stop() }
        let name = "\(registry.host)/team/pushed:1"
        let slipway = try await Slipway.shared()
        let built = try await slipway(
            "build",
            "--push",
            "-t",
            name,
            "--metadata-file",
            "meta.json",
            "--iidfile",
            "id",
            "context",
            in: scratch.url
        )
        try #require(built.status == 0, "\(built.errorText)")
        let inspected = try await runProgram(
            "skopeo",
            ["inspect", "--tls-verify=false", "--format", "{{.Digest}}", "docker://\(name)"]
        )
        try #require(inspected.status == 0, "\(inspected.errorText)")
        let digest = inspected.text.trimmingCharacters(in: .newlines)
        let metadata = try metadata("meta.json")
        #expect(metadata["containerimage.digest"] as? String == digest)
        #expect(metadata["image.name"] as? String == name)
        let id = try String(contentsOf: scratch.url.appending(path: "id"), encoding: .utf8)
        #expect(metadata["containerimage.config.digest"] as? String == id)
        let descriptor = try #require(metadata["containerimage.descriptor"] as? [String: Any])
        #expect(descriptor["digest"] as? String == digest)
        #expect(descriptor["mediaType"] as? String == "application/vnd.oci.image.manifest.v1+json")
        let raw = try await runProgram("skopeo", ["inspect", "--raw", "--tls-verify=false", "docker://\(name)"])
        #expect(descriptor["size"] as? Int == raw.output.count)
        let reference = try #require(metadata["buildx.build.ref"] as? String)
        let explained = try await slipway("explain", String(reference.split(separator: "/").last ?? ""))
        #expect(explained.status == 0, "\(explained.errorText)")
    }

    @Test(.proves("--load, --push")) func `a push without a name is refused before anything is written`() async throws {
        let built = try await Slipway.shared()("build", "--push", "context", in: scratch.url)
        #expect(built.status == 1)
        #expect(
            built.errorText.contains(
                "ERROR: failed to build: tag is needed when pushing to registry; name the image with -t"
            )
        )
    }

    @Test(.proves("--metadata-file", "containerimage.*, image.name"))
    func `an image that stays here is described by its id`() async throws {
        let slipway = try await Slipway.shared()
        let built = try await slipway(
            "build",
            "-q",
            "--load",
            "-t",
            "described",
            "--metadata-file",
            "meta.json",
            "context",
            in: scratch.url
        )
        try #require(built.status == 0, "\(built.errorText)")
        let metadata = try metadata("meta.json")
        let id = built.text.trimmingCharacters(in: .newlines)
        #expect(metadata["containerimage.digest"] as? String == id)
        #expect(metadata["containerimage.config.digest"] as? String == id)
        #expect(metadata["containerimage.descriptor"] == nil)
        #expect(metadata["image.name"] as? String == "docker.io/library/described:latest")
    }

    @Test(.proves("-o, --output", "Several at once")) func `several outputs come of one build`() async throws {
        let slipway = try await Slipway.shared()
        let built = try await slipway(
            "build",
            "-t",
            "several:1",
            "-o",
            "files",
            "-o",
            "type=tar,dest=files.tar",
            "-o",
            "type=oci,dest=oci.tar",
            "-o",
            "type=image",
            "context",
            in: scratch.url
        )
        try #require(built.status == 0, "\(built.errorText)")
        #expect(try String(contentsOf: scratch.url.appending(path: "files/a.txt"), encoding: .utf8) == "A\n")
        let listed = try await runProgram("tar", ["-tf", "files.tar"], in: scratch.url)
        #expect(listed.text == "a.txt\n")
        let inspected = try await runProgram("skopeo", ["inspect", "oci-archive:oci.tar"], in: scratch.url)
        #expect(inspected.status == 0, "\(inspected.errorText)")
        try await slipway.succeed("build", "-o", "type=image,name=several:2", "context", in: scratch.url)
        for name in ["several:1", "several:2"] { try await slipway.succeed("image", "inspect", name) }
        let twice = try await slipway("build", "-o", "-", "-o", "type=oci,dest=-", "context", in: scratch.url)
        #expect(twice.status == 1)
        #expect(twice.errorText.contains("multiple outputs configured to write to stdout"))
    }

    @Test(.proves("Dockerfile elsewhere, from standard input, in lower case", "-f, --file"))
    func `the Dockerfile may be elsewhere, come from standard input, or be in lower case`() async throws {
        let slipway = try await Slipway.shared()
        try scratch.write("FROM scratch\nCOPY a.txt /outside\n", to: "other/My.file")
        let outside = try await slipway("build", "-o", "out1", "-f", "other/My.file", "context", in: scratch.url)
        #expect(outside.status == 0, "\(outside.errorText)")
        let typed = try await slipway(
            "build",
            "-o",
            "out2",
            "-f",
            "-",
            "context",
            in: scratch.url,
            input: "FROM scratch\nCOPY a.txt /typed\n"
        )
        #expect(typed.status == 0, "\(typed.errorText)")
        try scratch.write("FROM scratch\nCOPY a.txt /lower\n", to: "small/dockerfile")
        try scratch.write("B\n", to: "small/a.txt")
        let lower = try await slipway("build", "-o", "out3", "small", in: scratch.url)
        #expect(lower.status == 0, "\(lower.errorText)")
        for file in ["out1/outside", "out2/typed", "out3/lower"] {
            #expect(FileManager.default.fileExists(atPath: scratch.url.appending(path: file).path), "\(file)")
        }
    }

    @Test(.proves("--build-arg NAME takes the environment's value", "--build-arg"))
    func `arguments come from the flag, the environment and docker's configuration`() async throws {
        try scratch.write(
            """
            FROM busybox
            ARG GIVEN
            ARG TAKEN
            ARG ABSENT=default
            RUN echo "$GIVEN $TAKEN $ABSENT $HTTP_PROXY $https_proxy" > /seen
            FROM scratch
            COPY --from=0 /seen /
            """,
            to: "arguments/Dockerfile"
        )
        try scratch.write(
            """
            {"proxies": {"default": {"httpProxy": "http://proxy.example:3128", "httpsProxy": "http://unused.example"}}}
            """,
            to: "config/config.json"
        )
        let built = try await Slipway.shared()(
            "--config",
            "config",
            "build",
            "--progress=plain",
            "--no-cache",
            "-o",
            "out",
            "--build-arg",
            "GIVEN=g",
            "--build-arg",
            "TAKEN",
            "--build-arg",
            "ABSENT",
            "--build-arg",
            "https_proxy=http://mine.example",
            "--build-arg",
            "MISSPELT=1",
            "arguments",
            in: scratch.url,
            environment: ["TAKEN": "t"]
        )
        try #require(built.status == 0, "\(built.errorText)")
        let seen = try String(contentsOf: scratch.url.appending(path: "out/seen"), encoding: .utf8)
        #expect(seen == "g t default http://proxy.example:3128 http://mine.example\n")
        #expect(built.errorText.contains("One or more build-args [MISSPELT] were not consumed"))
    }

    @Test(.proves("Hidden flags of older builders"))
    func `flags of older builders are taken, with a warning where they did something`() async throws {
        let built = try await Slipway.shared()(
            "build",
            "--compress",
            "--rm",
            "--force-rm=false",
            "--squash",
            "--isolation",
            "default",
            "--memory",
            "1g",
            "--builder",
            "remote",
            "--provenance=false",
            "--sbom=false",
            "--attest",
            "type=sbom,disabled=true",
            "-o",
            "type=cacheonly",
            "context",
            in: scratch.url,
            environment: ["BUILDX_NO_DEFAULT_ATTESTATIONS": "1", "BUILDKIT_PROGRESS": "plain", "NO_COLOR": "1"]
        )
        #expect(built.status == 0, "\(built.errorText)")
        let warnings = built.errorText.split(separator: "\n").filter { $0.hasPrefix("WARNING: ") }
        #expect(
            warnings == [
                "WARNING: compress flag is ignored.",
                "WARNING: experimental flag squash is removed with BuildKit. You should squash inside build using a multi-stage Dockerfile for efficiency.",
                "WARNING: isolation flag is deprecated with BuildKit.",
                "WARNING: the builder \"remote\" is ignored: Slipway builds in its own process.",
            ]
        )
        let wrong = try await Slipway.shared()(
            "build",
            "context",
            in: scratch.url,
            environment: ["BUILDKIT_PROGRESS": "fancy"]
        )
        #expect(wrong.status == 1)
        #expect(wrong.errorText.contains("BUILDKIT_PROGRESS: invalid progress mode fancy"))
    }
}
