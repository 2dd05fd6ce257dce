import Foundation
import Testing

/// The image of packaging/image, built as docs/scale.md says and run as the drivers of buildx run it.
@Suite(
    .requires(.root, .program("crun"), .program("conmon"), .program("netavark"), .program("ldd"), .baseImage("slipway"))
)
struct `The image of Slipway` {
    private static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()

    /// The directories of Swift's libraries, which a debug build finds where the compiler is.
    private static func libraryDirectories() async throws -> Set<String> {
        let needed = try await runProgram("ldd", [try Slipway.binary])
        let paths = needed.text.split(separator: "\n").filter { $0.contains("/swift/") }
            .compactMap { $0.split(separator: " ").first { $0.hasPrefix("/") } }
        return Set(paths.map { URL(filePath: String($0)).deletingLastPathComponent().path })
    }

    @Test func `builds in a container and answers what the drivers of buildx ask of it`() async throws {
        let slipway = try await Slipway.shared(with: "slipway", as: "localhost/slipway-runtime")
        let program = try TemporaryDirectory()
        try FileManager.default.copyItem(
            at: URL(filePath: try Slipway.binary),
            to: program.url.appending(path: "slipway")
        )
        try await slipway.succeed(
            "build",
            "-f",
            "packaging/image/Dockerfile",
            "--build-context",
            "program=\(program.url.path)",
            "--build-context",
            "runtime=docker-image://localhost/slipway-runtime",
            "-t",
            "slipway-image",
            ".",
            in: Self.root
        )

        let name = "builder-\(getpid())"
        let libraries = try await Self.libraryDirectories().flatMap { ["-v", "\($0):\($0):ro"] }
        let started = try await slipway.run(
            ["run", "-d", "--privileged", "--name", name, "-v", "\(name):/var/lib/buildkit"] + libraries
                + ["slipway-image", "--allow-insecure-entitlement=network.host"]
        )
        try #require(started.status == 0, "\(started.errorText)")
        var answer = try await slipway("exec", name, "buildctl", "debug", "workers")
        for _ in 0..<200 where answer.status != 0 {
            try await Task.sleep(for: .milliseconds(100))
            answer = try await slipway("exec", name, "buildctl", "debug", "workers")
        }
        #expect(answer.status == 0, "\(answer.errorText)")
        let version = try await slipway.succeed("exec", name, "buildkitd", "--version")
        #expect(version.hasPrefix("buildkitd github.com/moby/buildkit v"))

        let ping = "GET /_ping HTTP/1.1\r\nHost: builder\r\nConnection: close\r\n\r\n"
        let dialled = try await slipway("exec", "-i", name, "buildctl", "dial-stdio", input: Array(ping.utf8))
        #expect(dialled.text.hasPrefix("HTTP/1.1 200 OK\r\n") && dialled.text.hasSuffix("\r\n\r\nOK"))

        let script = """
            mkdir /work && cd /work && cp /usr/bin/tini-static .
            printf 'FROM scratch AS run\\nCOPY tini-static /\\nRUN ["/tini-static", "--version"]\\nFROM scratch\\nCOPY --from=run /tini-static /made\\n' > Dockerfile
            slipway --host unix:///run/buildkit/buildkitd.sock build --progress plain -o type=local,dest=out . && cmp out/made tini-static
            """
        let built = try await slipway("exec", name, "sh", "-ec", script)
        #expect(built.status == 0 && built.errorText.contains("tini version"), "\(built.errorText)")

        let other = try await slipway("exec", name, "buildctl", "du")
        #expect(other.status == 1 && other.errorText.contains("this image has dial-stdio and debug workers alone"))
        try await slipway.succeed("rm", "-f", name)
        try await slipway.succeed("volume", "rm", name)
    }
}
