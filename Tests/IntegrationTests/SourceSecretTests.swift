import ClientServices
import CommandLine
import Foundation
import LLB
import Proofs
import RemoteSources
import Storage
import SystemPackage
import Testing
import Text

/// Secrets and keys for what a build fetches: ADD, contexts, Dockerfiles.
@Suite(.requires(.root, .program("crun"), .program("git"), .program("python3")))
struct `Secrets of sources` {
    private let scratch: TemporaryDirectory
    private let slipway: Slipway
    private let store: TemporaryDirectory
    private let server: WebServer

    init() async throws {
        scratch = try TemporaryDirectory()
        (slipway, store) = try Slipway.isolated()
        server = try await WebServer.start()
        try scratch.write("", to: "context/empty")
    }

    private func build(_ options: [String], environment: [String: String] = [:]) async throws -> ProgramResult {
        try await slipway.run(
            ["build", "--progress=plain", "-o", "type=local,dest=../out"] + options,
            in: scratch.url.appending(path: "context"),
            environment: environment
        )
    }

    private func content(_ name: String) throws -> String {
        try String(contentsOf: scratch.url.appending(path: "out/\(name)"), encoding: .utf8)
    }

    /// The address of something that only those get who send an `Authorization`.
    private func address(_ authorization: String, _ rest: String) -> String {
        let encoded = authorization.addingPercentEncoding(withAllowedCharacters: .alphanumerics) ?? ""
        return "\(server.address)/only/\(encoded)/\(rest)"
    }

    /// The files below the store, and the outputs of a build, must not have a text in any of the forms it was sent in.
    private func expectNoTrace(of secret: String, in result: ProgramResult) async throws {
        let forms = [secret, Data("x-access-token:\(secret)".utf8).base64EncodedString()]
        for form in forms {
            #expect(!(result.text + result.errorText).contains(form))
            let found = try await runProgram("grep", ["-rlaF", "-e", form, store.path, scratch.path + "/out"])
            #expect(found.status == 1, "\(found.text)")
        }
        let history = try await slipway("explain")
        #expect(!forms.contains { (history.text + history.errorText).contains($0) })
    }

    @Test(.proves("ADD of URLs")) func `a token of the host goes before its header, and both before the address`()
        async throws
    {
        try server.put("content\n", at: "f")
        try scratch.write("t0ken-of-the-host\n", to: "token")
        let token = ["--secret", "id=HTTP_AUTH_TOKEN_127.0.0.1,src=../token"]
        let header = ["--secret", "id=HTTP_AUTH_HEADER_127.0.0.1,env=HEADER"]
        let variables = ["HEADER": "Custom canary-header"]
        let cases: [(authorization: String, options: [String])] = [
            ("Bearer t0ken-of-the-host", token), ("Custom canary-header", header),
            ("Bearer t0ken-of-the-host", header + token),
        ]
        for (authorization, options) in cases {
            try scratch.write("FROM scratch\nADD \(address(authorization, "f")) /f\n", to: "context/Dockerfile")
            let without = try await build(["."])
            #expect(without.status == 1 && without.errorText.contains("the server wants credentials"))
            let built = try await build(options + ["."], environment: variables)
            try #require(built.status == 0, "\(built.errorText)")
            #expect(try content("f") == "content\n")
            try await expectNoTrace(of: authorization.components(separatedBy: " ")[1], in: built)
        }
        let other = try await build(["--secret", "id=HTTP_AUTH_TOKEN_example.com,src=../token", "."])
        #expect(other.status == 1 && other.errorText.contains("the server wants credentials"))
        let broken = try await build(
            ["--secret", "id=HTTP_AUTH_HEADER_127.0.0.1,env=HEADER", "."],
            environment: ["HEADER": "a\r\nX-Injected: b"]
        )
        #expect(broken.status == 1 && broken.errorText.contains("HTTP_AUTH_HEADER_127.0.0.1 cannot be sent"))
        #expect(!broken.errorText.contains("Injected"))
    }

    @Test(.proves("ADD of URLs"))
    func `a token reaches the context and the Dockerfile of a server, and no host that the server leads to`()
        async throws
    {
        try server.put("FROM scratch\nCOPY context /served\n", at: "file")
        try server.put("FROM scratch\nCOPY empty /e\n", at: "Dockerfile")
        let other = try await WebServer.start()
        try other.put("elsewhere\n", at: "f")
        let options = ["--secret", "id=HTTP_AUTH_TOKEN_127.0.0.1,env=T"]
        let variables = ["T": "canary-of-a-context"]
        let asContext = try await build(
            options + [address("Bearer canary-of-a-context", "file")],
            environment: variables
        )
        try #require(asContext.status == 0, "\(asContext.errorText)")
        #expect(try content("served").hasPrefix("FROM scratch"))
        try await expectNoTrace(of: "canary-of-a-context", in: asContext)
        let asFile = try await build(
            options + ["-f", address("Bearer canary-of-a-context", "Dockerfile"), "."],
            environment: variables
        )
        try #require(asFile.status == 0, "\(asFile.errorText)")
        let place = "\(other.address)/f".addingPercentEncoding(withAllowedCharacters: .alphanumerics) ?? ""
        try scratch.write(
            "FROM scratch\nADD \(address("Bearer canary-of-a-context", "to/\(place)")) /f\n",
            to: "context/Dockerfile"
        )
        let led = try await build(options + ["."], environment: variables)
        try #require(led.status == 0, "\(led.errorText)")
        #expect(try content("f") == "elsewhere\n")
        #expect(try other.requests().allSatisfy { $0.header("Authorization") == nil })
    }

