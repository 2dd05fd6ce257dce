import Foundation
import Proofs
import Testing

/// What a step finds around it and what it leaves, as BuildKit has it.
@Suite(.requires(.root, .program("crun")))
struct `What a step finds and leaves` {
    private let scratch: TemporaryDirectory

    init() throws { scratch = try TemporaryDirectory() }

    private func build(_ dockerfile: String, _ options: String...) async throws -> ProgramResult {
        try await Slipway.shared().build(dockerfile, ["--no-cache", "--network", "none"] + options, in: scratch)
    }

    /// The entries of each layer that a Dockerfile adds to its base, with single spaces, as `tar` tells them.
    private func layers(of dockerfile: String) async throws -> [[String]] {
        let built = try await build(dockerfile, "-o", "type=oci,dest=../image.tar,compression=uncompressed")
        try #require(built.status == 0, "\(built.errorText)")
        let script = """
            mkdir image && tar -xf image.tar -C image && cd image/blobs/sha256
            manifest=$(grep -l '"layers": \\[' * 2> /dev/null | head -n 1)
            for layer in $(sed -n '/"layers": /,$p' $manifest | grep -o 'sha256:[0-9a-f]*' | cut -d : -f 2); do
                echo "= $layer"; tar --numeric-owner --utc -tvf $layer
            done
            """
        let listed = try await runProgram("bash", ["-c", script], in: scratch.url)
        var layers: [[String]] = []
        for line in listed.text.split(separator: "\n") {
            if line.hasPrefix("= ") {
                layers.append([])
            } else {
                let fields = line.split(separator: " ", omittingEmptySubsequences: true)
                layers[layers.count - 1].append(
                    "\(fields[0]) \(fields[1]) \(fields.dropFirst(5).joined(separator: " "))"
                )
            }
        }
        return layers
    }

    @Test(.proves("C1: a step's /etc/hostname is the", "C2: /etc/hosts and /etc/resolv.conf"))
    func `its host name belongs to the image, and its hosts and name servers cannot be changed`() async throws {
        let built = try await build(
            """
            FROM busybox
            RUN echo chosen > /etc/hostname
            RUN test "$(cat /etc/hostname)" = chosen && rm /etc/hostname && test "$(hostname)" = buildkitsandbox
            RUN test ! -e /etc/hostname
            RUN ! touch /etc/hosts && ! touch /etc/resolv.conf && ! rm -f /etc/hosts && cat /etc/hosts
            """,
            "--add-host",
            "db:192.0.2.7"
        )
        #expect(built.status == 0, "\(built.errorText)")
        for line in [
            "127.0.0.1\tlocalhost buildkitsandbox", "::1\tlocalhost ip6-localhost ip6-loopback", "192.0.2.7\tdb",
        ] {
            #expect(built.errorText.contains(" \(line)\n"), "\(built.errorText)")
        }
    }

    @Test(
        .proves(
            "C4: a tmpfs has the mode of the",
            "C12: --mount=type=bind,from=,target=/x shows the context",
            "C14: places for mounts inside cache and bind mounts are 0755"
        )
    ) func `mounts have the permissions of what they cover, and their places ordinary ones`() async throws {
        try scratch.write("x", to: "context/file")
        let id = UUID().uuidString
        let built = try await build(
            """
            FROM busybox
            RUN mkdir -m 700 /m && mkdir -m 1755 /s
            RUN --mount=type=tmpfs,target=/m --mount=type=tmpfs,target=/s --mount=type=tmpfs,target=/new \
                test "$(stat -c %a /m /s /new | tr '\\n' ' ')" = "700 1755 1777 "
            RUN --mount=type=cache,id=\(id),target=/c --mount=type=tmpfs,target=/c/deep/er \
                --mount=type=bind,from=,source=file,target=/c/f test "$(cat /c/f)" = x
            RUN --mount=type=cache,id=\(id),target=/c \
                test "$(stat -c %a /c /c/deep /c/deep/er /c/f | tr '\\n' ' ')" = "755 755 755 755 "
            """
        )
        #expect(built.status == 0, "\(built.errorText)")
    }

