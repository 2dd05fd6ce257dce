import Foundation
import Proofs
import Testing

/// ADD of git repositories, from a real server.
@Suite(.requires(.root, .program("crun"), .program("git"), .program("python3")))
struct `Adding from git` {
    private let scratch: TemporaryDirectory
    private let slipway: Slipway
    private let store: TemporaryDirectory

    init() throws {
        scratch = try TemporaryDirectory()
        (slipway, store) = try Slipway.isolated()
    }

    private func build(_ dockerfile: String, _ options: String...) async throws -> ProgramResult {
        try await slipway.build(dockerfile, options, in: scratch)
    }

    private func listing(_ dockerfile: String) async throws -> [String] {
        try await slipway.listing(of: dockerfile, in: scratch)
    }

    @Test(.proves("ADD of git repositories")) func `files have git's modes, the commit's time, and no .git`()
        async throws
    {
        let git = try await GitFixture()
        try await git.makeRepository("a.git")
        let files = try await listing("FROM scratch\nADD \(git.address("a.git")) /in/\n")
        #expect(files.contains("-rw-r--r-- 0/0 4 2021-03-04 05:06:07 in/file"))
        #expect(files.contains("-rwxr-xr-x 0/0 10 2021-03-04 05:06:07 in/program"))
        #expect(files.contains("drwxr-xr-x 0/0 0 2021-03-04 05:06:07 in/dir/"))
        #expect(files.contains("lrwxrwxrwx 0/0 0 2021-03-04 05:06:07 in/link -> dir"))
        #expect(!files.contains { $0.contains(".git") })
    }

    @Test(.proves("ADD of git repositories", "ADD --checksum", "C9: an annotated tag with --keep-git-dir"))
    func `tags, commits, directories and checksums choose what is added`() async throws {
        let git = try await GitFixture()
        let (first, last) = try await git.makeRepository("a.git")
        let address = git.address("a.git")
        let built = try await build(
            """
            FROM scratch
            ADD \(address)#v1 /tag/
            ADD \(address)?branch=main /branch/
            ADD \(address)#\(first) /commit/
            ADD \(address)#main:dir /dir/
            ADD --checksum=\(last) \(address)#main /checked/
            ADD --keep-git-dir=true \(address)#v1 /kept/
            """,
            "-o",
            "type=local,dest=../out"
        )
        try #require(built.status == 0, "\(built.errorText)")
        func content(_ name: String) throws -> String {
            try String(contentsOf: scratch.url.appending(path: "out/\(name)"), encoding: .utf8)
        }
        #expect(try content("tag/file") == "one\n")
        #expect(try content("branch/file") == "two\n")
        #expect(try content("commit/file") == "one\n")
        #expect(try content("dir/inner") == "inner\n")
        #expect(try content("checked/file") == "two\n")
        let kept = scratch.url.appending(path: "out/kept")
        let status = try await runProgram("git", ["-c", "safe.directory=*", "log", "--format=%H %D"], in: kept)
        #expect(status.text.hasPrefix("\(first) ") && status.text.contains("tag: v1"), "\(status.errorText)")
        let described = try await runProgram("git", ["-c", "safe.directory=*", "describe"], in: kept)
        #expect(described.text == "v1\n", "\(described.errorText)")
        let object = try await runProgram("git", ["-c", "safe.directory=*", "cat-file", "-t", "v1"], in: kept)
        #expect(object.text == "tag\n")
        let wrong = try await build("FROM scratch\nADD --checksum=\(first) \(address)#main /x\n")
        #expect(wrong.status == 1)
        #expect(wrong.errorText.contains("expected checksum to match \(first), got \(last)"))
        #expect(wrong.errorText.contains("Dockerfile:2"))
    }

    @Test(.proves("ADD of git")) func `a branch that did not move is cached, one that moved is not`() async throws {
        let git = try await GitFixture()
        try await git.makeRepository("a.git")
        let dockerfile = "FROM scratch\nADD \(git.address("a.git"))#main /in\n"
        #expect(try await build(dockerfile).status == 0)
        let before = try git.server.requests().count
        let again = try await build(dockerfile)
        #expect(again.status == 0 && again.errorText.contains("CACHED"))
        // Only what the name means was asked: a list of references, no objects.
        let asked = try git.server.requests().dropFirst(before).map(\.path)
        #expect(!asked.isEmpty && asked.filter { $0.hasSuffix("/git-upload-pack") }.count <= 1)
        try await git.run(
            "cd work-a.git && echo three > file && git commit -qam third && git push -q ../a.git main"
        )
        let moved = try await build(dockerfile, "-o", "type=local,dest=../out")
        #expect(moved.status == 0)
        #expect(try String(contentsOf: scratch.url.appending(path: "out/in/file"), encoding: .utf8) == "three\n")
    }

