import Foundation
import Testing

/// Builders that the kernel refuses what root does with files: they keep it beside the files.
@Suite(.requires(.root, .program("crun"), .program("setcap"), .program("busybox"), .program("ldd")))
struct `What the kernel refuses to make of files` {
    /// A builder that is not root of the machine, and starts no process in these builds.
    enum Builder: String, CaseIterable, CustomTestStringConvertible {
        case confinedUser = "an ordinary user in a container with the default profile"
        case confinedRoot = "root in a container with the default profile"
        case oneID = "an ordinary user with one id"
        case subordinateIDs = "an ordinary user with subordinate ids"

        var testDescription: String { rawValue }
    }

    /// Dockerfiles without a process; `base` is an image of several layers, `tree.tar` an archive.
    static let dockerfiles = [
        """
        FROM scratch AS first
        ADD tree.tar /tree
        FROM scratch
        COPY --from=first / /
        COPY --from=first /tree/capable /tree/closed /alone/
        COPY --from=first /tree/dark /light
        COPY --chmod=000 file /none
        COPY --from=first --chmod=0100 /tree/d /narrow
        COPY file /made/on/the/way/
        ADD tree.tar /
        """,
        """
        FROM scratch AS first
        ADD tree.tar /tree
        ADD tree.tar /tree
        COPY --chown=1:2 file /tree/dark/file
        COPY --chmod=0400 file /tree/capable
        COPY --link tree.tar /tree/link
        FROM scratch
        ADD tree.tar /tree
        COPY --from=first /tree /tree
        """,
        """
        FROM base AS work
        FROM scratch
        COPY --from=work /app /app
        COPY --from=work / /all
        """,
        """
        FROM base AS work
        COPY --chown=1:2 file /app/file
        COPY file /app/d/file
        WORKDIR /app/dark/inside
        FROM scratch
        COPY --from=work / /
        """,
    ]

    /// Makes the context: an archive with everything that an ordinary user may not make.
    private func makeContext(in scratch: TemporaryDirectory) async throws {
        try scratch.write("content", to: "context/file")
        let made = try await runProgram(
            "sh",
            [
                "-euc",
                """
                umask 022; mkdir tree; cd tree
                echo a > a; chown 33:44 a; chmod 4755 a
                ln -s a link; chown -h 55:66 link; ln -P link other
                mkfifo fifo; chown 9:9 fifo; chmod 0 fifo; ln fifo pipe
                mknod device c 5 1; mknod block b 8 0; chown 1:1 block; chmod 0 block device
                echo secret > closed; chmod 0 closed; ln closed again
                echo w > writable; chown 7:7 writable; chmod 2222 writable
                mkdir d dark; chown 7:8 d; chmod 3755 d
                echo c > capable; setcap cap_net_raw+ep capable; chmod 0111 capable
                echo c > dark/capable; chown 1:2 dark/capable; setcap cap_chown,cap_kill+p dark/capable
                ln -s ../a dark/link; chown -h 3:4 dark/link; setfattr -n user.note -v text dark/capable 2> /dev/null || :
                chmod 0 dark/capable; chmod 0 dark
                tar --xattrs --xattrs-include='*' -cf ../context/tree.tar .
                """,
            ],
            in: scratch.url
        )
        try #require(made.status == 0, "\(made.errorText)")
    }

    /// Builds, as root, an image whose layers have directories in common.
    private func makeBase(_ name: String, in scratch: TemporaryDirectory) async throws {
        let built = try await Slipway.shared().build(
            """
            FROM busybox
            RUN mkdir -p /app/d /app/dark && cd /app && ln -s a one && chown -h 5:6 one && mkfifo pipe && chown 9:9 pipe \\
                && ln -s app /top && chown -h 7:8 /top && ln -s x gone && chown -h 1:1 gone && ln -s x again && chown -h 2:2 again
            RUN cd /app && ln -s b two && chown -h 10:11 two && echo x > d/x && chmod 0 d/x && chmod 0300 d && chmod 0 dark
            RUN cd /app && rm gone again && ln -s y again && touch /new
            """,
            ["-t", name],
            in: scratch
        )
        try #require(built.status == 0, "\(built.errorText)")
    }

    private static let options = [
        "--no-cache", "--build-arg", "SOURCE_DATE_EPOCH=1700000000", "--output", "type=image,rewrite-timestamp=true",
    ]

