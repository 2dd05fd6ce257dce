import Foundation
import Proofs
import Testing

/// Builds on a small base: what the language promises, seen from outside.
@Suite(.requires(.root, .program("crun")))
struct `Building` {
    private let scratch: TemporaryDirectory

    init() throws { scratch = try TemporaryDirectory() }

    /// Writes the files of a context and builds it.
    private func build(
        _ dockerfile: String,
        files: [String: String] = [:],
        _ options: String...,
        sourceLocation: SourceLocation = #_sourceLocation
    ) async throws -> ProgramResult {
        for (name, text) in files { try scratch.write(text, to: "context/\(name)") }
        return try await Slipway.shared().build(dockerfile, options, in: scratch)
    }

    /// Builds files that must come about and gives what a command prints in them.
    private func output(
        of command: [String],
        _ dockerfile: String,
        files: [String: String] = [:],
        sourceLocation: SourceLocation = #_sourceLocation
    ) async throws -> String {
        let built = try await build(dockerfile, files: files, "-o", "type=tar,dest=../result.tar")
        try #require(built.status == 0, "\(built.errorText)", sourceLocation: sourceLocation)
        let root = scratch.url.appending(path: "root-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: root, withIntermediateDirectories: true)
        let archive = scratch.url.appending(path: "result.tar").path
        let unpacked = try await runProgram("tar", ["--numeric-owner", "-xpf", archive, "-C", root.path])
        try #require(unpacked.status == 0, "\(unpacked.errorText)", sourceLocation: sourceLocation)
        let ran = try await runProgram("chroot", [root.path] + command, environment: ["PATH": "/bin:/usr/sbin:/sbin"])
        try #require(ran.status == 0, "\(ran.errorText)", sourceLocation: sourceLocation)
        return ran.text
    }

    @Test(.proves("Main context: directory")) func `files are copied with their names, contents and modes`()
        async throws
    {
        let text = try await output(
            of: ["sh", "-c", "cd /srv && find . | sort && cat b/c.txt && stat -c '%a %u:%g' b/c.txt moved"],
            """
            FROM busybox
            WORKDIR /srv
            COPY . .
            COPY --chown=1000:app --chmod=741 a.txt moved
            """,
            files: ["a.txt": "A\n", "b/c.txt": "C\n", ".dockerignore": "Dockerfile\n.dockerignore\n"]
        )
        #expect(text == ".\n./a.txt\n./b\n./b/c.txt\n./moved\nC\n644 0:0\n741 1000:1000\n")
    }

    @Test func `stages share files and only needed ones are built`() async throws {
        let text = try await output(
            of: ["cat", "/out"],
            """
            FROM busybox AS unused
            RUN exit 1
            FROM busybox AS maker
            ARG WHO=world
            RUN echo "hello $WHO" > /made
            FROM busybox
            COPY --from=maker /made /out
            """
        )
        #expect(text == "hello world\n")
    }

    @Test(.proves("USER (meaning)")) func `environment, user, shell and directory reach RUN and the image`()
        async throws
    {
        let text = try await output(
            of: ["sh", "-c", "cat /data/in/note /data/in/uid"],
            """
            FROM busybox
            ENV GREETING="good day" WHERE=/data
            WORKDIR $WHERE/in
            RUN echo "$GREETING from $(pwd)" > note && chown -R app:app .
            USER app
            RUN id -u > uid
            """
        )
        #expect(text == "good day from /data/in\n1000\n")
    }

    @Test func `heredocs are scripts and files`() async throws {
        let text = try await output(
            of: ["sh", "-c", "cat /made /conf"],
            """
            FROM busybox
            ARG NAME=value
            RUN <<EOF
            echo one > /made
            echo two >> /made
            EOF
            COPY <<EOF /conf
            name=$NAME
            EOF
            """
        )
        #expect(text == "one\ntwo\nname=value\n")
    }

    @Test(.proves("ADD of archives")) func `archives are extracted by ADD`() async throws {
        let made = try await runProgram(
            "sh",
            ["-c", "mkdir -p tree/d context && echo x > tree/d/f && tar -C tree -czf context/a.tgz ."],
            in: scratch.url
        )
        try #require(made.status == 0)
        let text = try await output(of: ["cat", "/opt/d/f"], "FROM busybox\nADD a.tgz /opt/\n")
        #expect(text == "x\n")
    }

    @Test func `what RUN removes is gone and what the engine needed is not left`() async throws {
        let text = try await output(
            of: ["sh", "-c", "ls /a; ls -A /etc"],
            """
            FROM busybox
            RUN mkdir /a && touch /a/keep /a/drop
            RUN rm /a/drop
            """
        )
        #expect(text.split(separator: "\n").first == "keep")
        #expect(!text.contains("drop"))
    }

    @Test(
        .proves("Exit statuses", "The builder before BuildKit"),
        arguments: [
            (
                "FROM busybox\nRUNN true\n",
                ["unknown instruction: RUNN", "did you mean RUN?", "Dockerfile:2", ">>> RUNN true"]
            ),
            ("FROM busybox\nCOPY asets /\n", ["\"/asets\": not found", "assets", "Dockerfile:2"]),
            ("FROM busybox AS build\nFROM busybox\nCOPY --from=biuld /x /\n", ["biuld", "build", "Dockerfile:3"]),
            (
                "FROM busybox\nRUN echo before; exit 7\n",
                [
                    "before", "did not complete successfully: exit code: 7", "Dockerfile:2",
                    ">>> RUN echo before; exit 7",
                ]
            ),
            ("FROM no-such-image-here:1\nRUN true\n", ["no-such-image-here:1", "Dockerfile:1"]),
            ("", ["cannot be empty"]),
            ("# nothing\n", ["no instructions"]),
            ("RUN true\n", ["no build stage in current context"]),
        ]
    )
    func `a mistake is shown with its place and what may have been meant`(dockerfile: String, texts: [String])
        async throws
    {
        let result = try await build(dockerfile, files: ["assets/a": "a"])
        #expect(result.status == 1)
        for text in texts { #expect(result.errorText.contains(text), "\(result.errorText)") }
    }

    @Test(.proves("--target")) func `an unknown target is named with the nearest stage`() async throws {
        let result = try await build("FROM busybox AS production\n", "--target", "producton")
        #expect(result.status == 1)
        #expect(result.errorText.contains("target stage \"producton\" could not be found"))
        #expect(result.errorText.contains("production"))
    }

    @Test func `a missing context or Dockerfile is reported plainly`() async throws {
        let slipway = try await Slipway.shared()
        let noContext = try await slipway("build", "/no/such/context")
        #expect(noContext.status == 1)
        #expect(noContext.errorText.contains("unable to prepare context: path \"/no/such/context\" not found"))
        let noDockerfile = try await slipway("build", scratch.path)
        #expect(noDockerfile.status == 1)
        #expect(
            noDockerfile.errorText.contains("failed to read dockerfile: open Dockerfile: no such file or directory")
        )
    }

    @Test(.proves("Which file is read", "Ignored Dockerfile"))
    func `an ignore file beside the Dockerfile goes before the context's`() async throws {
        let text = try await output(
            of: ["sh", "-c", "cd /srv && find . -type f | sort"],
            "FROM busybox\nCOPY . /srv\n",
            files: [
                "a": "", "b": "", ".dockerignore": "a\n",
                // The Dockerfile is read although it is ignored.
                "Dockerfile.dockerignore": "# of this Dockerfile\nb\nDockerfile*\n",
            ]
        )
        #expect(text == "./.dockerignore\n./a\n")
    }

    @Test(.proves("check", "format=, ignorestatus=", "--call, --check, --print", "Exit statuses"))
    func `checks are printed, and their status is 1 where something was found`() async throws {
        let dockerfile = "FROM scratch AS Base\n"
        let found = try await build(dockerfile, "--check")
        #expect(found.status == 1)
        #expect(found.text.hasPrefix("Check complete, 1 warning has been found!\n\nWARNING: StageNameCasing - https:"))
        #expect(try await build(dockerfile, "--call=check,ignorestatus=true").status == 0)
        let clean = try await build("FROM scratch\n", "--call=lint")
        #expect(clean.status == 0)
        #expect(clean.text == "Check complete, no warnings found.\n")
        let document = try await build(dockerfile, "--call=check,format=json")
        #expect(document.status == 1)
        #expect(try JSONSerialization.jsonObject(with: Data(document.text.utf8)) is [String: Any])
        let broken = try await build("FROM scratch\nRUNN x\n", "--check")
        #expect(broken.status == 1)
        #expect(broken.text == "")
        #expect(broken.errorText.contains("ERROR: dockerfile parse error on line 2: unknown instruction: RUNN"))
        let targets = try await build("# a is it\nFROM scratch AS a\n", "--call=targets", "--target", "a")
        #expect(targets.text == "TARGET      DESCRIPTION\na (default) is it\n")
        let unknown = try await build(dockerfile, "--call=compile")
        #expect(unknown.status == 1)
        #expect(
            unknown.errorText.contains("ERROR: failed to build: failed to solve: unsupported request frontend.compile")
        )
    }

