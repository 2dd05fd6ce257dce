import Foundation
import Proofs
import SystemPackage
import Testing

/// `slipway --host`: this program as a client of its own daemon.
@Suite(.requires(.root, .program("crun"), .program("busybox")))
struct `Builds at a daemon` {
    private let slipway: Slipway
    private let scratch: TemporaryDirectory
    private let daemon: DaemonProcess
    /// A store that the client must leave alone.
    private let client: Slipway

    init() async throws {
        (slipway, scratch) = try Slipway.isolated()
        let root = try await makeBusyboxRoot(in: FilePath(scratch.path), name: "busybox")
        let archive = scratch.path + "/busybox.tar"
        _ = try await runProgram("tar", ["-C", root.string, "-cf", archive, "."])
        try await slipway.succeed("import", archive, "busybox:latest")
        daemon = try await DaemonProcess.start(slipway, in: scratch)
        client = Slipway(root: scratch.path + "/none")
    }

    /// Builds a directory at the daemon.
    private func build(
        _ dockerfile: String,
        _ options: String...,
        environment: [String: String] = [:]
    ) async throws -> ProgramResult {
        try scratch.write(dockerfile, to: "context/Dockerfile")
        return try await client.run(
            ["--host", daemon.host, "build", "--progress=plain"] + options + ["."],
            in: scratch.url.appending(path: "context"),
            environment: environment
        )
    }

    private func read(_ path: String) throws -> String {
        try String(contentsOf: scratch.url.appending(path: path), encoding: .utf8)
    }

    @Test(.proves("--host")) func `a directory is sent without what is ignored, and files come back`() async throws {
        try scratch.write("ignored\n", to: "context/.dockerignore")
        try scratch.write("kept", to: "context/kept")
        try scratch.write("ignored", to: "context/ignored")
        let built = try await build(
            """
            FROM busybox AS build
            ARG WHO
            COPY . /files
            RUN mkdir /out && ls /files > /out/list && echo "hello $WHO" > /out/hello
            FROM scratch
            COPY --from=build /out /
            """,
            "--build-arg",
            "WHO=daemon",
            "-o",
            "../result"
        )
        try #require(built.status == 0, "\(built.errorText)")
        #expect(try read("result/list") == "Dockerfile\nkept\n")
        #expect(try read("result/hello") == "hello daemon\n")
        #expect(built.errorText.contains("RUN mkdir /out"))
        #expect(!FileManager.default.fileExists(atPath: client.root), "the client opened a store")
    }

    @Test func `has a profile with times, and with costs beside the daemon`() async throws {
        let built = try await build("FROM busybox\nRUN sleep 0.2\n", "-o", "../result", "--profile", "../there.json")
        try #require(built.status == 0, "\(built.errorText)")
        let there = try read("there.json")
        #expect(there.contains("RUN sleep 0.2") && there.contains("\"critical\": true"), "\(there)")
        #expect(!there.contains("processorSeconds"))
        try await slipway.succeed("explain", "--profile", "here.json", in: scratch.url)
        let here = try read("here.json")
        #expect(here.contains("RUN sleep 0.2") && here.contains("processorSeconds") && here.contains("\"reason\""))
    }

    /// Starts a daemon and a build there, sends the daemon signals while the step runs, and tells the ends of both.
    private func stop(_ signals: String) async throws -> (build: String, daemon: String, log: String) {
        let busybox = scratch.path + "/busybox.tar"
        try await Slipway(root: scratch.path + "/own").succeed("import", busybox, "busybox:latest")
        try scratch.write("FROM busybox\nRUN echo begun; sleep 2; echo made > /made\n", to: "context/Dockerfile")
        let script = """
            "$1" daemon --root "$2" --addr "unix://$3/own.sock" 2> "$3/daemon.log" & daemon=$!
            until grep -q running "$3/daemon.log"; do sleep 0.05; done
            "$1" --host "unix://$3/own.sock" build --progress=plain --no-cache -o "$3/made" "$3/context" 2> "$3/build.log" & build=$!
            until grep -q ' begun$' "$3/build.log"; do sleep 0.05; done
            for signal in \(signals); do
              kill -"$signal" $daemon
              until grep -q stopping "$3/daemon.log"; do sleep 0.05; done
              "$1" --host "unix://$3/own.sock" build "$3/context" 2> "$3/late.log" && exit 9
            done
            wait $build; echo "build $?"; wait $daemon; echo "daemon $?"
            """
        let binary = try Slipway.binary
        let ended = try await runProgram("sh", ["-c", script, "sh", binary, scratch.path + "/own", scratch.path])
        let lines = ended.text.split(separator: "\n").map(String.init)
        try #require(lines.count == 2, "\(ended.text)\(ended.errorText)")
        return (lines[0], lines[1], try read("daemon.log") + read("build.log"))
    }

