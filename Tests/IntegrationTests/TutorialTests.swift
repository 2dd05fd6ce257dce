import Foundation
import Testing

/// The tutorial of the README, word for word, and what it promises.
@Suite(.serialized, .requires(.root, .program("crun"), .program("conmon"), .program("netavark"), .program("curl")))
struct `The tutorial` {
    private let scratch: TemporaryDirectory
    private let application: URL

    init() throws {
        scratch = try TemporaryDirectory()
        application = scratch.url.appending(path: "python-web-app")
        let examples = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().appending(path: "examples/python-web-app")
        try FileManager.default.copyItem(at: examples, to: application)
    }

    @Test func `a web application is built, listed, run and rebuilt only where it changed`() async throws {
        let slipway = try await Slipway.shared()
        try await slipway.succeed("build", ".", in: application)

        // A name for what is already built: nothing runs again.
        let named = try await slipway("build", "--progress=plain", "-t", "myimage:mytag", ".", in: application)
        try #require(named.status == 0, "\(named.errorText)")
        #expect(named.errorText.contains("naming to docker.io/library/myimage:mytag"))
        let cached = named.errorText.split(separator: "\n").filter { $0.hasSuffix(" CACHED") }
        #expect(cached.count == 4, "FROM, WORKDIR, COPY and RUN are cached: \(named.errorText)")

        let images = try await slipway.succeed("images", "myimage")
        let lines = images.split(separator: "\n").map { $0.split(separator: " ", omittingEmptySubsequences: true) }
        #expect(images.hasPrefix("REPOSITORY"))
        #expect(lines.dropFirst().first?.prefix(2).elementsEqual(["myimage", "mytag"]) == true, "\(images)")

        let version = try await slipway.succeed("run", "--rm", "myimage:mytag", "python3", "--version")
        #expect(version.hasPrefix("Python 3."))

        try await answersHTTP(slipway)

        // Touching one file runs everything from COPY on, and explain names the file.
        let server = application.appending(path: "assets/server.py")
        try Data(try Data(contentsOf: server) + Data("# changed\n".utf8)).write(to: server)
        let changed = try await slipway("build", "--progress=plain", "-t", "myimage:mytag", ".", in: application)
        try #require(changed.status == 0, "\(changed.errorText)")
        #expect(changed.errorText.split(separator: "\n").filter { $0.hasSuffix(" CACHED") }.count == 2)
        // By the image's name: what was built last in the store that all tests share may be another's.
        let why = try await slipway.succeed("explain", "myimage:mytag")
        #expect(why.contains("server.py"), "\(why)")
    }

    private func answersHTTP(_ slipway: Slipway) async throws {
        let name = "tutorial-\(getpid())"
        let port = 20_000 + Int(getpid()) % 10_000
        try await slipway.succeed("run", "-d", "--name", name, "-p", "127.0.0.1:\(port):8000", "myimage:mytag")
        var answer = try await runProgram("curl", ["-sf", "--max-time", "2", "http://127.0.0.1:\(port)/"])
        for _ in 0..<600 where answer.status != 0 {
            try await Task.sleep(for: .milliseconds(100))
            answer = try await runProgram("curl", ["-sf", "--max-time", "2", "http://127.0.0.1:\(port)/"])
        }
        #expect(answer.text.hasPrefix("Hello from a container built by Slipway"))
        #expect(try await slipway.succeed("ps").contains(name))
        try await slipway.succeed("stop", "--time", "1", name)
        try await slipway.succeed("rm", name)
        #expect(try await slipway.succeed("ps", "-a").contains(name) == false)
    }
}