    @Test(.proves("convertllb")) func `the graph is printed as a document, whose digests are those of the graph`()
        async throws
    {
        let dockerfile = "FROM scratch\nCOPY a /b\nCOPY d /c\n"
        let printed = try await build(dockerfile, "--call=convertllb,format=json")
        try #require(printed.status == 0, "\(printed.errorText)")
        let object = try JSONSerialization.jsonObject(with: Data(printed.text.utf8))
        let document = try #require(object as? [String: [String: Any]])
        let operations = try #require(document["def"] as? [String: [String: Any]])
        let inputs = operations.values.flatMap { $0["inputs"] as? [[String: Any]] ?? [] }
        let named = Set(inputs.compactMap { $0["digest"] as? String })
        // What operations are built on is there under its digest; nothing is built on the last one, which has the target.
        #expect(named.isSubset(of: operations.keys) && operations.count == named.count + 1)
        let places = try #require(document["source"]?["locations"] as? [String: Any])
        #expect(Set(places.keys).isSubset(of: operations.keys) && !places.isEmpty)
        let copies = operations.values.compactMap { ($0["file"] as? [String: Any])?["actions"] as? [[String: Any]] }
        let destinations = copies.flatMap { $0 }.compactMap { ($0["copy"] as? [String: Any])?["dest"] as? String }
        #expect(Set(destinations) == ["/b", "/c"])
    }