    @Test func `go on to their end when the daemon is asked to stop, and no other begins`() async throws {
        let ended = try await stop("TERM")
        #expect(ended.build == "build 0", "\(ended.log)")
        #expect(ended.daemon == "daemon 0", "\(ended.log)")
        #expect(try read("made/made") == "made\n")
    }

    @Test func `are ended by a second signal`() async throws {
        let ended = try await stop("TERM TERM")
        #expect(ended.build == "build 1", "\(ended.log)")
        #expect(ended.daemon == "daemon 0", "\(ended.log)")
        try await Slipway(root: scratch.path + "/own").succeed("system", "check")
    }

    @Test(.proves("--host")) func `the image is the one that a build in the process gives`() async throws {
        let dockerfile = """
            FROM busybox
            LABEL of=both
            COPY Dockerfile /file
            RUN echo 1 > /one && chmod 700 /one
            CMD ["cat", "/one"]
            """
        let options = ["--build-arg", "SOURCE_DATE_EPOCH=1700000000"]
        try scratch.write(dockerfile, to: "context/Dockerfile")
        var digests: Set<String> = []
        for (name, host) in [("here", []), ("there", ["--host", daemon.host])] {
            let program = name == "here" ? slipway : client
            let built = try await program.run(
                host + ["build", "--no-cache"] + options
                    + ["-o", "type=oci,rewrite-timestamp=true,dest=../\(name).tar", "--metadata-file=../\(name)", "."],
                in: scratch.url.appending(path: "context")
            )
            try #require(built.status == 0, "\(built.errorText)")
            let metadata = try JSONSerialization.jsonObject(with: Data(try read(name).utf8)) as? [String: Any]
            digests.insert(try #require(metadata?["containerimage.digest"] as? String))
        }
        #expect(digests.count == 1)
    }

    @Test(.proves("--host")) func `without an output the daemon keeps the image under its names`() async throws {
        let built = try await build("FROM busybox\nRUN echo a > /a\n", "-t", "made:1", "--iidfile", "../id")
        try #require(built.status == 0, "\(built.errorText)")
        let listed = try await slipway.succeed("images", "--no-trunc", "--format", "{{.Tag}} {{.ID}}", "made")
        #expect(listed == "1 \(try read("id"))\n")
        let quiet = try await build("FROM busybox\nRUN echo a > /a\n", "-q", "--progress=quiet")
        #expect(quiet.text == "\(try read("id"))\n")
        #expect(quiet.errorText.isEmpty)
    }

    @Test(.proves("--host")) func `a step that fails is shown with its lines and its output`() async throws {
        let dockerfile = "FROM busybox\n\nRUN echo before; exit 3\n"
        let there = try await build(dockerfile)
        #expect(there.status == 1)
        let frame =
            "Dockerfile:3\n--------------------\n   1 |     FROM busybox\n   2 |     \n   3 | >>> RUN echo before; exit 3\n"
        #expect(there.errorText.contains(frame))
        #expect(there.errorText.contains("ERROR: failed to build: failed to solve: process"))
        #expect(there.errorText.contains("did not complete successfully: exit code: 3"))
        #expect(there.errorText.contains("before"))
        let wrong = try await build("FROM busybox\nCOPPY a b\n")
        #expect(wrong.status == 1)
        #expect(wrong.errorText.contains("   2 | >>> COPPY a b\n"))
    }

    @Test(.proves("--host")) func `secrets reach steps, and one that is missing is an error`() async throws {
        try scratch.write("of a file", to: "secret")
        let dockerfile = """
            FROM busybox AS build
            RUN --mount=type=secret,id=a,required --mount=type=secret,id=b,env=B,required mkdir /out && \\
                cat /run/secrets/a > /out/a && echo "$B" > /out/b
            FROM scratch
            COPY --from=build /out /
            """
        let options = ["--secret", "id=a,src=../secret", "--secret", "id=b,env=TOLD", "-o", "../secrets"]
        try scratch.write(dockerfile, to: "context/Dockerfile")
        let built = try await client.run(
            ["--host", daemon.host, "build"] + options + ["."],
            in: scratch.url.appending(path: "context"),
            environment: ["TOLD": "of a variable"]
        )
        try #require(built.status == 0, "\(built.errorText)")
        #expect(try read("secrets/a") == "of a file")
        #expect(try read("secrets/b") == "of a variable\n")
        let missing = try await build("FROM busybox\nRUN --mount=type=secret,id=c,required true\n")
        #expect(missing.status == 1)
        #expect(missing.errorText.contains("secret c: not found"))
    }

    @Test(.proves("--host")) func `a Dockerfile and an archive come from standard input`() async throws {
        let host = ["--host", daemon.host, "build", "-o", "../input"]
        let directory = scratch.url.appending(path: "context")
        try scratch.write("content", to: "context/file")
        let dockerfile = Array("FROM scratch\nCOPY file /copied\n".utf8)
        let beside = try await client.run(host + ["-f", "-", "."], in: directory, input: dockerfile)
        try #require(beside.status == 0, "\(beside.errorText)")
        #expect(try read("input/copied") == "content")
        try scratch.write("FROM scratch\nCOPY file /unpacked\n", to: "context/Dockerfile")
        let archive = try await runProgram("tar", ["-czf", "-", "Dockerfile", "file"], in: directory)
        let packed = try await client.run(host + ["-"], in: directory, input: archive.output)
        try #require(packed.status == 0, "\(packed.errorText)")
        #expect(try read("input/unpacked") == "content")
        let alone = try await client.run(
            ["--host", daemon.host, "build", "-o", "../alone", "-"],
            in: directory,
            input: Array("FROM busybox AS a\nRUN echo alone > /f\nFROM scratch\nCOPY --from=a /f /\n".utf8)
        )
        try #require(alone.status == 0, "\(alone.errorText)")
        #expect(try read("alone/f") == "alone\n")
    }

    @Test(.proves("--host")) func `named contexts are sent as well, and links of theirs`() async throws {
        try scratch.write("other", to: "other/deep/file")
        try FileManager.default.createSymbolicLink(
            atPath: scratch.path + "/other/link",
            withDestinationPath: "deep/file"
        )
        let built = try await build(
            "FROM scratch\nCOPY --from=more deep /deep\nCOPY --from=more link /link\n",
            "--build-context",
            "more=../other",
            "-o",
            "../named"
        )
        try #require(built.status == 0, "\(built.errorText)")
        #expect(try read("named/deep/file") == "other")
        #expect(try read("named/link") == "other")
    }

    @Test(.proves("--host")) func `layouts of the client are written and built on`() async throws {
        let made = try await build(
            "FROM busybox\nRUN echo layout > /made\n",
            "-t",
            "example.com/made:2",
            "-o",
            "type=oci,tar=false,dest=../layout"
        )
        try #require(made.status == 0, "\(made.errorText)")
        let index = try read("layout/index.json")
        #expect(index.contains("example.com/made:2"))
        let built = try await build(
            "FROM scratch\nCOPY --from=base /made /copied\n",
            "--build-context",
            "base=oci-layout://../layout:2",
            "-o",
            "../from"
        )
        try #require(built.status == 0, "\(built.errorText)")
        #expect(try read("from/copied") == "layout\n")
    }

    @Test(.proves("--host")) func `a cache in a directory of the client is written and read`() async throws {
        let dockerfile = "FROM busybox\nRUN echo expensive > /made\n"
        let written = try await build(dockerfile, "--cache-to", "type=local,dest=../cache,mode=max")
        try #require(written.status == 0, "\(written.errorText)")
        try await slipway.succeed("builder", "prune", "--all", "--force")
        let read = try await build(dockerfile, "--cache-from", "type=local,src=../cache")
        try #require(read.status == 0, "\(read.errorText)")
        #expect(read.errorText.contains("RUN echo expensive > /made\n") && read.errorText.contains("CACHED"))
        let none = try await build(dockerfile, "--cache-from", "type=local,src=../nothing")
        #expect(none.status == 0)
        #expect(none.errorText.contains("no digest found for tag latest"))
    }

    @Test(.proves("--host")) func `an output that deletes leaves nothing else in its directory`() async throws {
        try scratch.write("old", to: "context/result/old")
        let dockerfile = "FROM scratch\nCOPY Dockerfile /new\n"
        let kept = try await build(dockerfile, "-o", "result")
        try #require(kept.status == 0, "\(kept.errorText)")
        #expect(try read("context/result/old") == "old")
        let deleted = try await build(dockerfile, "-o", "type=local,dest=result,mode=delete")
        try #require(deleted.status == 0, "\(deleted.errorText)")
        #expect(try FileManager.default.contentsOfDirectory(atPath: scratch.path + "/context/result") == ["new"])
    }

    @Test(.proves("--host")) func `questions about a Dockerfile are answered as in the process`() async throws {
        try scratch.write("FROM busybox AS base\nfrom base\nARG A=1\nCMD echo a\n", to: "context/Dockerfile")
        for question in ["--check", "--call=outline", "--call=targets", "--call=targets,format=json"] {
            let directory = scratch.url.appending(path: "context")
            let here = try await slipway.run(["build", question, "."], in: directory)
            let there = try await client.run(["--host", daemon.host, "build", question, "."], in: directory)
            #expect(there.text == here.text, "\(question): \(there.errorText)")
            #expect(there.status == here.status)
        }
    }

    @Test(.proves("--host")) func `Ctrl-C ends the build at the daemon`() async throws {
        try scratch.write("FROM busybox\nRUN touch /started && sleep 1000.5\n", to: "context/Dockerfile")
        let log = scratch.path + "/build.log"
        let process = Process()
        process.executableURL = URL(filePath: try Slipway.binary)
        process.arguments = ["--host", daemon.host, "build", "--progress=plain", scratch.path + "/context"]
        try Data().write(to: URL(filePath: log))
        process.standardError = try FileHandle(forWritingTo: URL(filePath: log))
        try process.run()
        func isRunning() throws -> Bool {
            try FileManager.default.contentsOfDirectory(atPath: "/proc").contains { entry in
                guard Int(entry) != nil, let line = FileManager.default.contents(atPath: "/proc/\(entry)/cmdline")
                else {
                    return false
                }
                return String(decoding: line, as: UTF8.self) == "sleep\u{0}1000.5\u{0}"
            }
        }
        while try !isRunning() {
            let said = try String(contentsOfFile: log, encoding: .utf8)
            try #require(process.isRunning, "\(said)")
            try await Task.sleep(for: .milliseconds(20))
        }
        process.interrupt()
        while process.isRunning { try await Task.sleep(for: .milliseconds(20)) }
        #expect(process.terminationStatus == 130)
        while try isRunning() { try await Task.sleep(for: .milliseconds(20)) }
        #expect(try String(contentsOfFile: log, encoding: .utf8).contains("CANCELED"))
    }

    @Test(.proves("--host")) func `a daemon that is gone, or goes, is an error that names it`() async throws {
        let nowhere = try await client("--host", "unix://\(scratch.path)/nowhere", "build", scratch.path)
        #expect(nowhere.status == 1)
        #expect(
            nowhere.errorText.contains("cannot connect to unix://\(scratch.path)/nowhere: no such file or directory")
        )
        // What a step runs outlives a daemon that is killed, and holds what it inherited: it must not run for long.
        try scratch.write("FROM busybox\nRUN sleep 4\n", to: "context/Dockerfile")
        let log = scratch.path + "/build.log"
        let build = try RunningProcess(
            try Slipway.binary,
            ["--host", daemon.host, "build", "--progress=plain", scratch.path + "/context"],
            output: log
        )
        while try !String(contentsOfFile: log, encoding: .utf8).contains("RUN sleep") {
            try await Task.sleep(for: .milliseconds(20))
        }
        let before = try String(contentsOfFile: log, encoding: .utf8)
        daemon.kill()
        try #require(!before.contains("DONE 4"), "the step ended before the daemon was ended")
        while build.isRunning { try await Task.sleep(for: .milliseconds(20)) }
        let said = try String(contentsOfFile: log, encoding: .utf8)
        #expect(said.contains("ERROR: failed to build: lost the connection to the daemon at \(daemon.host)"))
    }

