import Foundation
import Proofs
import SystemPackage
import Testing

/// Outputs that are files: when they are there, with what times, and what else is.
@Suite(.requires(.root, .program("crun"), .program("skopeo"), .program("umoci")))
struct `Exported files` {
    private let scratch: TemporaryDirectory

    init() throws {
        scratch = try TemporaryDirectory()
        try scratch.write("FROM scratch\nCOPY dir /dir/\n", to: "context/Dockerfile")
        try scratch.write("A\n", to: "context/dir/a.txt")
    }

    private func path(_ name: String) -> String { scratch.url.appending(path: name).path }

    private func names(_ directory: String) throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: path(directory)).sorted()
    }

    private func build(_ arguments: String...) async throws -> ProgramResult {
        try await Slipway.shared().run(["build"] + arguments + ["context"], in: scratch.url)
    }

    private func succeed(_ arguments: String...) async throws {
        let result = try await Slipway.shared().run(["build"] + arguments + ["context"], in: scratch.url)
        try #require(result.status == 0, "\(arguments): \(result.errorText)")
    }

    @Test(.proves("local (exporter)"))
    func `a directory can lose what the build did not make, below the working directory`() async throws {
        for name in ["out/stale", "out/dir/stale", "out/old/deep/stale"] { try scratch.write("", to: name) }
        try FileManager.default.createSymbolicLink(atPath: path("out/link"), withDestinationPath: path("context"))
        try await succeed("-o", "type=local,dest=out,mode=copy")
        #expect(try names("out") == ["dir", "link", "old", "stale"])
        try await succeed("-o", "type=local,dest=out,mode=delete")
        #expect(try names("out") == ["dir"])
        #expect(try names("out/dir") == ["a.txt"])
        #expect(try names("context") == ["Dockerfile", "dir"], "a link is removed and not followed")
        try await succeed("--platform", "linux/amd64,linux/arm64", "-o", "type=local,dest=out,mode=delete")
        #expect(try names("out") == ["linux_amd64", "linux_arm64"])
        #expect(try names("out/linux_arm64/dir") == ["a.txt"])
    }

    @Test(.proves("--allow", "local (exporter)")) func `nothing is deleted elsewhere unless that is allowed`()
        async throws
    {
        try scratch.write("", to: "elsewhere/stale")
        try FileManager.default.createSymbolicLink(atPath: path("link"), withDestinationPath: "/")
        for destination in [".", path(""), "..", "../x", "/tmp", "link/tmp", "context/.."] {
            let refused = try await build("-o", "type=local,dest=\(destination),mode=delete")
            #expect(refused.status == 1)
            #expect(
                refused.errorText.contains(
                    "local output mode=delete for destination \"\(destination)\" requires --allow=buildx.local.delete"
                )
            )
        }
        let slipway = try await Slipway.shared()
        let line = ["--allow", "buildx.local.delete", "-o", "type=local,dest=\(path("elsewhere")),mode=delete"]
        let allowed = try await slipway.run(["build"] + line + ["."], in: scratch.url.appending(path: "context"))
        #expect(allowed.status == 0, "\(allowed.errorText)")
        #expect(try names("elsewhere") == ["dir"])
    }

    @Test(.proves("C11: devices and the times of FIFOs in local outputs")) func `devices are made, with their numbers`()
        async throws
    {
        try scratch.write(
            "FROM busybox AS b\nRUN mkdir /o && mknod -m 640 /o/c c 1 3 && mknod -m 600 /o/b b 7 0 && mkfifo /o/f\n"
                + "FROM scratch\nCOPY --from=b /o /\n",
            to: "context/Dockerfile"
        )
        try await succeed("-o", "out")
        let shown = try await runProgram("stat", ["-c", "%F %a %t %T", "out/c", "out/b"], in: scratch.url)
        #expect(shown.text == "character special file 640 1 3\nblock special file 600 7 0\n")
    }

    @Test(.proves("SOURCE_DATE_EPOCH", "local (exporter)", "tar"))
    func `files and archives have the time of the build where it has one`() async throws {
        let time = "SOURCE_DATE_EPOCH=1500000000"
        try await succeed("--build-arg", time, "-o", "out", "-o", "type=tar,dest=out.tar")
        try await succeed("-o", "type=tar,dest=none.tar,source-date-epoch=1400000000")
        let script = """
            stat -c %Y out/dir/a.txt out/dir
            for f in out none; do tar --full-time -tvf $f.tar | awk '{ print $4, $5 }' | sort -u; done
            """
        let times = try await runProgram("sh", ["-c", script], in: scratch.url, environment: ["TZ": "UTC"])
        #expect(times.text == "1500000000\n1500000000\n2017-07-14 02:40:00\n2014-05-13 16:53:20\n")
    }

    @Test(.proves("tar")) func `an archive goes into new directories, through links and into devices`() async throws {
        try scratch.write("old", to: "real.tar")
        try FileManager.default.createSymbolicLink(atPath: path("link.tar"), withDestinationPath: "real.tar")
        for destination in ["new/deep/x.tar", "link.tar", "/dev/null"] {
            try await succeed("-o", "type=tar,dest=\(destination)")
        }
        #expect(try names("new/deep") == ["x.tar"])
        #expect(try FileManager.default.destinationOfSymbolicLink(atPath: path("link.tar")) == "real.tar")
        let listed = try await runProgram("tar", ["-tf", "real.tar"], in: scratch.url)
        #expect(listed.text == "dir/\ndir/a.txt\n")
        let refused = try await build("-o", "type=tar,dest=new")
        #expect(refused.errorText.contains("destination file new is a directory"))
    }

    /// A base of another time, and steps that leave newer and older files, and remove one.
    private func writeDated() throws {
        try scratch.write(
            """
            FROM busybox
            COPY dir /dir/
            WORKDIR /work
            RUN echo made > /made && touch -d @1000000000 /old && rm /etc/group && : \(UUID())
            """,
            to: "context/Dockerfile"
        )
    }

    @Test(.proves("image, registry"), arguments: ["gzip", "zstd", "estargz", "uncompressed"])
    func `layers whose times are rewritten are the same whenever they are made`(compression: String) async throws {
        try writeDated()
        let options = ["--no-cache", "--build-arg", "SOURCE_DATE_EPOCH=1500000000"]
        // Made of the files of the layers, and of blobs that are there already.
        for (name, before) in [("first", []), ("second", ["-o", "type=oci,dest=before.tar"])] {
            let output = "type=oci,dest=\(name).tar,rewrite-timestamp=true,compression=\(compression)"
            let line = ["build"] + options + before + ["-o", output, "context"]
            let result = try await Slipway.shared().run(line, in: scratch.url)
            try #require(result.status == 0, "\(result.errorText)")
            // The next second: what is not rewritten would differ.
            try await Task.sleep(for: .milliseconds(1100))
        }
        #expect(try await runProgram("cmp", ["first.tar", "second.tar"], in: scratch.url).status == 0)
        // As BuildKit tells of it: of the layers of this image, not of those of its base.
        let tell =
            "tar -xOf first.tar --wildcards 'blobs/sha256/*' | grep -ao '\"buildkit/rewritten-timestamp\": \"1500000000\"'"
        let told = try await runProgram("sh", ["-c", tell], in: scratch.url)
        #expect(told.text.split(separator: "\n").count == 3)
        if compression == "zstd" { return }
        let script = """
            set -e; skopeo copy -q oci-archive:first.tar oci:copy:x >&2; umoci unpack --image copy:x bundle >&2
            cd bundle/rootfs; stat -c '%n %Y' made old work dir/a.txt; ls etc
            [ "$(stat -c %Y bin/busybox)" -gt 1500000000 ] && echo 'the base has its times'
            """
        let read = try await runProgram("sh", ["-c", script], in: scratch.url)
        #expect(
            read.text
                == "made 1500000000\nold 1000000000\nwork 1500000000\ndir/a.txt 1500000000\npasswd\nthe base has its times\n",
            "\(read.errorText)"
        )
    }

    @Test(.proves("image, registry"))
    func `an image with rewritten times is kept, runs, and shares the layers of its base`() async throws {
        try writeDated()
        let slipway = try await Slipway.shared()
        let name = "dated-\(UUID().uuidString.lowercased())"
        try await succeed(
            "-t",
            name,
            "--build-arg",
            "SOURCE_DATE_EPOCH=1500000000",
            "-o",
            "type=image,rewrite-timestamp=true"
        )
        let shown = try await slipway.succeed("run", "--rm", name, "stat", "-c", "%n %Y", "/made", "/old")
        #expect(shown == "/made 1500000000\n/old 1000000000\n")
        let layers = { (image: String) in
            try await slipway.succeed("image", "inspect", "--format", "{{json .RootFS.Layers}}", image)
        }
        let base = try await layers("busybox").dropFirst(2).prefix(71)
        #expect(try await layers(name).contains(base))
        #expect(
            try await slipway.succeed("image", "inspect", "--format", "{{.Created}}", name) == "2017-07-14T02:40:00Z\n"
        )
        let untimed = try await build("-o", "type=image,rewrite-timestamp=true")
        #expect(untimed.errorText.contains("rewrite-timestamp is specified, but no source-date-epoch was found"))
    }

    @Test(.proves("image, registry"))
    func `an image of estargz layers is kept, unpacked and run, and other programs load it`() async throws {
        try scratch.write("FROM busybox\nCOPY dir /dir/\n", to: "context/Dockerfile")
        let slipway = try await Slipway.shared()
        let name = "stargz-\(UUID().uuidString.lowercased())"
        let options = "compression=estargz,force-compression=true"
        try await succeed(
            "-t",
            name,
            "-o",
            "type=image,unpack=true,\(options)",
            "-o",
            "type=docker,dest=x.tar,\(options)"
        )
        #expect(try await slipway.succeed("run", "--rm", name, "ls", "-A", "/", "/dir").contains("a.txt"))
        let (other, store) = try Slipway.isolated()
        defer { withExtendedLifetime(store) {} }
        try await other.succeed("load", "-i", path("x.tar"))
        let files = try await other.succeed("run", "--rm", "--network", "none", name, "ls", "-A", "/")
        #expect(!files.contains("stargz") && !files.contains("landmark") && files.contains("dir"))
        guard findProgram("podman") != nil else { return }
        // podman wants the path of its run directory short.
        let run = "/tmp/podman-\(UUID().uuidString.prefix(8))"
        defer { try? FileManager.default.removeItem(atPath: run) }
        let podman = ["--root", path("podman"), "--runroot", run, "--storage-driver", "vfs"]
        let loaded = try await runProgram("podman", podman + ["load", "-q", "-i", path("x.tar")])
        #expect(loaded.status == 0 && loaded.text.contains(name), "\(loaded.errorText)")
    }

    @Test(.proves("tar"), .requires(.program("strace")))
    func `an export that is killed leaves nothing that stays`() async throws {
        let slipway = try await Slipway.shared()
        for output in ["type=tar,dest=out.tar", "type=oci,dest=out.tar", "type=oci,dest=out.tar,tar=false"] {
            try await succeed("-o", output.replacing("out.tar", with: "warm"))
            // Before the file has a name; and, where another file has it, when it has a name that is not its own yet.
            for calls in ["linkat", "fsync", "rename,renameat,renameat2"] {
                for isThere in [false, true] {
                    if isThere { try await succeed("-o", output) }
                    let killed = try await runProgram(
                        "strace",
                        [
                            "-f", "-o", "/dev/null", "-e", "trace=\(calls)", "-e", "inject=\(calls):signal=KILL:when=1",
                            try Slipway.binary, "build", "-o", output, "context",
                        ],
                        in: scratch.url,
                        environment: ["SLIPWAY_ROOT": slipway.root]
                    )
                    let left = try names("").filter { $0.hasPrefix("out.tar") && $0 != "out.tar" }
                    #expect(killed.status != 0 || left.isEmpty)
                    #expect(left.count <= 1)
                    try await succeed("-o", output)
                    #expect(try names("").filter { $0.hasPrefix("out.tar") } == ["out.tar"], "\(output) \(calls)")
                    try FileManager.default.removeItem(atPath: path("out.tar"))
                }
            }
            try FileManager.default.removeItem(atPath: path("warm"))
        }
    }

    @Test(
        .proves(
            "Environment variables of results",
            "containerimage.*, image.name",
            "buildx.build.ref, buildx.build.warnings"
        )
    ) func `warnings stand in the metadata where they are asked for`() async throws {
        let slipway = try await Slipway.shared()
        for (value, isThere) in [("1", true), ("false", false), ("", false)] {
            let built = try await slipway.run(
                [
                    "build", "--build-arg", "UNUSED=1", "-o", "type=oci,dest=x.tar", "--metadata-file", "m.json",
                    "context",
                ],
                in: scratch.url,
                environment: ["BUILDX_METADATA_WARNINGS": value]
            )
            try #require(built.status == 0, "\(built.errorText)")
            let data = try Data(contentsOf: scratch.url.appending(path: "m.json"))
            let document = try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
            let warnings = document["buildx.build.warnings"] as? [[String: Any]]
            let short = (warnings?.first?["short"] as? String).flatMap { Data(base64Encoded: $0) }
            let text = short.map { String(decoding: $0, as: UTF8.self) }
            #expect((text == "One or more build-args [UNUSED] were not consumed") == isThere)
            let descriptor = try #require(document["containerimage.descriptor"] as? [String: Any])
            #expect((descriptor["platform"] as? [String: String])?["os"] == "linux")
            let annotations = descriptor["annotations"] as? [String: String]
            #expect(annotations?["org.opencontainers.image.created"] != nil)
        }
        let files = try await build("--iidfile", "id", "-o", "out")
        #expect(files.errorText.contains("local and tar exporters are incompatible with image ID file"))
    }
}
