import Foundation
import Testing

/// Dockerfiles that name another frontend.
@Suite(.requires(.root, .program("crun")))
struct `A frontend that is an image` {
    private let scratch: TemporaryDirectory

    init() throws { scratch = try TemporaryDirectory() }

    private func build(_ dockerfile: String, _ options: [String]) async throws -> ProgramResult {
        try await Slipway.shared().build(dockerfile, options, in: scratch)
    }

    @Test(arguments: [
        ("talks", "echo one >&2; echo sorry >&2; exit 3", "failed: exit code: 3: sorry"),
        (
            "asks", "test \"$BUILDKIT_EXPORTEDPRODUCT\" = buildkit && env | grep -q '=build-arg:A=b$'",
            "failed: it ended without a result"
        ),
        ("is-silent", "exit 1", "failed: exit code: 1\n"),
    ])
    func `is run, and its failure told`(kind: String, program: String, expected: String) async throws {
        let name = "frontend/\(kind):1"
        let script = program.replacingOccurrences(of: "\"", with: "\\\"")
        let made = try await build(
            "FROM busybox\nENTRYPOINT [\"/bin/sh\", \"-c\", \"\(script)\"]\n",
            ["--network", "none", "-t", name]
        )
        try #require(made.status == 0, "\(made.errorText)")
        let built = try await build("# syntax=\(name)\nwords of another language\n", ["--build-arg", "A=b"])
        #expect(built.status == 1)
        #expect(built.errorText.contains("the frontend \(name) "))
        #expect(built.errorText.contains(expected), "\(built.errorText)")
        #expect(built.errorText.contains("   1 | >>> # syntax=\(name)\n"), "\(built.errorText)")
    }

    @Test func `that cannot be had is told at the line that names it, however it goes on`() async throws {
        let built = try await build("# check=skip=all\n# syntax=nowhere.invalid/frontend:1\nFROM scratch\n", [])
        #expect(built.status == 1)
        #expect(built.errorText.contains("Dockerfile:2\n"), "\(built.errorText)")
        #expect(built.errorText.contains("nowhere.invalid"), "\(built.errorText)")
    }

    @Test func `that a build argument names is told without a line`() async throws {
        let named = ["--build-arg", "BUILDKIT_SYNTAX=nowhere.invalid/frontend:1"]
        let built = try await build("FROM scratch\n", named)
        #expect(built.status == 1)
        #expect(!built.errorText.contains("Dockerfile:"), "\(built.errorText)")
    }
}
