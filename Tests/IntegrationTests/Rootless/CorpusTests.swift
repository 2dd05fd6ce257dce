import Foundation
import Testing

/// Builds by root and by ordinary users give the same images.
@Suite(
    .requires(
        .root,
        .program("crun"),
        .program("newuidmap"),
        .program("dpkg-deb"),
        .program("setcap"),
        .baseImage("python")
    )
)
struct `Images of ordinary users` {
    @Test(arguments: CorpusBuild.all) func `are root's`(build: CorpusBuild) async throws {
        let scratch = try TemporaryDirectory()
        let user = try await CorpusUser.instance.user()
        // An ordinary user reads what is theirs; contexts hold set-uid programs and private files.
        let made = try await runProgram(
            "sh",
            ["-euc", "umask 022; mkdir context; cd context\n\(build.context)\nchown -hR \(user.id) ."],
            in: scratch.url
        )
        try #require(made.status == 0, "\(made.errorText)")
        let dockerfile = build.dockerfile.replacingOccurrences(of: "FROM debian", with: "FROM python:3-alpine")
        try scratch.write(dockerfile, to: "context/Dockerfile")
        let ofRoot = try await image(of: build, in: scratch, by: try await Slipway.shared(), "root")
        let ofUser = try await image(of: build, in: scratch, by: user.slipway, "user")
        #expect(ofRoot == ofUser)
    }

    /// The image's id and the digests of its layers.
    private func image(of build: CorpusBuild, in scratch: TemporaryDirectory, by slipway: Slipway, _ who: String)
        async throws -> [String]
    {
        let id = FileManager.default.temporaryDirectory.appending(path: "slipway-\(UUID().uuidString)").path
        defer { try? FileManager.default.removeItem(atPath: id) }
        let result = try await slipway.run(
            ["build", "--progress=plain", "--no-cache", "--iidfile", id]
                + ["--build-arg", "SOURCE_DATE_EPOCH=1700000000", "--output", "type=image,rewrite-timestamp=true"]
                + build.flags + ["."],
            in: scratch.url.appending(path: "context")
        )
        try #require(result.status == 0, "\(who): \(result.errorText)")
        let text = try String(contentsOfFile: id, encoding: .utf8)
        let layers = try await slipway.succeed("image", "inspect", "--format", "{{json .RootFS.Layers}}", text)
        return [text, layers]
    }
}

/// A user for all builds of the corpus, with their base images.
private actor CorpusUser {
    static let instance = CorpusUser()
    private var making: Task<OrdinaryUser, any Error>?

    func user() async throws -> OrdinaryUser {
        // Awaited by every test that asks; it ends by itself.
        let task =
            making
            ?? Task {
                let user = try await OrdinaryUser()
                for image in ["busybox:latest", "python:3-alpine"] { try await user.load(image) }
                return user
            }
        making = task
        return try await task.value
    }
}