    /// A `git` in front of the real one that notes its arguments and its environment, which its helpers have too.
    private func notingGit() async throws -> (variables: [String: String], log: String) {
        let real = try #require(findProgram("git"))
        let log = scratch.path + "/git.log"
        try scratch.write("#!/bin/sh\n{ printf '%s\\n' \"$@\"; env; } >> \(log)\nexec \(real) \"$@\"\n", to: "bin/git")
        _ = try await runProgram("chmod", ["755", scratch.path + "/bin/git"])
        let path = ProcessInfo.processInfo.environment["PATH"] ?? ""
        return (["PATH": "\(scratch.path)/bin:\(path)"], log)
    }

    @Test(.proves("ADD of git repositories", "--secret", "A16: the token of a git build is"))
    func `a repository gets the token or header for its host or for all, whatever it is used as`() async throws {
        try await GitFixture(server: server).makeRepository("a.git")
        var (variables, log) = try await notingGit()
        variables["T"] = "canary-git-token"
        variables["H"] = "basic canary-git-header"
        let token = "Basic " + Data("x-access-token:canary-git-token".utf8).base64EncodedString()
        let host = "127.0.0.1:\(server.port)"
        let cases: [(authorization: String, options: [String])] = [
            (token, ["--secret", "id=GIT_AUTH_TOKEN,env=T"]), (token, ["--secret", "id=GIT_AUTH_TOKEN.\(host),env=T"]),
            ("basic canary-git-header", ["--secret", "id=GIT_AUTH_HEADER,env=H"]),
            (
                "basic canary-git-header",
                ["--secret", "id=GIT_AUTH_HEADER.\(host),env=H", "--secret", "id=GIT_AUTH_TOKEN.\(host),env=T"]
            ),
            (token, ["--secret", "id=GIT_AUTH_HEADER,env=H", "--secret", "id=GIT_AUTH_TOKEN.\(host),env=T"]),
        ]
        for (authorization, options) in cases {
            let repository = address(authorization, "git/a.git")
            try scratch.write("FROM scratch\nADD \(repository)#v1 /in\n", to: "context/Dockerfile")
            let without = try await build(["."], environment: variables)
            #expect(without.status == 1 && without.errorText.contains("failed to fetch remote"), "\(without.errorText)")
            let added = try await build(options + ["."], environment: variables)
            try #require(added.status == 0, "\(options): \(added.errorText)")
            #expect(try content("in/file") == "one\n")
            let asContext = try await build(options + [repository], environment: variables)
            try #require(asContext.status == 0, "\(options): \(asContext.errorText)")
            try scratch.write("FROM scratch\nCOPY --from=n /dir/inner /\n", to: "context/Dockerfile")
            let named = try await build(options + ["--build-context", "n=\(repository)", "."], environment: variables)
            try #require(named.status == 0, "\(options): \(named.errorText)")
            for secret in ["canary-git-token", "canary-git-header"] { try await expectNoTrace(of: secret, in: named) }
        }
        let wrongHost = try await build(
            ["--secret", "id=GIT_AUTH_TOKEN.example.com,env=T", address(token, "git/a.git")],
            environment: variables
        )
        #expect(wrongHost.status == 1)
        // The address of this server holds what it wants to see.
        let called = try String(contentsOfFile: log, encoding: .utf8).split(separator: "\n").filter {
            !$0.hasPrefix("http://")
        }.joined(separator: "\n")
        #expect(called.contains("ls-remote") && !called.contains("canary") && !called.contains("Authorization"))
        #expect(!called.contains(token.split(separator: " ")[1]))
    }

