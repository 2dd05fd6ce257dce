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

    @Test(.proves("docker build of Docker 20.10"), arguments: ["-cf", "-czf"])
    func `docker builds an archive on its standard input`(packing: String) async throws {
        let daemon = try await DockerDaemon.start()
        let dockerfile = "FROM busybox\nCOPY . /files\nRUN ls /files > /list\nCMD cat /list /files/kept.txt\n"
        let context = try Self.context(dockerfile, daemon.scratch)
        // Nothing is left out of an archive, by BuildKit neither. More than what connections hold of a body that nothing reads.
        let filling = [UInt8]((0..<(1 << 20)).map { _ in .random(in: 0...255) })
        try Data(filling).write(to: URL(filePath: context + "/filling"))
        let archive = try await runProgram("tar", ["-C", context, packing, "-", "."]).output
        let built = try await daemon.docker("build", "-t", "sent", "-", input: archive)
        try #require(built.status == 0, "\(built.errorText)")
        let run = try await daemon.slipway.succeed("run", "--rm", "--network", "none", "sent")
        #expect(run == "Dockerfile\nfilling\nignored.txt\nkept.txt\nkept")
        let refused = try await daemon.docker("build", "-f", "other", "-", input: archive)
        #expect(refused.status == 1)
        #expect(refused.errorText.contains("other: no such file or directory"))
    }

    @Test(.proves("docker build of Docker 20.10"))
    func `docker builds a Dockerfile on its standard input`() async throws {
        let daemon = try await DockerDaemon.start()
        let dockerfile = "FROM busybox\nRUN echo typed > /typed\nCMD cat /typed\n"
        let built = try await daemon.docker("build", "-t", "typed", "-", input: Array(dockerfile.utf8))
        try #require(built.status == 0, "\(built.errorText)")
        #expect(try await daemon.slipway.succeed("run", "--rm", "--network", "none", "typed") == "typed\n")
    }

    @Test(.proves("Docker's REST API"), .requires(.program("curl")))
    func `a request to build may have the context as its body, without a session`() async throws {
        let daemon = try await DockerDaemon.start()
        let context = try Self.context("FROM busybox\nCOPY . /files\nCMD ls /files\n", daemon.scratch)
        let archive = daemon.scratch.path + "/context.tar"
        _ = try await runProgram("tar", ["-C", context, "-cf", archive, "."])
        let answer = try await daemon.ask("/build?version=2&t=posted", body: archive)
        #expect(answer.contains("moby.image.id"), "\(answer)")
        let run = try await daemon.slipway.succeed("run", "--rm", "--network", "none", "posted")
        #expect(run == "Dockerfile\nignored.txt\nkept.txt\n")
    }

    @Test(.proves("Docker's REST API"), .requires(.program("curl")))
    func `a context that no build waits for, and a build whose context is not sent, are told so`() async throws {
        let daemon = try await DockerDaemon.start()
        try daemon.scratch.write("not wanted", to: "file")
        let file = daemon.scratch.path + "/file"
        let unwanted = try await daemon.ask("/build?version=2&buildid=upload-request%3Ab1", body: file)
        #expect(unwanted == #"{"message":"no build b1 waits for this context"}"# + "\n")
        let alone = try await daemon.ask("/build?version=2&buildid=b2&remote=upload-request", body: file)
        #expect(alone.contains("the context that the build waits for was not sent"))
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