    @Test(.proves("warnings")) func `findings are shown after a build, also after one that fails`() async throws {
        let heading = "\n 1 warning found (use --debug to expand):\n"
        let line = "StageNameCasing: Stage name 'Base' should be lowercase (line 1)\n"
        let built = try await build("FROM scratch AS Base\n")
        #expect(built.status == 0)
        #expect(built.errorText.contains("#1 WARN: " + line))
        #expect(built.errorText.hasSuffix(heading + " - " + line))
        let failed = try await build("# check=error=true\nFROM scratch AS Base\n")
        #expect(failed.status == 1)
        #expect(failed.errorText.contains(heading))
        #expect(failed.errorText.contains("failed to solve: lint violation found for rules: StageNameCasing"))
        let expanded = try await Slipway.shared().run(
            ["-D", "build", "--progress=plain", "."],
            in: scratch.url.appending(path: "context")
        )
        #expect(expanded.errorText.contains("More info: https://docs.docker.com/go/dockerfile/rule/stage-name-casing/"))
        #expect(expanded.errorText.contains("   2 | >>> FROM scratch AS Base"))
    }

    @Test(.proves("-o, --output", "-t, --tag", "tar", "cacheonly, none", "Short forms"))
    func `results are exported as files and archives`() async throws {
        let dockerfile = "FROM scratch\nCOPY a.txt /dir/a.txt\n"
        let directory = try await build(dockerfile, files: ["a.txt": "A\n"], "-o", "out")
        try #require(directory.status == 0, "\(directory.errorText)")
        let context = scratch.url.appending(path: "context")
        #expect(try String(contentsOf: context.appending(path: "out/dir/a.txt"), encoding: .utf8) == "A\n")
        let tar = try await build(dockerfile, "-o", "type=tar,dest=out.tar")
        try #require(tar.status == 0, "\(tar.errorText)")
        let listed = try await runProgram("tar", ["-tf", "out.tar"], in: context)
        #expect(listed.text == "dir/\ndir/a.txt\n")
        let oci = try await build(dockerfile, "-t", "exported:1", "-o", "type=oci,dest=oci.tar")
        try #require(oci.status == 0, "\(oci.errorText)")
        let inspected = try await runProgram("skopeo", ["inspect", "oci-archive:oci.tar"], in: context)
        #expect(inspected.status == 0, "\(inspected.errorText)")
        let docker = try await build(dockerfile, "-t", "exported:1", "-o", "type=docker,dest=docker.tar")
        try #require(docker.status == 0, "\(docker.errorText)")
        let read = try await runProgram(
            "skopeo",
            ["inspect", "--format", "{{.Layers}}", "docker-archive:docker.tar"],
            in: context
        )
        #expect(read.status == 0, "\(read.errorText)")
    }

    @Test(.proves("--iidfile", "-q, --quiet", "quiet"))
    func `the same build gives the same image id, and says so in its file`() async throws {
        let dockerfile = "FROM busybox\nCOPY a.txt /\nRUN echo done > /done\nLABEL a=b\n"
        try scratch.write(dockerfile, to: "context/Dockerfile")
        try scratch.write("A\n", to: "context/a.txt")
        let slipway = try await Slipway.shared()
        let context = scratch.url.appending(path: "context")
        let first = try await slipway("build", "-q", ".", in: context)
        let second = try await slipway("build", "-q", "--iidfile", "id", ".", in: context)
        #expect(first.status == 0 && second.status == 0)
        #expect(first.text == second.text)
        #expect(first.text.hasPrefix("sha256:"))
        let file = scratch.url.appending(path: "context/id")
        #expect(try String(contentsOf: file, encoding: .utf8) == first.text.trimmingCharacters(in: .newlines))
    }

    @Test(.proves("Exit statuses")) func `Ctrl-C ends the build and its processes`() async throws {
        try scratch.write("FROM busybox\nRUN sleep 987.123\n", to: "context/Dockerfile")
        let slipway = try await Slipway.shared()
        let script = """
            "\(try Slipway.binary)" build --progress=plain context > log 2>&1 &
            build=$!
            for i in $(seq 200); do pgrep -f 'sleep 987[.]123' > /dev/null && break; sleep 0.05; done
            kill -INT $build; wait $build; echo "status $?"
            pgrep -fc 'sleep 987[.]123'
            """
        let result = try await runProgram(
            "bash",
            ["-mc", script],
            in: scratch.url,
            environment: ["SLIPWAY_ROOT": slipway.root]
        )
        #expect(result.text == "status 130\n0\n", "\(result.text)\(result.errorText)")
        #expect(try await slipway("system", "check").status == 0)
    }
}