    @Test(.proves("A7: passwords in addresses in excerpts"))
    func `a password in an address is shown nowhere, whatever fails`() async throws {
        let secret = "PASSW0RD"
        let address = "http://usr:\(secret)@127.0.0.1:\(server.port)"
        let files = [
            "FROM scratch\nADD \(address)/none /f\n", "FROM \(address)/x\n", "FROM scratch\nBOGUS \(address)\n",
            "FROM scratch\nCOPY --from=\(address)/x a /\n", "FROM scratch\nADD \(address)/none.git /f\n",
            "FROM scratch\nADD --checksum=x \(address)/f /\n", "FROM scratch\nCOPY \(address)/f /\n",
            "FROM scratch\nENV A=\(address)\nCOPY missing /\n", "# check=error=true\nFROM scratch\nENV A \(address)\n",
        ]
        let options = [
            ["\(address)/none"], ["\(address)/none.git"], ["-f", "\(address)/none", "."],
            ["--build-context", "n=\(address)/none", "."], ["--build-context", "n=\(address)/none.git", "."],
            ["--cache-from", "\(address)/x", "."], ["--cache-from", "type=registry,ref=\(address)/x", "."],
            ["-t", address, "."], ["-o", "type=\(address)", "."], ["--add-host", address, "."],
        ]
        let encoded = Data("usr:\(secret)".utf8).base64EncodedString()
        func check(_ line: [String]) async throws {
            let failed = try await build(line, environment: ["http_proxy": "http://usr:\(secret)@127.0.0.1:1"])
            #expect(failed.status != 0, "\(line)")
            for form in [secret, encoded] { #expect(!(failed.text + failed.errorText).contains(form), "\(line)") }
        }
        for file in files {
            try scratch.write(file, to: "context/Dockerfile")
            try await check(["."])
        }
        try await check(["-D", "--progress=rawjson", "."])
        try scratch.write("FROM scratch\nCOPY --from=n a /\nCOPY missing /\n", to: "context/Dockerfile")
        for line in options { try await check(line) }
        try scratch.write("", to: "out/x")
        try scratch.write("FROM scratch\nCOPY empty /\n", to: "context/Dockerfile")
        try await expectNoTrace(of: secret, in: try await build(["."]))
    }

    @Test(.proves("ADD of git repositories", "--ssh"), .requires(.program("sshd"), .program("ssh-agent")))
    func `a repository is reached by ssh with the keys of --ssh and no others`() async throws {
        let git = GitFixture(server: server)
        try await git.makeRepository("a.git")
        let sshd = try await SSHServer.start()
        let address = "ssh://root@127.0.0.1:\(sshd.port)\(server.directory.path)/a.git"
        let known = FileManager.default.homeDirectoryForCurrentUser.appending(path: ".ssh/known_hosts")
        let before = try? Data(contentsOf: known)
        try scratch.write("FROM scratch\nADD \(address)#v1 /in\n", to: "context/Dockerfile")
        let none = try await build(["."], environment: ["SSH_AUTH_SOCK": "/nowhere"])
        #expect(none.status == 1, "\(none.errorText)")
        #expect(none.errorText.contains("no SSH key \"default\" forwarded from the client: give it with --ssh default"))
        let added = try await build(["--ssh", "default=\(sshd.key)", "."])
        try #require(added.status == 0, "\(added.errorText)")
        #expect(try content("in/file") == "one\n")
        // As a context it takes the running agent without being asked.
        let socket = scratch.path + "/agent"
        let agent = try RunningProcess.behind(["ssh-agent", "-D", "-a", socket], output: scratch.path + "/agent.log")
        defer { agent.end() }
        let variables = ["SSH_AUTH_SOCK": socket]
        for _ in 0..<200 where !FileManager.default.fileExists(atPath: socket) {
            try await Task.sleep(for: .milliseconds(50))
        }
        let empty = try await build([address], environment: variables)
        #expect(empty.status == 1 && empty.errorText.contains("Permission denied"), "\(empty.errorText)")
        let key = try await runProgram("ssh-add", ["-q", sshd.key], environment: variables)
        try #require(key.status == 0, "\(key.errorText)")
        let asContext = try await build([address], environment: variables)
        try #require(asContext.status == 0, "\(asContext.errorText)")
        #expect(try content("file") == "two\n")
        #expect((try? Data(contentsOf: known)) == before, "the user's known hosts are not touched")
    }

    @Test(.proves("ADD of git repositories"), .requires(.program("sshd")))
    func `a host must have the key that the request knows it by`() async throws {
        let git = GitFixture(server: server)
        try await git.makeRepository("a.git")
        let sshd = try await SSHServer.start()
        let text = "ssh://root@127.0.0.1:\(sshd.port)\(server.directory.path)/a.git"
        var source = GitSource(remote: try #require(GitRemote(parsing: Array(text.utf8))))
        source.agent = "default"
        let stranger = try await SSHServer.start().knownHost.split(separator: " ").dropFirst().joined(separator: " ")
        let store = try await Store.open(at: FilePath(self.store.path + "/a 'store'"), tables: .all)
        let scratch = FilePath(self.scratch.path + "/a'b c")
        try FileManager.default.createDirectory(atPath: scratch.string, withIntermediateDirectories: true)
        try await withAgents(
            [(id: "default", source: .keys([FilePath(sshd.key)]))],
            scratch: { scratch }
        ) { agents in
            for (lines, isRight) in [
                (sshd.knownHost, true), ("[127.0.0.1]:\(sshd.port) \(stranger)", false), ("# none\n", false),
            ] {
                source.knownHosts = Array(lines.utf8)
                let repositories = GitRepositories(
                    store: store,
                    variables: ["PATH": Array((ProcessInfo.processInfo.environment["PATH"] ?? "").utf8)],
                    client: ClientServices(agents: agents)
                ) { _ in }
                let wasReached: Bool
                do {
                    _ = try await repositories.resolve(source)
                    wasReached = true
                } catch is GitError {
                    wasReached = false
                }
                #expect(wasReached == isRight, "\(lines)")
            }
        }
    }
}
