import ClientServices
import CommandLine
import Foundation
import LLB
import LinuxSystem
import Proofs
import RemoteSources
import Storage
import SystemPackage
import Testing
import Text

/// Contexts, archives, mounts and repositories made to do harm through a build.
///
/// Nothing outside the store is touched, and what is refused is named. The numbers are those of docs/hostile-inputs.md.
@Suite(.requires(.root, .program("python3"), .program("crun"), .program("git")))
struct `Hostile builds` {
    private let scratch: TemporaryDirectory
    private let slipway: Slipway
    private let store: TemporaryDirectory

    init() throws {
        scratch = try TemporaryDirectory()
        (slipway, store) = try Slipway.isolated()
        try scratch.write("canary\n", to: "outside/secret")
        try scratch.write("context\n", to: "context/own")
    }

    @discardableResult
    private func shell(_ script: String, sourceLocation: SourceLocation = #_sourceLocation) async throws -> String {
        let result = try await runProgram("bash", ["-ec", script], in: scratch.url)
        try #require(result.status == 0, "\(script): \(result.errorText)", sourceLocation: sourceLocation)
        return result.text
    }

    /// What is outside of the context and the store: names, modes, times and contents.
    private func outside() async throws -> String {
        try await shell("cd outside && find . -printf '%p %m %s %T@ %l\\n' | sort && find . -type f | sort | xargs cat")
    }

    private func build(_ dockerfile: String?, _ options: String..., slipway: Slipway? = nil) async throws
        -> ProgramResult
    {
        if let dockerfile { try scratch.write(dockerfile, to: "context/Dockerfile") }
        return try await (slipway ?? self.slipway).run(
            ["build", "--progress=plain"] + options + ["."],
            in: scratch.url.appending(path: "context")
        )
    }

    /// An image to run steps in.
    private func importBusybox(into slipway: Slipway? = nil) async throws {
        try await shell(
            """
            mkdir -p tree/bin tree/etc tree/tmp && cp /bin/busybox tree/bin/busybox
            for name in $(tree/bin/busybox --list); do [ $name = busybox ] || ln -sf busybox tree/bin/$name; done
            echo 'root:x:0:0:root:/:/bin/sh' > tree/etc/passwd
            tar -C tree -cf busybox.tar .
            """
        )
        try await (slipway ?? self.slipway).succeed("import", scratch.path + "/busybox.tar", "busybox")
    }

    // MARK: Archives