    /// The ids of the images that the builder makes of each Dockerfile.
    private func build(
        _ dockerfiles: [String],
        _ builder: Builder,
        base: String,
        in scratch: TemporaryDirectory
    ) async throws -> [String] {
        switch builder {
        case .oneID, .subordinateIDs:
            let user = try await OrdinaryUser(.init(subordinateIDs: builder == .oneID ? nil : 65_536))
            try await user.load(base)
            return try await build(dockerfiles, by: user.slipway, in: scratch, user.directory.path + "/home/id")
        case .confinedRoot, .confinedUser:
            let confined = try await ConfinedSlipway()
            try await Slipway.shared().succeed("save", "-o", confined.share.path + "/base.tar", base)
            let context = try await runProgram(
                "sh",
                ["-euc", "chmod 644 $1/base.tar; cp -r context $1", "sh", confined.share.path],
                in: scratch.url
            )
            try #require(context.status == 0, "\(context.errorText)")
            for (number, dockerfile) in dockerfiles.enumerated() {
                try confined.share.write(dockerfile, to: "context/\(number)")
            }
            // A volume of a pod may be of a group, and give what is made in it to that group.
            let script = """
                mkdir /tmp/volume; if [ $(id -u) = 0 ]; then chown 0:2000 /tmp/volume; fi; chmod 2777 /tmp/volume
                export SLIPWAY_ROOT=/tmp/volume/store; slipway load -q -i base.tar > /dev/null
                for number in $(seq 0 \(dockerfiles.count - 1)); do
                    slipway build --progress=plain -f context/$number \(Self.options.joined(separator: " ")) --iidfile /tmp/id context > /dev/null
                    cat /tmp/id; echo; slipway system check > /dev/null
                    slipway save -o /tmp/saved.tar $(cat /tmp/id); slipway rmi $(cat /tmp/id) > /dev/null
                    slipway load -q -i /tmp/saved.tar > /dev/null; slipway image inspect $(cat /tmp/id) > /dev/null
                done
                """
            let result = try await confined.run(script, "--user", builder == .confinedRoot ? "0" : "1000")
            try #require(result.status == 0, "\(result.errorText)")
            return result.text.split(separator: "\n").map(String.init)
        }
    }

    private func build(
        _ dockerfiles: [String],
        by slipway: Slipway,
        in scratch: TemporaryDirectory,
        _ id: String
    ) async throws -> [String] {
        var ids: [String] = []
        for dockerfile in dockerfiles {
            let built = try await slipway.build(dockerfile, Self.options + ["--iidfile", id], in: scratch)
            try #require(built.status == 0, "\(built.errorText)")
            ids.append(try String(contentsOfFile: id, encoding: .utf8))
        }
        return ids
    }

    @Test(arguments: Builder.allCases) func `leaves images as root's are`(builder: Builder) async throws {
        let scratch = try TemporaryDirectory()
        try await makeContext(in: scratch)
        let base = "localhost/kept-\(UUID().uuidString.lowercased())"
        try await makeBase(base, in: scratch)
        let dockerfiles = Self.dockerfiles.map { $0.replacingOccurrences(of: "FROM base", with: "FROM \(base)") }
        let slipway = try await Slipway.shared()
        let expected = try await build(dockerfiles, by: slipway, in: scratch, scratch.path + "/id")
        let built = try await build(dockerfiles, builder, base: base, in: scratch)
        for (number, (own, root)) in zip(built, expected).enumerated() {
            #expect(own == root, "\(builder): \(dockerfiles[number])")
        }
        #expect(built.count == expected.count)
        try await slipway.succeed("rmi", base)
    }

    @Test func `is not kept beside files that are exported, but real`() async throws {
        let confined = try await ConfinedSlipway()
        try confined.share.write("content\n", to: "context/file")
        try confined.write(
            """
            FROM scratch
            COPY --chmod=0500 file /given
            COPY --chmod=0 file /closed
            COPY --chmod=0555 . /narrow
            """
        )
        let seen = try await confined.run(
            """
            export SLIPWAY_ROOT=/tmp/store; slipway build -q -o type=local,dest=/tmp/out context > /dev/null
            cd /tmp/out; stat -c '%a %n' given closed narrow; cat given; cat closed 2> /dev/null || echo closed
            """,
            "--user",
            "1000"
        )
        #expect(seen.text == "500 given\n0 closed\n555 narrow\ncontent\nclosed\n", "\(seen.errorText)")
    }

    @Test(arguments: [nil, 65_536]) func `is refused for exported files, as a device is`(ids: Int?) async throws {
        let scratch = try TemporaryDirectory()
        try await makeContext(in: scratch)
        let user = try await OrdinaryUser(.init(subordinateIDs: ids))
        let output = ["-o", "type=local,dest=" + user.directory.path + "/home/out"]
        let built = try await user.slipway.build("FROM scratch\nADD tree.tar /\n", output, in: scratch)
        #expect(built.status == 1)
        #expect(built.errorText.contains("device nodes cannot be made here"), "\(built.errorText)")
    }

    @Test func `is told where a store of another user is opened`() async throws {
        let confined = try await ConfinedSlipway()
        let kept = try await confined.run(
            "SLIPWAY_ROOT=/tmp/store slipway images -q; cat /tmp/store/identities",
            "--user",
            "1000"
        )
        #expect(kept.text.hasSuffix("\nmodes\n"), "\(kept.text) \(kept.errorText)")
        let refused = try await confined.run(
            """
            mkdir -m 777 /tmp/store; printf 'users\\n0 1000 1\\ngroups\\n0 1000 1\\nmodes\\n' > /tmp/store/identities
            SLIPWAY_ROOT=/tmp/store slipway images
            """
        )
        #expect(refused.errorText.contains("was made without a user namespace"), "\(refused.errorText)")
    }
}
