import Foundation
import Testing
import Text

/// The directories of `examples/` besides the tutorial's, built and run as their READMEs say.
@Suite(.requires(.root, .program("crun"), .program("conmon"), .program("netavark"), .program("curl")))
struct `Examples` {
    private static let directory = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().appending(path: "examples")
    private let scratch: TemporaryDirectory

    init() throws { scratch = try TemporaryDirectory() }

    /// A copy of an example, for tests that change it.
    private func copy(_ name: String) throws -> URL {
        let copy = scratch.url.appending(path: name)
        try FileManager.default.copyItem(at: Self.directory.appending(path: name), to: copy)
        return copy
    }

    @Test func `each have a page and a test`() throws {
        let source = try String(contentsOf: URL(filePath: #filePath), encoding: .utf8)
        for name in try FileManager.default.contentsOfDirectory(atPath: Self.directory.path) {
            let page = Self.directory.appending(path: "\(name)/README.md").path
            #expect(FileManager.default.fileExists(atPath: page), "\(name) has no README.md")
            #expect(name == "python-web-app" || source.contains("\"\(name)\""), "\(name) has no test")
        }
    }

    @Test(.requires(.baseImage("gcc"))) func `a C program is compiled, tested and shipped alone`() async throws {
        let slipway = try await Slipway.shared(with: "gcc", as: "gcc:12")
        let context = try copy("multi-stage-c")
        let tested = try await slipway("build", "--progress=plain", "--target", "test", ".", in: context)
        try #require(tested.status == 0, "\(tested.errorText)")
        #expect(tested.errorText.contains("all checks passed"))

        // The program was compiled a moment ago.
        let built = try await slipway("build", "--progress=plain", "-t", "wordcount", ".", in: context)
        try #require(built.status == 0, "\(built.errorText)")
        #expect(
            built.errorText.split(separator: "\n").filter { $0.hasSuffix(" CACHED") }.count >= 3,
            "\(built.errorText)"
        )
        let counted = try await slipway("run", "--rm", "-i", "wordcount", input: "one two\nthree\n")
        #expect(counted.text == "2 lines, 3 words, 14 bytes\n")
        let size = try await slipway.succeed("image", "inspect", "--format", "{{.Size}}", "wordcount")
        #expect(try #require(Int(size.trimmingCharacters(in: .newlines))) < 1_000_000)
    }

    @Test(.requires(.baseImage("node"))) func `a Node server answers and shuts down cleanly`() async throws {
        let slipway = try await Slipway.shared(with: "node", as: "node:18-slim")
        try await slipway.succeed("build", "-t", "node-web-app", ".", in: try copy("node-web-app"))
        let name = "example-\(getpid())"
        try await slipway.succeed("run", "-d", "--name", name, "-p", "127.0.0.1::8080", "node-web-app")
        let address = try await slipway.succeed("port", name, "8080").trimmingCharacters(in: .newlines)
        let answer = try await runProgram(
            "curl",
            [
                "-sS", "--max-time", "20", "--retry", "50", "--retry-delay", "0", "--retry-all-errors",
                "http://\(address)/hello",
            ]
        )
        #expect(answer.text == "{\"path\":\"/hello\",\"visits\":1,\"user\":1000}\n", "\(answer.errorText)")
        try await slipway.succeed("stop", name)
        #expect(try await slipway.succeed("logs", name) == "served 1 requests\n")
        try await slipway.succeed("rm", name)
    }

    @Test(.requires(.baseImage("python"))) func `a site is rendered once for two platforms, with a secret`()
        async throws
    {
        let slipway = try await Slipway.shared()
        let context = try copy("static-site")
        try Data("a key of my own\n".utf8).write(to: scratch.url.appending(path: "signing.key"))
        let secret = "id=signing_key,src=../signing.key"

        let refused = try await slipway("build", ".", in: context)
        #expect(refused.status != 0 && refused.errorText.contains("signing_key"), "\(refused.errorText)")

        let files = try await slipway(
            "build",
            "--progress=plain",
            "--secret",
            secret,
            "-o",
            "type=local,dest=../public",
            ".",
            in: context
        )
        try #require(files.status == 0, "\(files.errorText)")
        let page = try String(contentsOf: scratch.url.appending(path: "public/index.html"), encoding: .utf8)
        #expect(page.contains("<h1>Welcome</h1>"))
        let signature = try String(contentsOf: scratch.url.appending(path: "public/pages.sig"), encoding: .utf8)
        let expected = try await runProgram(
            "openssl",
            ["dgst", "-sha256", "-hmac", "a key of my own\n", scratch.url.appending(path: "public/pages.txt").path]
        )
        #expect(expected.text.split(separator: " ").last.map(String.init) == signature, "\(expected.text)")

        let both = try await slipway(
            "build",
            "--progress=plain",
            "--secret",
            secret,
            "--platform",
            "linux/amd64,linux/arm64",
            "-o",
            "type=oci,compression=uncompressed,dest=../site.tar",
            ".",
            in: context
        )
        try #require(both.status == 0, "\(both.errorText)")
        #expect(both.errorText.contains(" CACHED"))
        let archive = try Data(contentsOf: scratch.url.appending(path: "site.tar"))
        #expect(archive.range(of: Data("a key of my own".utf8)) == nil)
        for platform in ["amd64", "arm64"] {
            #expect(archive.range(of: Data("\"architecture\":\"\(platform)\"".utf8)) != nil)
        }
    }
}