    @Test(.proves("C12: users and groups given as", "C12: ENV HOME= and then RUN: the user's home"))
    func `users are numbers where they look like it, and have a home`() async throws {
        let built = try await build(
            """
            FROM busybox
            RUN echo '777:x:5:6::/five:/bin/sh' >> /etc/passwd
            USER 777
            RUN test "$(id -u):$(id -g)" = 777:0
            ENV HOME=
            RUN test "$HOME" = /
            USER root
            RUN test "$HOME" = /root
            """
        )
        #expect(built.status == 0, "\(built.errorText)")
    }

    @Test(.proves("C13, C23: directories for /proc"))
    func `the kernel's directories stay, and other places for mounts leave no trace`() async throws {
        let layers = try await layers(
            of: """
                FROM busybox AS tools
                FROM scratch
                COPY --from=tools /bin /bin
                RUN true
                RUN echo x > /x
                RUN echo a > /etc/a
                RUN --mount=type=tmpfs,target=/etc/mount --mount=type=tmpfs,target=/other/mount echo y > /y
                RUN echo z > /etc/z
                RUN touch /etc/gone && rm /etc/gone && chmod 700 /etc
                RUN --mount=type=tmpfs,target=/made/m echo kept > /made/kept
                """
        )
        try #require(layers.count == 8, "\(layers)")
        #expect(layers[1] == ["drwxr-xr-x 0/0 dev/", "drwxr-xr-x 0/0 proc/", "drwxr-xr-x 0/0 sys/"])
        #expect(layers[2] == ["-rw-r--r-- 0/0 x"])
        #expect(layers[3] == ["drwxr-xr-x 0/0 etc/", "-rw-r--r-- 0/0 etc/a"])
        #expect(layers[4] == ["-rw-r--r-- 0/0 y"])
        #expect(layers[5] == ["drwxr-xr-x 0/0 etc/", "-rw-r--r-- 0/0 etc/z"])
        #expect(layers[6] == ["drwx------ 0/0 etc/"])
        #expect(layers[7] == ["drwxr-xr-x 0/0 made/", "-rw-r--r-- 0/0 made/kept"])
    }

    @Test func `a directory that a step leaves as the layers below show it is no change`() async throws {
        let layers = try await layers(
            of: """
                FROM busybox AS tools
                FROM scratch
                COPY --from=tools /bin /bin
                RUN mkdir -p /a/b/c /gone/d /new && touch /a/b/x
                RUN rm -r /a/b && mkdir -p /a/b/c && chmod 750 /a/b/c && rm -r /gone
                RUN chmod 755 /new /a/b && chmod 750 /a/b/c
                RUN mkdir -p /gone/d && chmod 755 /gone/d
                RUN rm -r /a/b && mkdir /a/b && mkdir /a/b/c && chmod 750 /a/b/c
                RUN rm -r /new && touch /new && rm /new && mkdir /new
                """
        )
        try #require(layers.count == 7, "\(layers)")
        #expect(layers[3].isEmpty)
        #expect(layers[4] == ["drwxr-xr-x 0/0 gone/", "drwxr-xr-x 0/0 gone/d/"])
        // What was made anew hides what was there, also where it looks the same.
        #expect(layers[5].contains("drwxr-x--- 0/0 a/b/c/"))
        #expect(layers[6].contains("drwxr-xr-x 0/0 new/"))
    }

