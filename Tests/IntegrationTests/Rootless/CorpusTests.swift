import Foundation
import Testing

/// Builds by root, by ordinary users and in a confined container give the same images.
@Suite(
    .requires(
        .root,
        .program("crun"),
        .program("newuidmap"),
        .program("dpkg-deb"),
        .program("setcap"),
        .program("busybox"),
        .baseImage("python")
    ),
    .corpusLevels
)
struct `Images of builders without root` {
    @Test func `are built at each level for real`() async throws {
        let expected: [CorpusLevel.Kind: String] = [
            .subordinateIDs: "user namespace with 65537 ids", .oneID: "user namespace with one id",
            .confined: "root of a container that may not mount (",
        ]
        #expect(CorpusLevels.current.map(\.kind) == CorpusLevel.Kind.allCases)
        for level in CorpusLevels.current {
            let security = try await level.slipway.succeed("info", "--format", "{{.Security}}", in: level.place.url)
            #expect(security.hasPrefix(expected[level.kind] ?? "?"), "\(security)")
        }
    }

    @Test(arguments: CorpusBuild.all) func `are root's`(build: CorpusBuild) async throws {
        let scratch = try TemporaryDirectory()
        // Contexts hold files that only their owner may read.
        let made = try await runProgram(
            "sh",
            ["-euc", "umask 022; mkdir context; cd context\n\(build.context)\nchown -hR 1000:1000 ."],
            in: scratch.url
        )
        try #require(made.status == 0, "\(made.errorText)")
        let dockerfile = build.dockerfile.replacingOccurrences(of: "FROM debian", with: "FROM python:3-alpine")
        try scratch.write(dockerfile, to: "context/Dockerfile")
        let expected = try await image(of: build, in: scratch.path, by: try await Slipway.shared())
        for level in CorpusLevels.current where build.exceptions[level.kind] == nil {
            let place = level.place.path + "/\(UUID().uuidString)"
            let copied = try await runProgram(
                "sh",
                ["-euc", "mkdir -m 755 $1; cp -a context $1; chown -hR $2:$2 $1", "sh", place, "\(level.user)"],
                in: scratch.url
            )
            try #require(copied.status == 0, "\(copied.errorText)")
            do {
                let image = try await image(of: build, in: place, by: level.slipway)
                #expect(image == expected, "\(level.kind)")
            } catch {
                Issue.record("\(level.kind): \(error)")
            }
        }
    }

    private struct BuildFailed: Error, CustomStringConvertible {
        let log: String
        var description: String { log }
    }

    /// The image's id and the digests of its layers.
    private func image(of build: CorpusBuild, in place: String, by slipway: Slipway) async throws -> [String] {
        let id = place + "/id"
        let context = URL(filePath: place + "/context")
        let result = try await slipway.run(
            ["build", "--progress=plain", "--no-cache", "--iidfile", id]
                + ["--build-arg", "SOURCE_DATE_EPOCH=1700000000", "--output", "type=image,rewrite-timestamp=true"]
                + build.flags + ["."],
            in: context
        )
        guard result.status == 0 else { throw BuildFailed(log: result.errorText) }
        let text = try String(contentsOfFile: id, encoding: .utf8)
        let layers = try await slipway.succeed(
            "image",
            "inspect",
            "--format",
            "{{json .RootFS.Layers}}",
            text,
            in: context
        )
        return [text, layers]
    }
}
