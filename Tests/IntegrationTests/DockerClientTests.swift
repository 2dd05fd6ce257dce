import Foundation
import Proofs
import Testing

/// Debian's docker client, which is not of this project, at a daemon with a store of its own.
@Suite(.requires(.root, .program("/usr/bin/docker"), .program("busybox")))
struct DockerClientTests {
    /// A directory to build.
    private static func context(_ dockerfile: String, _ scratch: TemporaryDirectory) throws -> String {
        try scratch.write(dockerfile, to: "context/Dockerfile")
        try scratch.write("ignored.txt\n", to: "context/.dockerignore")
        try scratch.write("kept", to: "context/kept.txt")
        try scratch.write("ignored", to: "context/ignored.txt")
        return scratch.path + "/context"
    }

    @Test(.proves("docker build of Docker 20.10"))
    func `docker builds an image that slipway lists and runs`() async throws {
        let daemon = try await DockerDaemon.start()
        let context = try Self.context(
            """
            FROM busybox AS base
            ARG WHO=nobody
            COPY . /files
            RUN echo "hello $WHO" > /hello && ls /files > /list
            FROM base AS wanted
            CMD ["cat", "/hello", "/list"]
            FROM base
            RUN false
            """,
            daemon.scratch
        )
        let id = daemon.scratch.path + "/id"
        let built = try await daemon.docker(
            "build",
            "-t",
            "built:1",
            "-t",
            "built:2",
            "--build-arg",
            "WHO=docker",
            "--target",
            "wanted",
            "--no-cache",
            "--iidfile",
            id,
            context
        )
        try #require(built.status == 0, "\(built.errorText)")
        #expect(built.errorText.contains("naming to docker.io/library/built:2"))
        let listed = try await daemon.slipway.succeed("images", "--no-trunc", "--format", "{{.Tag}} {{.ID}}", "built")
        let told = try String(contentsOfFile: id, encoding: .utf8)
        #expect(Set(listed.split(separator: "\n")) == ["1 \(told)", "2 \(told)"])
        let run = try await daemon.slipway.succeed("run", "--rm", "--network", "none", "built:1")
        #expect(run == "hello docker\nDockerfile\nkept.txt\n")
    }

    @Test(.proves("docker build of Docker 20.10"))
    func `a step that fails fails docker's build with its words`() async throws {
        let daemon = try await DockerDaemon.start()
        let context = try Self.context("FROM busybox\nRUN echo before; exit 3\n", daemon.scratch)
        let built = try await daemon.docker("build", context)
        #expect(built.status == 1)
        #expect(built.errorText.contains("before"))
        #expect(built.errorText.contains("did not complete successfully: exit code: 3"))
        let quiet = try await daemon.docker("build", "-q", context)
        #expect(quiet.status == 1)
        #expect(quiet.text.isEmpty)
    }

    @Test(.proves("docker build of Docker 20.10"))
    func `docker's quiet build prints the id of the image alone`() async throws {
        let daemon = try await DockerDaemon.start()
        let context = try Self.context("FROM busybox\nRUN echo a > /a\n", daemon.scratch)
        let built = try await daemon.docker("build", "-q", context)
        try #require(built.status == 0, "\(built.errorText)")
        let id = built.text.trimmingCharacters(in: .newlines)
        #expect(try await daemon.slipway("image", "inspect", id).status == 0)
    }

    @Test(.proves("docker version and docker info"))
    func `docker is told what the daemon and its machine are`() async throws {
        let daemon = try await DockerDaemon.start()
        let version = try await daemon.docker("version", "--format", "{{.Server.Os}} {{.Server.APIVersion}}")
        #expect(version.text == "linux 1.56\n")
        let info = try await daemon.docker("info", "--format", "{{.NCPU}} {{.Images}} {{.KernelVersion}}")
        let kernel = try await runProgram("uname", ["-r"]).text
        let processors = try await runProgram("getconf", ["_NPROCESSORS_ONLN"]).text.trimmingCharacters(in: .newlines)
        #expect(info.text == "\(processors) 1 \(kernel)")
    }
}
