import Fakes
import Foundation
import SystemPackage
import Testing
import Text

@testable import RemoteSources

/// What git, which acts on settings of many places, is kept from.
@Suite struct `Git as it is run` {
    private let git = GitProgram(variables: [
        "PATH": Array((ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin:/bin").utf8), "HOME": "/canary",
        "GIT_DIR": "/canary", "GIT_SSH_COMMAND": "canary", "LD_LIBRARY_PATH": "/canary", "TOKEN": "canary",
        "HTTPS_PROXY": "http://proxy.example:3128", "SSL_CERT_FILE": "/certificates.pem",
    ])

    /// Lends a repository whose own settings are hostile.
    private func withRepository(_ body: (FilePath) async throws -> Void) async throws {
        try await withTemporaryDirectory { (directory: FilePath) async throws in
            _ = try await git.run("init", "--quiet", in: directory)
            let settings = """
                [core]
                	hooksPath = hooks
                	fsmonitor = "touch canary"
                	autocrlf = true
                [credential]
                	helper = "!touch canary"
                """
            let file = URL(filePath: directory.string).appending(path: ".git/config")
            let own = try String(contentsOf: file, encoding: .utf8)
            try Data((own + settings).utf8).write(to: file)
            try await body(directory)
        }
    }

    private func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }

    @Test func `sees no settings of the machine and the user`() async throws {
        try await withTemporaryDirectory { (directory: FilePath) async throws in
            let scopes = try await git.run("config", "--list", "--show-scope", in: directory).split(separator: "\n")
                .map { text(Array($0.prefix { $0 != "\t" })) }
            #expect(Set(scopes) == ["command"])
        }
    }

    @Test(arguments: [("core.hooksPath", "/dev/null"), ("core.fsmonitor", "false"), ("core.autocrlf", "false")])
    func `does not act on a repository's own settings`(key: String, value: String) async throws {
        try await withRepository { (directory: FilePath) async throws in
            #expect(text(try await git.run("config", "--get", key, in: directory)) == value + "\n")
        }
    }

    @Test func `runs neither hooks nor monitors of a repository`() async throws {
        try await withRepository { (directory: FilePath) async throws in
            let hook = URL(filePath: directory.string).appending(path: "hooks/post-checkout")
            try FileManager.default.createDirectory(
                at: hook.deletingLastPathComponent(),
                withIntermediateDirectories: false
            )
            try Data("#!/bin/sh\ntouch canary\n".utf8).write(to: hook)
            try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: hook.path)
            let author = ["-c", "user.name=a", "-c", "user.email=a"].map { Array($0.utf8) }
            _ = try await git.run(author + ["commit", "--quiet", "--allow-empty", "--message=x"], in: directory)
            _ = try await git.run("checkout", "--quiet", "-b", "other", in: directory)
            _ = try await git.run("status", in: directory)
            #expect(FileManager.default.fileExists(atPath: directory.appending("canary").string) == false)
        }
    }

    @Test func `has of the environment only what it needs to reach servers`() async throws {
        try await withTemporaryDirectory { (directory: FilePath) async throws in
            let access = GitAccess(variables: ["SSH_AUTH_SOCK": "/agent"])
            let lines = text(
                try await git.run("-c", "alias.variables=!env", "variables", in: directory, .network(access))
            )
            #expect(!lines.contains("canary"))
            for line in [
                "HTTPS_PROXY=http://proxy.example:3128", "GIT_SSL_CAINFO=/certificates.pem", "SSH_AUTH_SOCK=/agent",
                "HOME=/dev/null", "GIT_TERMINAL_PROMPT=0", "GIT_ASKPASS=/bin/false",
            ] {
                #expect("\n\(lines)".contains("\n\(line)\n"), "\(line)")
            }
        }
    }

    @Test func `has a secret header neither in its arguments nor in its environment, and for one address alone`()
        async throws
    {
        try await withTemporaryDirectory { (directory: FilePath) async throws in
            let access = GitAccess(header: ("https://host.example/a", "Authorization: canary \"quoted\""))
            let script = "alias.seen=!env; tr '\\0' '\\n' < /proc/self/cmdline; tr '\\0' '\\n' < /proc/$PPID/cmdline"
            let seen = text(try await git.run("-c", script, "seen", in: directory, .network(access)))
            #expect(seen.contains("GIT_CONFIG_COUNT=") && !seen.contains("canary"))
            let key = "http.extraHeader"
            let header = try await git.run(
                "config",
                "--get-urlmatch",
                key,
                "https://host.example/a/b",
                in: directory,
                .network(access)
            )
            #expect(text(header) == "Authorization: canary \"quoted\"\n")
            await #expect(throws: GitError.self) {
                _ = try await git.run(
                    "config",
                    "--get-urlmatch",
                    key,
                    "https://other.example/a",
                    in: directory,
                    .network(access)
                )
            }
        }
    }

    @Test func `speaks only to what a call may reach`() async throws {
        try await withTemporaryDirectory { (directory: FilePath) async throws in
            _ = try await git.run("init", "--quiet", "--bare", "repository", in: directory)
            let local = Array("file://\(directory.string)/repository".utf8)
            let list = ["ls-remote", "--"].map { Array($0.utf8) }
            _ = try await git.run(list + [local], in: directory, .ownRepositories)
            let refused: [(GitProgram.Reach, [UInt8])] = [
                (.nothing, local), (.network(GitAccess()), local), (.nothing, "https://127.0.0.1:1/x"),
                (.ownRepositories, "https://127.0.0.1:1/x"), (.network(GitAccess()), "ext::touch canary"),
                (.network(GitAccess()), "ftp://127.0.0.1:1/x"),
            ]
            for (reach, address) in refused {
                let error = await #expect(throws: GitError.self) {
                    _ = try await git.run(list + [address], in: directory, reach)
                }
                #expect(
                    error?.description.contains("not allowed") == true,
                    "\(text(address)): \(String(describing: error))"
                )
            }
        }
    }
}