    @Test func `a file that a step leaves as the layers below show it is no change`() async throws {
        let layers = try await layers(
            of: """
                FROM busybox AS tools
                FROM scratch
                COPY --from=tools /bin /bin
                RUN mkdir /d /e && echo 1 > /d/file && echo 2 > /e/same && ln -s file /d/link && echo 3 > /e/time
                RUN chmod 644 /e/same && chown -R 0:0 /d && mv /d/file /d/other && mv /d/other /d/file
                RUN touch /e/time
                RUN printf 4 > /x && touch -r /e/same /x && cat /x > /e/same && echo >> /e/same && touch -r /x /e/same
                """
        )
        try #require(layers.count == 5, "\(layers)")
        #expect(layers[2].isEmpty)
        #expect(layers[3] == ["drwxr-xr-x 0/0 e/", "-rw-r--r-- 0/0 e/time"])
        // Neither size nor time tells of it.
        #expect(layers[4] == ["drwxr-xr-x 0/0 e/", "-rw-r--r-- 0/0 e/same", "-rw-r--r-- 0/0 x"])
    }

    @Test(.proves("C13, C23: directories for /proc")) func `a directory has the time at which the step changed it`()
        async throws
    {
        let built = try await build(
            """
            FROM busybox
            RUN touch -d '2001-01-01 00:00:00' /etc
            RUN test "$(stat -c %y /etc | cut -c 1-10)" = 2001-01-01 && true > /etc/new
            RUN test "$(stat -c %y /etc | cut -c 1-10)" != 2001-01-01
            """
        )
        #expect(built.status == 0, "\(built.errorText)")
    }

    @Test(.proves("A missing working directory is made as the step's user's"))
    func `a missing working directory becomes its user's`() async throws {
        let slipway = try await Slipway.shared()
        let name = "step-directory-\(UUID().uuidString.lowercased())"
        let script = "tar -cf base.tar -C / bin/busybox && \"$0\" import -c 'WORKDIR /made/here' base.tar \"$1\""
        let imported = try await runProgram(
            "bash",
            ["-c", script, try Slipway.binary, name],
            in: scratch.url,
            environment: ["SLIPWAY_ROOT": slipway.root]
        )
        try #require(imported.status == 0, "\(imported.errorText)")
        let layers = try await layers(of: "FROM \(name)\nUSER 12:34\nRUN [\"/bin/busybox\", \"pwd\"]\n")
        #expect(layers.last?.contains("drwxr-xr-x 12/34 made/") == true)
        #expect(layers.last?.contains("drwxr-xr-x 12/34 made/here/") == true)
        try await slipway.succeed("rmi", name)
    }

    /// A time of the display, `…T15:36:36.912689873Z`.
    private func seconds(_ time: String) throws -> Double {
        let parts = time.dropLast().split(separator: ".")
        let whole = try Date("\(parts[0])Z", strategy: .iso8601).timeIntervalSinceReferenceDate
        return whole + (parts.count > 1 ? Double("0.\(parts[1])") ?? 0 : 0)
    }

    @Test(.proves("C15: a step that fails ends the"))
    func `a failure ends the build at once, whatever other steps ignore`() async throws {
        let built = try await build(
            """
            FROM busybox AS deaf
            RUN trap '' TERM INT; while :; do sleep 0.01; done
            FROM busybox
            RUN sleep 0.5; exit 9
            COPY --from=deaf /etc/passwd /
            """,
            "--progress=rawjson"
        )
        #expect(built.status == 1)
        // The end of the step that failed and that of the one that was ended with it.
        let events = built.errorText.split(separator: "\n").filter { $0.hasPrefix("{") }
        let ends = try events.flatMap { line -> [Double] in
            let event = try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any]
            let vertices = event?["vertexes"] as? [[String: Any]] ?? []
            let failed = vertices.filter { ($0["error"] as? String)?.isEmpty == false }
            return try failed.compactMap { $0["completed"] as? String }.map(seconds)
        }
        let first = try #require(ends.min())
        let last = try #require(ends.max())
        #expect(ends.count >= 2, "\(built.errorText)")
        #expect(last - first < 1.5, "\(built.errorText)")
    }
}
