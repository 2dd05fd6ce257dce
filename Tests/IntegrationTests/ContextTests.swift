import Foundation
import Proofs
import Testing
import Text

/// Build contexts that are no directory.
@Suite(.requires(.root, .program("crun"), .program("git"), .program("python3")))
struct `Contexts from elsewhere` {
    private let scratch: TemporaryDirectory
    private let slipway: Slipway
    private let store: TemporaryDirectory

    init() throws {
        scratch = try TemporaryDirectory()
        (slipway, store) = try Slipway.isolated()
    }

    private func build(_ options: String..., input: [UInt8] = []) async throws -> ProgramResult {
        try await slipway.run(
            ["build", "--progress=plain", "-o", "type=local,dest=out"] + options,
            in: scratch.url,
            input: input
        )
    }

    private func content(_ name: String) throws -> String {
        try String(contentsOf: scratch.url.appending(path: "out/\(name)"), encoding: .utf8)
    }

    /// An archive of a directory with a Dockerfile.
    private func archive(_ compression: String) async throws -> [UInt8] {
        try scratch.write("FROM scratch\nCOPY . /\n", to: "tree/Dockerfile")
        try scratch.write("FROM scratch\nCOPY a /other\n", to: "tree/sub/Other")
        try scratch.write("A\n", to: "tree/a")
        try scratch.write("a\n", to: "tree/.dockerignore")
        let made = try await runProgram("tar", ["-C", "tree", "-c", compression, "-f", "-", "."], in: scratch.url)
        try #require(made.status == 0, "\(made.errorText)")
        return made.output
    }

    @Test(
        .proves("Main context: standard input, git, URL"),
        arguments: ["--no-auto-compress", "--gzip", "--bzip2", "--xz", "--zstd"]
    )
    func `an archive on standard input is unpacked`(compression: String) async throws {
        let archive = try await archive(compression)
        let result = try await build("-", input: archive)
        try #require(result.status == 0, "\(result.errorText)")
        // Nothing is left out: the ignore file is for directories of this machine.
        #expect(try content("a") == "A\n")
        let other = try await build("-f", "sub/Other", "-", input: archive)
        try #require(other.status == 0, "\(other.errorText)")
        #expect(try content("other") == "A\n")
    }

    @Test(.proves("Main context: standard input, git, URL"))
    func `anything else on standard input is a Dockerfile without files`() async throws {
        let result = try await build("-", input: "FROM scratch\nCOPY <<EOF /f\nhello\nEOF\n")
        try #require(result.status == 0, "\(result.errorText)")
        #expect(try content("f") == "hello\n")
        let missing = try await build("-", input: "FROM scratch\nCOPY f /f\n")
        #expect(missing.status == 1 && missing.errorText.contains("\"/f\": not found"))
        let empty = try await build("-")
        #expect(empty.status == 1 && empty.errorText.contains("standard input is empty"))
        let both = try await build("-f", "-", "-")
        #expect(both.status == 1)
        #expect(both.errorText.contains("can't use stdin for both build context and dockerfile"))
        let ambiguous = try await build("-f", "x", "-", input: "FROM scratch\nCOPY <<E /f\nE\n")
        #expect(ambiguous.status == 1 && ambiguous.errorText.contains("ambiguous Dockerfile source"))
    }

    @Test(.proves("C24: empty values of flags, an"))
    func `an ignore file that is not a file is passed over, and an empty context is refused`() async throws {
        try scratch.write("FROM scratch\nCOPY . /\n", to: "Dockerfile")
        try scratch.write("Dockerfile\n", to: "dockerfile.dockerignore")
        try scratch.write("x\n", to: ".dockerignore/x")
        let built = try await build(".")
        try #require(built.status == 0, "\(built.errorText)")
        #expect(try content(".dockerignore/x") == "x\n")
        #expect(try content("Dockerfile").hasPrefix("FROM"))
        let refused = try await build("")
        #expect(refused.status == 1 && refused.errorText.contains("please specify build context"))
        let plain = try await build("-f", "", "--secret", "", "--ssh", "", "--iidfile", "", "--add-host", "", ".")
        #expect(plain.status == 0, "\(plain.errorText)")
    }

    @Test(.proves("BUILDKIT_INLINE_CACHE, BUILDKIT_BUILD_NAME", "Main context: standard input, git, URL"))
    func `a repository is a context, with a directory of it as root`() async throws {
        let git = try await GitFixture()
        try await git.makeRepository("a.git")
        let address = git.address("a.git")
        let result = try await build("\(address)#v1")
        try #require(result.status == 0, "\(result.errorText)")
        #expect(try content("file") == "one\n")
        let kept = try await build("\(address)#v1", "--build-arg", "BUILDKIT_CONTEXT_KEEP_GIT_DIR=true")
        try #require(kept.status == 0, "\(kept.errorText)")
        #expect(FileManager.default.fileExists(atPath: scratch.url.appending(path: "out/.git/HEAD").path))
        let missing = try await build("\(address)#main:dir")
        #expect(missing.status == 1 && missing.errorText.contains("failed to read dockerfile: open Dockerfile"))
        let given = try await slipway.run(
            ["build", "-f", "-", "-o", "type=local,dest=out", "\(address)#main:dir"],
            in: scratch.url,
            input: "FROM scratch\nCOPY inner /renamed\n"
        )
        try #require(given.status == 0, "\(given.errorText)")
        #expect(try content("renamed") == "inner\n")
    }