    @Test(.proves("ADD of git repositories")) func `submodules come along unless they are not wanted`() async throws {
        let git = try await GitFixture()
        try await git.makeRepository("sub.git")
        try await git.run(
            """
            git init -q -b main outer && cd outer && git submodule --quiet add \(git.address("sub.git")) inner
            git commit -qm outer && cd .. && git clone -q --bare outer outer.git
            """
        )
        let address = git.address("outer.git")
        let files = try await listing(
            "FROM scratch\nADD \(address) /with/\nADD \(address)?submodules=false /without/\n"
        )
        #expect(files.contains { $0.hasSuffix("with/inner/file") })
        #expect(
            !files.contains { $0.contains("without/inner/file") || $0.hasSuffix("/.git") || $0.hasSuffix("/.git/") }
        )
    }

    @Test(.proves("ADD: forms and flags")) func `a server that only has files is enough, also for submodules`()
        async throws
    {
        let git = try await GitFixture()
        try await git.makeRepository("sub.git")
        try await git.run(
            """
            git -C sub.git update-server-info
            git init -q -b main outer && cd outer
            git submodule --quiet add \(git.server.address)/sub.git inner
            git commit -qm outer && cd .. && git clone -q --bare outer outer.git && git -C outer.git update-server-info
            """
        )
        let files = try await listing("FROM scratch\nADD \(git.server.address)/outer.git /in/\n")
        #expect(files.contains { $0.hasSuffix("in/inner/dir/inner") })
    }

    @Test(.proves("ADD: forms and flags"))
    func `repositories may name objects by SHA-256, also where one of SHA-1 was before`() async throws {
        let git = try await GitFixture()
        let (_, old) = try await git.makeRepository("a.git")
        let dockerfile = "FROM scratch\nADD --keep-git-dir=true \(git.address("a.git"))#main /in/\n"
        #expect(try await listing(dockerfile).contains { $0.hasSuffix("in/file") })
        let id = try await git.run(
            """
            rm -rf a.git && git init -q -b main --object-format=sha256 new && cd new && echo new > file
            git add file && git commit -qm new && cd .. && git clone -q --bare new a.git && git -C a.git rev-parse main
            """
        )
        #expect(id.count == 64 && old.count == 40)
        let built = try await build(dockerfile, "-o", "type=local,dest=../out")
        try #require(built.status == 0, "\(built.errorText)")
        let kept = scratch.url.appending(path: "out/in")
        #expect(try String(contentsOf: kept.appending(path: "file"), encoding: .utf8) == "new\n")
        let head = try await runProgram("git", ["-c", "safe.directory=*", "rev-parse", "HEAD"], in: kept)
        #expect(head.text == id + "\n", "\(head.errorText)")
    }

    @Test(arguments: [
        ("#main:../..", "it leads outside of the repository"), ("#main:link", "it is not a directory"),
        ("#main:file", "it is not a directory"), ("#main:nowhere", "there is no such directory"),
        ("#main:.git", "it leads outside of the repository"),
        ("#nowhere", "repository does not contain ref nowhere"),
        ("?commit=00000000", "expected checksum to match 00000000, got "),
        ("?commit=main", "invalid checksum main for Git URL, expected hex commit hash"),
        ("#--upload-pack=touch", "invalid git reference"), ("#a..b", "invalid git reference"),
    ])
    func `what is not in the repository is refused`(fragment: String, reason: String) async throws {
        let git = try await GitFixture()
        try await git.makeRepository("a.git")
        let result = try await build("FROM scratch\nADD \(git.address("a.git"))\(fragment) /in\n")
        #expect(result.status == 1)
        #expect(result.errorText.contains(reason), "\(result.errorText)")
        #expect(result.errorText.contains("Dockerfile:2"))
    }

    @Test func `a hostile repository runs nothing and reads no file of the host`() async throws {
        let git = try await GitFixture()
        try await git.makeRepository("other.git")
        let canary = scratch.url.appending(path: "canary").path
        try await git.run(
            """
            git init -q -b main bad && cd bad
            printf '* filter=evil\\n' > .gitattributes
            printf '[submodule "x"]\\n\\tpath = x\\n\\turl = file://%s/other.git\\n' "$(cd .. && pwd)" > .gitmodules
            ln -s /etc/passwd secret && git add .
            git update-index --add --cacheinfo 160000,$(git -C ../work-other.git rev-parse main),x
            git commit -qm bad && cd .. && git clone -q --bare bad bad.git
            printf '#!/bin/sh\\ntouch \(canary)\\n' > bad.git/hooks/post-checkout && chmod 755 bad.git/hooks/post-checkout
            git -C bad.git config filter.evil.smudge 'touch \(canary)'
            """
        )
        let result = try await build("FROM scratch\nADD \(git.address("bad.git")) /in\n")
        #expect(result.status == 1)
        #expect(result.errorText.contains("transport 'file' not allowed"), "\(result.errorText)")
        let files = try await listing("FROM scratch\nADD \(git.address("bad.git"))?submodules=false /in/\n")
        #expect(files.contains { $0.hasSuffix("in/secret -> /etc/passwd") })
        #expect(!FileManager.default.fileExists(atPath: canary))
    }

    @Test func `credentials go to the server and nowhere else`() async throws {
        let git = try await GitFixture()
        try await git.makeRepository("a.git")
        let address = "http://canary-user:canary-token@127.0.0.1:\(git.server.port)/git/a.git"
        let result = try await build(
            "FROM scratch\nADD --keep-git-dir=true \(address) /in\n",
            "-t",
            "secret",
            "-o",
            "type=local,dest=../out"
        )
        try #require(result.status == 0, "\(result.errorText)")
        let token = "Basic " + Data("canary-user:canary-token".utf8).base64EncodedString()
        let seen = try git.server.requests()
        #expect(!seen.isEmpty && seen.allSatisfy { $0.header("Authorization") == token })
        #expect(!result.errorText.contains("canary"))
        let found = try await runProgram("grep", ["-r", "-a", "-l", "canary", scratch.path + "/out", store.path])
        #expect(found.text.isEmpty)
    }
}
