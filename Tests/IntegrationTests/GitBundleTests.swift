import ClientServices
import CommandLine
import Foundation
import LLB
import LinuxSystem
import OCI
import RemoteSources
import Storage
import SystemPackage
import Testing
import Text

/// Commits that come out of a git bundle, and bundles that are made of them.
@Suite(.requires(.root, .program("git"), .program("python3")))
struct `Git bundles` {
    private let scratch: TemporaryDirectory
    private let git: GitFixture
    private let commits: (first: String, last: String)
    private let store: Store
    private let repositories: GitRepositories

    init() async throws {
        scratch = try TemporaryDirectory()
        git = try await GitFixture()
        commits = try await git.makeRepository("a.git")
        store = try await Store.open(at: FilePath(scratch.path + "/store"), tables: .all)
        let path = Array((ProcessInfo.processInfo.environment["PATH"] ?? "").utf8)
        repositories = GitRepositories(store: store, variables: ["PATH": path], client: ClientServices()) { _ in }
    }

    private func source(_ reference: String, _ attributes: [String: String]) throws -> GitSource {
        var attributes = attributes.mapValues { Array($0.utf8) }
        attributes["git.fullurl"] = Array(git.address("a.git").utf8)
        let fragment = reference.isEmpty ? "" : "#" + reference
        return try GitSource(Source(identifier: Array("git://example/a.git\(fragment)".utf8), attributes: attributes))
    }

    /// The files of a source.
    private func files(_ source: GitSource, at name: String) async throws -> URL {
        let url = scratch.url.appending(path: name)
        try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
        try await repositories.checkOut(try await repositories.resolve(source), of: source, into: FilePath(url.path))
        return url
    }

    private func run(_ script: String, in directory: URL) async throws -> String {
        try await GitFixture(server: git.server).run("cd '\(directory.path)' && \(script)")
    }

    @Test func `has the commit with its history under the name that led to it`() async throws {
        for reference in ["main", "refs/tags/v1", ""] {
            let name = reference.hasPrefix("refs/") ? reference : "refs/heads/main"
            let made = try await files(source(reference, ["git.checkoutbundle": "true"]), at: "made-\(reference.count)")
            #expect(try FileManager.default.contentsOfDirectory(atPath: made.path) == ["bundle"])
            let heads = try await run("git bundle list-heads bundle", in: made)
            #expect(heads == "\(reference.hasSuffix("v1") ? commits.first : commits.last) \(name)")
        }
        let cloned = scratch.url.appending(path: "made-4")
        let log = try await run("git clone -q -b main bundle all && git -C all log --format=%s", in: cloned)
        #expect(log == "second\nfirst")
    }

    @Test func `gives the files of its commits when the repository is gone`() async throws {
        let made = try await files(source("main", ["git.checkoutbundle": "true"]), at: "made")
        let bytes = Array(try Data(contentsOf: made.appending(path: "bundle")))
        try await git.run("rm -rf a.git")
        try await store.withLease { lease in
            let digest = try await store.blobs.put(bytes, in: lease)
            let bundle = "docker-image+blob://registry.example/sources@\(digest)"
            let checked = ["git.bundle": bundle, "git.checksum": commits.last]
            for reference in ["main", commits.last, ""] {
                let out = try await files(source(reference, checked), at: "out-\(reference.count)")
                #expect(try String(contentsOf: out.appending(path: "file"), encoding: .utf8) == "two\n")
            }
            var kept = checked
            kept["git.keepgitdir"] = "true"
            let out = try await files(source("main", kept), at: "kept")
            #expect(try await run("git rev-parse HEAD refs/heads/main", in: out) == "\(commits.last)\n\(commits.last)")

            let other = String(repeating: "1", count: 40)
            await #expect(throws: GitError.noSuchReference(other, repository: "registry.example/sources@\(digest)")) {
                _ = try await files(source("", ["git.bundle": bundle, "git.checksum": other]), at: "none")
            }
            await #expect(throws: GitError.checksumMismatch(expected: commits.first, actual: commits.last)) {
                _ = try await files(source("main", ["git.bundle": bundle, "git.checksum": commits.first]), at: "none")
            }
        }
    }

    @Test(arguments: [
        (["git.bundle": "https://host.example/a"], "is not supported"),
        (["git.bundle": "docker-image+blob://host.example/a"], "named by its digest"),
        (["git.bundle": "docker-image+blob://host.example/a@sha256:12"], "digest"),
        (["git.bundle": "docker-image+blob://host.example/a@\(Digest.sha256(of: []))"], "git.checksum"),
        (["git.checkoutbundle": "true", "git.keepgitdir": "true"], "git.keepgitdir"),
    ])
    func `are refused`(attributes: [String: String], reason: String) throws {
        let error = #expect(throws: LLBError.self) { _ = try source("main", attributes) }
        #expect("\(try #require(error))".contains(reason))
    }
}