    /// A1, A3, A4, A5, A13: each archive with what it must not do, as Python's tarfile writes it.
    private static let archives = #"""
        import io, sys, tarfile
        top = sys.argv[1]
        def make(name, *entries):
            with tarfile.open(name + ".tar", "w", format=tarfile.PAX_FORMAT) as tar:
                for entry in entries:
                    path, kind, target = entry[:3]
                    info = tarfile.TarInfo(path)
                    info.type, info.linkname = kind, target
                    info.mode = entry[3] if len(entry) > 3 else 0o644
                    data = b"evil\n" if kind == tarfile.REGTYPE else b""
                    info.size = len(data)
                    tar.addfile(info, io.BytesIO(data))
        F, D, S, H = tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE
        out = top + "/outside"
        for number, target in enumerate([out, "../" * 40 + out.lstrip("/"), "/", "..", "."]):
            tail = "" if number < 2 else out.lstrip("/") + "/"
            make("link%d" % number, ("l", S, target), ("l/%swritten" % tail, F, ""))
            make("chain%d" % number, ("a", S, "b"), ("b", S, "c"), ("c", S, target), ("a/%swritten" % tail, F, ""))
            make("directory%d" % number, ("l", D, "", 0o755), ("l", S, target), ("l/%sd" % tail, D, "", 0o777))
            make("hard%d" % number, ("l", S, target), ("h", H, "l/%ssecret" % tail), ("h", F, "", 0o777))
            make("mode%d" % number, ("l", S, target), ("l/%ssecret" % tail, F, "", 0o4777))
        make("hardout", ("h", H, "../" * 40 + out.lstrip("/") + "/secret"), ("h", F, "", 0o777))
        make("hardabsolute", ("h", H, out + "/secret"), ("h", F, "", 0o777))
        make("hardself", ("h", H, "h"))
        make("hardlater", ("h", H, "later"), ("later", F, ""))
        make("harddirectory", ("d", D, "", 0o755), ("h", H, "d"))
        make("climbs", ("../" * 40 + out.lstrip("/") + "/written", F, ""))
        make("climbsmark", ("..\u0301/x", F, ""), ("../\u0301x", F, ""))
        make("absolute", (out + "/written", F, ""))
        make("rootlink", (".", S, out), ("written", F, ""))
        make("whiteout", ("l", S, out), ("l/.wh.secret", F, ""), ("l/.wh..wh..opq", F, ""))
        make("whiteoutup", (".wh..", F, ""))
        make("whiteoutname", (".wh.", F, ""))
        """#

    @Test func `no archive leads out of where it is unpacked, however it comes`() async throws {
        try scratch.write(Self.archives, to: "make.py")
        let names = try await shell("mkdir -p tars && cd tars && python3 ../make.py \(scratch.path) && ls")
            .split(separator: "\n").map(String.init)
        #expect(names.count >= 35)
        let before = try await outside()
        var refused = 0
        for name in names {
            try await shell("cp tars/\(name) context/x.tar")
            let added = try await build("FROM scratch\nADD x.tar /in/\n")
            if added.status != 0 {
                refused += 1
                let places = ["Dockerfile:2", "archive entry \"in/.wh."]
                #expect(places.contains { added.errorText.contains($0) }, "\(name): \(added.errorText)")
            }
            let archive = Array(try Data(contentsOf: scratch.url.appending(path: "tars/\(name)")))
            let streamed = try await slipway.run(
                ["build", "-q", "-f", "Dockerfile", "-"],
                in: scratch.url,
                input: archive
            )
            // None has a Dockerfile; those that could be unpacked get as far as that.
            #expect(streamed.status == 1, "\(name)")
            _ = try await slipway("import", scratch.path + "/tars/" + name)
        }
        #expect(refused >= 5 && refused < names.count)
        #expect(try await outside() == before)
        #expect(try await slipway("system", "check").status == 0)
    }

    /// A5: what a layer would not say as it is, in one of few files and in one of many.
    @Test(.proves("C21: a file named .wh.x is a file"), arguments: [1, 100])
    func `a name that would remove another is a name until it stands in a layer`(count: Int) async throws {
        try await shell(
            "mkdir -p context/many && cd context/many && for i in $(seq \(count)); do echo $i > $i; done; echo x > .wh.1"
        )
        let copy = "FROM scratch AS files\nCOPY many /in/\n"
        let refused = try await build(copy)
        #expect(refused.status == 1)
        let reason = "archive entry \"in/.wh.1\" refused: in a layer this name"
        #expect(refused.errorText.contains(reason), "\(refused.errorText)")
        let other = try await build(
            copy + "FROM scratch\nCOPY --from=files /in/.wh.1 /name\nCOPY --from=files /in/1 /\n"
        )
        #expect(other.status == 0, "\(other.errorText)")
        let archive = try await build(copy, "-o", "type=tar,dest=../out.tar")
        #expect(archive.status == 0, "\(archive.errorText)")
        let names = try await shell("tar -xOf out.tar in/.wh.1")
        #expect(names == "x\n")
    }

    // MARK: Contexts

    /// B7: what stands in the context as a link to something outside of it.
    @Test func `a link out of the context shows nothing of what it leads to`() async throws {
        try await shell(
            """
            ln -s \(scratch.path)/outside/secret context/absolute; ln -s ../outside/secret context/relative
            ln -s ../outside context/directory; ln -s directory context/again
            """
        )
        let copied = try await build("FROM scratch\nCOPY . /\n", "-o", "type=local,dest=../out")
        try #require(copied.status == 0, "\(copied.errorText)")
        let links = try await shell("find out -type l -printf '%l\\n' | sort; cat $(find out -type f)")
        #expect(links.contains("../outside/secret") && !links.contains("canary"))
        for source in ["absolute", "relative", "directory/secret", "again/secret", "directory/", "again/"] {
            let followed = try await build("FROM scratch\nCOPY \(source) /x\n", "-o", "type=local,dest=../out")
            #expect(
                followed.status == 1 && followed.errorText.contains("Dockerfile:2"),
                "\(source): \(followed.errorText)"
            )
            let bound = try await build("FROM scratch\nADD \(source) /x\n", "-o", "type=local,dest=../out")
            #expect(bound.status == 1, "\(source)")
        }
        try scratch.write("FROM scratch\nCOPY own /\n", to: "outside/Dockerfile")
        try scratch.write("*\n", to: "outside/ignore")
        for target in ["../outside/Dockerfile", scratch.path + "/outside/Dockerfile"] {
            try await shell("rm -f context/Dockerfile; ln -s \(target) context/Dockerfile")
            let linked = try await build(nil)
            #expect(linked.status == 1 && linked.errorText.contains("Dockerfile"), "\(linked.errorText)")
        }
        try await shell("rm context/Dockerfile; ln -s ../outside/ignore context/.dockerignore")
        let ignored = try await build("FROM scratch\nCOPY own /\n", "-o", "type=local,dest=../out2")
        #expect(ignored.status == 0, "an ignore file outside of the context is none: \(ignored.errorText)")
        try await shell("ln -s context linked")
        let asContext = try await slipway.run(["build", "-q", "linked"], in: scratch.url)
        #expect(asContext.status == 0, "\(asContext.errorText)")
    }

    /// B15: a file of which nothing is stored, larger than any disk.
    @Test func `a build that reads an endless file ends with its signal`() async throws {
        try await shell("truncate -s 1T context/holes")
        try scratch.write("FROM scratch\nCOPY holes /\n", to: "context/Dockerfile")
        let ended = try await runProgram(
            "timeout",
            ["--kill-after=60", "--signal=INT", "2", try Slipway.binary, "build", "context"],
            in: scratch.url,
            environment: ["SLIPWAY_ROOT": slipway.root]
        )
        #expect(ended.status == 124, "\(ended.status) \(ended.errorText)")
        #expect(try await slipway("system", "check").status == 0)
    }

    // MARK: Mounts

    /// B2, B3, B5, B6: mounts of RUN that lead elsewhere.
    @Test func `mounts stay where they belong`() async throws {
        try await importBusybox()
        try await shell("mkdir outside/empty")
        let before = try await outside()
        let out = scratch.path + "/outside"
        let ids = ["../../etc", "/etc", "..", ".", "a/b/../../..", "$'\\n'", String(repeating: "n", count: 10_000)]
        let caches = ids.enumerated().map {
            "RUN --mount=type=cache,id=\($1),target=/m test -z \"$(ls /m)\" && touch /m/\($0)"
        }
        let built = try await build(
            """
            FROM busybox
            \(caches.joined(separator: "\n"))
            RUN --mount=type=bind,source=.,target=/c,rw echo written > /c/new && rm /c/own
            RUN --mount=type=bind,source=.,target=/c,rw test ! -e /c/new && test -e /c/own
            RUN --mount=type=tmpfs,target=/x/empty mv /x /z && ln -s \(out) /x
            RUN --mount=type=cache,id=s,target=/c mkdir /c/real && ln -s \(out) /c/sub && ln -s / /c/root
            RUN --mount=type=bind,from=busybox,source=../../..,target=/b test -e /b/bin/busybox && test ! -e /b\(out)
            """
        )
        try #require(built.status == 0, "\(built.errorText)")
        for (mount, reason) in [
            ("type=cache,id=s,target=/m,source=sub", "sub"),
            ("type=cache,id=s,target=/m,source=root\(out)", "root"),
            ("type=bind,target=/m,bind-propagation=shared", "unexpected key 'bind-propagation'"),
            ("type=tmpfs,target=/m,tmpfs-mode=7777", "unexpected key 'tmpfs-mode'"),
            ("type=bind,target=/m,options=suid", "unexpected key 'options'"),
            ("type=bind,target=/", "invalid mount target"),
        ] {
            let result = try await build("FROM busybox\nRUN --mount=\(mount) cat /m/secret; ls /m; false\n")
            #expect(result.status == 1, "\(mount)")
            #expect(
                result.errorText.contains(reason) && !result.errorText.contains("canary"),
                "\(mount): \(result.errorText)"
            )
        }
        #expect(try await outside() == before)
        #expect(try await shell("ls context") == "Dockerfile\nown\n")
    }

    /// B2: a directory of a cache that is exchanged for a link out of it, again and again.
    @Test func `a cache's directory that becomes a link while it is mounted leads nowhere`() async throws {
        try await importBusybox()
        let out = scratch.path + "/outside"
        let readers = (0..<12).map { number in
            """
            FROM busybox AS reader\(number)
            RUN --mount=type=cache,id=race,target=/m,source=sub test ! -e /m/secret && test ! -e /m/outside
            """
        }
        let built = try await build(
            """
            FROM busybox AS first
            RUN --mount=type=cache,id=race,target=/c mkdir -p /c/sub
            FROM first AS swapper
            RUN --mount=type=cache,id=race,target=/c i=0; while [ $i -lt 400 ]; do \
                mv /c/sub /c/kept; ln -s \(out) /c/sub; rm /c/sub; mv /c/kept /c/sub; i=$((i+1)); done
            \(readers.joined(separator: "\n").replacing("FROM busybox AS reader", with: "FROM first AS reader"))
            FROM scratch
            COPY --from=swapper /etc/passwd /
            \((0..<12).map { "COPY --from=reader\($0) /etc/passwd /\($0)" }.joined(separator: "\n"))
            """
        )
        // A step may find the link or nothing where it wants a directory: it then fails and sees nothing of the host.
        #expect(!built.errorText.contains("canary"))
        if built.status != 0 { #expect(built.errorText.contains("sub"), "\(built.errorText)") }
        #expect(try await slipway("system", "check").status == 0)
    }

    /// B4: the path of the store is no place for options.
    @Test func `a store whose path means something to mount works`() async throws {
        let odd = Slipway(root: scratch.path + "/a:b,c\\d upperdir=x")
        try await importBusybox(into: odd)
        let built = try await build(
            "FROM busybox\nRUN echo x > /f\nRUN --mount=type=cache,target=/c cat /f > /c/g && mv /f /h\n",
            "-o",
            "type=local,dest=../out",
            slipway: odd
        )
        try #require(built.status == 0, "\(built.errorText)")
        #expect(FileManager.default.fileExists(atPath: scratch.path + "/out/h"))
    }

    // MARK: Images

    /// B10, B11, B12: programs, users and settings that an image brings along.
    @Test func `nothing that an image brings runs or counts outside of its steps`() async throws {
        try await shell(
            """
            mkdir -p evil/usr/bin evil/etc evil/lib
            for name in xz gzip bzip2 zstd git tar crun unpigz; do
                printf '#!/bin/sh\\ntouch /canary-$0\\n' > evil/usr/bin/$name; chmod 755 evil/usr/bin/$name
            done
            echo /lib/evil.so > evil/etc/ld.so.preload; tar -C evil -cf context/evil.tar .
            mkdir plain && echo p > plain/p && tar -C plain -cJf context/p.tar.xz . && tar -C plain -czf context/p.tar.gz .
            """
        )
        let built = try await build(
            """
            FROM scratch
            ADD evil.tar /
            ADD p.tar.xz /x/
            ADD p.tar.gz /z/
            LABEL run.oci.hooks.stdout=/tmp/x containerd.io/restart.loguri=binary:///bin/true module.wasm.image/variant=compat
            ENV LD_PRELOAD=/lib/evil.so PATH=/usr/bin GIT_EXEC_PATH=/usr/bin
            """,
            "-o",
            "type=local,dest=../out"
        )
        try #require(built.status == 0, "\(built.errorText)")
        #expect(
            try await shell("cat out/x/p out/z/p; find out -name 'canary*'; ls /canary* 2>&1 | grep -c 'No such'")
                == "p\np\n1\n"
        )
        try await importBusybox()
        let volume = try await build(
            "FROM busybox\nVOLUME /../../vol\nLABEL run.oci.hooks.stderr=/tmp/y\nCMD touch /../../vol/x && ls /vol\n",
            "-t",
            "v"
        )
        try #require(volume.status == 0, "\(volume.errorText)")
        let ran = try await slipway("run", "--rm", "--network", "none", "v")
        #expect(ran.status == 0 && ran.text == "x\n", "\(ran.errorText)")
    }

    @Test(arguments: [
        ("truncate -s 11M context/passwd", "USER app\nRUN true", "passwd"),
        ("truncate -s 11M context/passwd", "USER 1000\nRUN true", "passwd"),
        ("ln -s \"$PWD/outside/secret\" context/passwd", "USER canary\nRUN true", "canary"),
        ("echo 'app:x:99999999999:1:::' > context/passwd", "USER app\nRUN true", "app"),
        ("echo 'app:x:4294967295:1:::' > context/passwd", "USER app\nRUN true", "app"),
        ("head -c 10000000 /dev/zero | tr '\\\\0' a > context/passwd", "USER app\nRUN true", "app"),
    ])
    func `a user database that is none is refused`(script: String, steps: String, named: String) async throws {
        try await importBusybox()
        try await shell(script)
        let result = try await build("FROM busybox\nCOPY passwd /etc/passwd\n\(steps)\n")
        #expect(result.status == 1 && result.errorText.contains(named), "\(result.errorText)")
    }

    /// B13: what a result holds, and what already stands where it goes.
    @Test func `an export never writes outside its destination`() async throws {
        try scratch.write("f\n", to: "context/f")
        let before = try await outside()
        for link in ["l", "l/d", "d/l"] {
            let out = scratch.path + "/out-" + link.replacing("/", with: "-")
            try await shell(
                "mkdir -p \(out)/$(dirname \(link)); ln -sfn ../outside \(out)/l; ln -sfn \(scratch.path)/outside \(out)/d || true"
            )
            let result = try await build(
                "FROM scratch\nCOPY f /l/f\nCOPY f /d/secret\n",
                "-o",
                "type=local,dest=\(out)"
            )
            if result.status != 0 {
                #expect(
                    result.errorText.contains("failed to export") || result.errorText.contains(out),
                    "\(result.errorText)"
                )
            }
        }
        #expect(try await outside() == before)
    }

    // MARK: Repositories

    /// E6: the commit that a branch named when it was asked for is the commit that is checked out.
    @Test func `a branch that moves between question and fetch gives the commit that was found`() async throws {
        let git = try await GitFixture()
        try await git.makeRepository("a.git")
        let store = try await Store.open(at: FilePath(self.store.path + "/git-store"), tables: .all)
        let remote = try #require(GitRemote(parsing: Array(git.address("a.git").utf8)))
        var source = GitSource(remote: remote)
        source.reference = "main"
        let path = Array((ProcessInfo.processInfo.environment["PATH"] ?? "").utf8)
        let repositories = GitRepositories(
            store: store,
            variables: ["PATH": path],
            client: ClientServices()
        ) { _ in }
        let commit = try await repositories.resolve(source)
        try await git.run("cd work-a.git && echo moved > file && git commit -qam third && git push -q -f ../a.git main")
        let files = scratch.path + "/files"
        try await shell("mkdir files")
        try await repositories.checkOut(commit, of: source, into: FilePath(files))
        #expect(try String(contentsOfFile: files + "/file", encoding: .utf8) == "two\n")
    }

    /// E1: names that the server or the user chooses and git could take for options.
    @Test func `no name reaches git as an option`() async throws {
        let git = try await GitFixture()
        try await git.makeRepository("a.git")
        let canary = scratch.path + "/canary"
        for address in [
            "ext::sh -c 'touch% \(canary)'", "file:///etc/x.git", "ssh://-oProxyCommand=touch%20\(canary)/a.git",
            "git@-oProxyCommand=touch:a.git",
            "https://127.0.0.1:\(git.server.port)/git/a.git#--upload-pack=touch \(canary)",
            "\(git.address("a.git"))#main:--help", "\(git.address("a.git"))#-x",
            "\(git.address("a.git"))#refs/heads/../../x",
            "\(git.address("a.git"))%0a--upload-pack=touch",
        ] {
            let result = try await build("FROM scratch\nADD [\"\(address)\", \"/in\"]\n")
            #expect(result.status == 1, "\(address)")
            #expect(result.errorText.contains("Dockerfile:2"), "\(address): \(result.errorText)")
        }
        // A server whose HEAD names what begins with a dash.
        try await git.run(
            "printf 'ref: refs/heads/--upload-pack=touch\\n' > a.git/HEAD; cp a.git/refs/heads/main 'a.git/refs/heads/--upload-pack=touch' 2>/dev/null || git -C a.git rev-parse main > 'a.git/refs/heads/--upload-pack=touch'"
        )
        _ = try await build("FROM scratch\nADD \(git.address("a.git")) /in\n")
        #expect(!FileManager.default.fileExists(atPath: canary))
    }
}