    @Test(.proves("Main context: standard input, git, URL"))
    func `a web server's archive is a context and any other file a Dockerfile`() async throws {
        let server = try await WebServer.start()
        let archive = try await archive("--gzip")
        try Data(archive).write(to: server.directory.appending(path: "c.tgz"))
        let unpacked = try await build("\(server.address)/c.tgz")
        try #require(unpacked.status == 0, "\(unpacked.errorText)")
        #expect(try content("a") == "A\n")
        try server.put("FROM scratch\nCOPY context /Dockerfile.copy\n", at: "Dockerfile")
        let single = try await build("\(server.address)/Dockerfile")
        try #require(single.status == 0, "\(single.errorText)")
        #expect(try content("Dockerfile.copy") == "FROM scratch\nCOPY context /Dockerfile.copy\n")
        let named = try await build("-f", "Other", "\(server.address)/Dockerfile")
        #expect(named.status == 0, "\(named.errorText)")
        let missing = try await build("\(server.address)/none")
        #expect(missing.status == 1 && missing.errorText.contains("invalid response status 404"))
    }

    @Test(.proves("-f, --file")) func `the Dockerfile of a directory may come from a web server or standard input`()
        async throws
    {
        let server = try await WebServer.start()
        try server.put("FROM scratch\nCOPY a /from-server\n", at: "Remote")
        try scratch.write("A\n", to: "tree/a")
        let remote = try await build("-f", "\(server.address)/Remote", "tree")
        try #require(remote.status == 0, "\(remote.errorText)")
        #expect(try content("from-server") == "A\n")
        let input = try await build("-f", "-", "tree", input: "FROM scratch\nCOPY a /from-input\n")
        try #require(input.status == 0, "\(input.errorText)")
        #expect(try content("from-input") == "A\n")
    }

    @Test func `hostile archives change and show nothing of the host`() async throws {
        let canary = scratch.url.appending(path: "canary")
        try Data("untouched".utf8).write(to: canary)
        let script = """
            import io, sys, tarfile
            out = tarfile.open(fileobj=sys.stdout.buffer, mode="w|")
            def add(name, content=b"", **fields):
                entry = tarfile.TarInfo(name)
                entry.size = len(content)
                for field, value in fields.items():
                    setattr(entry, field, value)
                out.addfile(entry, io.BytesIO(content))
            add("Dockerfile", b"FROM scratch\\nCOPY . /\\n")
            add("../../../../..\(canary.path)", b"changed")
            add("\(canary.path)", b"changed")
            add("out", type=tarfile.SYMTYPE, linkname="\(scratch.path)")
            add("out/canary", b"changed")
            add("hard", type=tarfile.LNKTYPE, linkname="\(canary.path)")
            add("passwd", type=tarfile.SYMTYPE, linkname="/etc/passwd")
            out.close()
            """
        let made = try await runProgram("python3", ["-c", script])
        try #require(made.status == 0, "\(made.errorText)")
        let result = try await build("-", input: made.output)
        #expect(try String(contentsOf: canary, encoding: .utf8) == "untouched")
        if result.status == 0 {
            let link = scratch.url.appending(path: "out/passwd").path
            #expect(try FileManager.default.destinationOfSymbolicLink(atPath: link) == "/etc/passwd")
        }
        let escape =
            "import sys, tarfile\\nt = tarfile.open(fileobj=sys.stdout.buffer, mode='w|')\\n"
            + "e = tarfile.TarInfo('Dockerfile')\\ne.type = tarfile.SYMTYPE\\ne.linkname = '\(canary.path)'\\nt.addfile(e)\\nt.close()"
        let linked = try await runProgram("python3", ["-c", escape.replacingOccurrences(of: "\\n", with: "\n")])
        try #require(linked.status == 0, "\(linked.errorText)")
        let refused = try await build("-", input: linked.output)
        #expect(refused.status == 1 && !refused.errorText.contains("untouched"))
    }

    @Test(arguments: ["--upload-pack=x@h:y", "-x@h:y", "file:///srv/a.git", "ext::sh -c true"])
    func `what only looks like an address is a directory that is not there`(argument: String) async throws {
        let result = try await build("--", argument)
        #expect(result.status == 1)
        #expect(result.errorText.contains("not found"), "\(result.errorText)")
    }
}