    @Test(.proves("--host")) func `the cache of the daemon is listed and pruned`() async throws {
        let built = try await build("FROM busybox\nRUN echo listed > /a\n")
        try #require(built.status == 0, "\(built.errorText)")
        let listed = try await client.succeed(
            "--host",
            daemon.host,
            "builder",
            "du",
            "--filter",
            "type=regular",
            "--format",
            "{{.Description}}"
        )
        #expect(listed.contains("echo listed"))
        let told = try await client.succeed("--host", daemon.host, "info", "--format", "{{.ServerVersion}}")
        #expect(told.hasPrefix("Slipway "))
        let pruned = try await client.succeed("--host", daemon.host, "builder", "prune", "--all", "--force")
        #expect(pruned.contains("Total reclaimed space"))
        let left = try await client.succeed("--host", daemon.host, "builder", "du", "--format", "{{.Description}}")
        #expect(!left.contains("echo listed"))
    }

    @Test(.proves("--host")) func `a command that works on this machine alone says so`() async throws {
        let images = try await client("--host", daemon.host, "images")
        #expect(images.status == 1)
        #expect(images.errorText.contains("slipway images works on the store of this machine"))
        let named = try await client("ps", environment: ["SLIPWAY_HOST": daemon.host])
        #expect(named.status == 1)
        let local = try await slipway("--host", "", "images", environment: ["SLIPWAY_HOST": daemon.host])
        #expect(local.status == 0, "\(local.errorText)")
    }
}
