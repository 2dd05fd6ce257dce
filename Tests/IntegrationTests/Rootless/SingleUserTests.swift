import Foundation
import Testing

/// An ordinary user without subordinate ids: a user namespace with one id.
@Suite(.requires(.root, .program("crun"), .program("setpriv"), .program("setcap")))
struct `An ordinary user with one id` {
    private static let one = OrdinaryUser.Machine(subordinateIDs: nil)

    /// Builds the files of an image as root and as the user; each line says all of a file but its times.
    private func listings(
        _ dockerfile: String,
        _ user: OrdinaryUser,
        in scratch: TemporaryDirectory
    ) async throws -> (root: [String], user: [String]) {
        func list(_ slipway: Slipway, _ archive: String) async throws -> [String] {
            let output = ["--no-cache", "-o", "type=tar,dest=\(archive)"]
            let built = try await slipway.build(dockerfile, output, in: scratch)
            try #require(built.status == 0, "\(built.errorText)")
            let listed = try await runProgram(
                "sh",
                ["-c", #"tar --numeric-owner -tvf "$0" | awk '{ $4 = $5 = ""; print }'"#, archive]
            )
            return listed.text.split(separator: "\n").map(String.init)
        }
        return (
            try await list(try await Slipway.shared(), scratch.path + "/root.tar"),
            try await list(user.slipway, user.directory.path + "/home/user.tar")
        )
    }

    @Test func `is at the level of one id`() async throws {
        let user = try await OrdinaryUser(Self.one)
        let text = try await user.slipway.succeed("info", "--format", "{{.Security}}")
        #expect(text.hasPrefix("user namespace with one id ("), "\(text)")
    }

    @Test func `builds root's image from an archive with owners, devices, links and capabilities`() async throws {
        let user = try await OrdinaryUser(Self.one)
        let scratch = try TemporaryDirectory()
        try scratch.write("content", to: "context/file")
        let made = try await runProgram(
            "sh",
            [
                "-euc",
                """
                mkdir tree; cd tree
                echo a > a; chown 33:44 a; chmod 4755 a
                ln -s a link; chown -h 55:66 link
                mknod device c 5 1; mknod block b 8 0; mkfifo fifo; chown 9:9 fifo
                mkdir d; chown 7:8 d; chmod 2755 d
                echo c > capable; setcap cap_net_raw+ep capable
                tar --xattrs --xattrs-include='*' -cf ../context/tree.tar .
                """,
            ],
            in: scratch.url
        )
        try #require(made.status == 0, "\(made.errorText)")
        let dockerfile = """
            FROM scratch AS first
            ADD tree.tar /tree
            COPY --chown=1000:2000 --chmod=6711 file /given
            FROM scratch
            COPY --from=first / /
            ADD tree.tar /again
            """
        let epoch = ["SOURCE_DATE_EPOCH": "0"]
        let shared = try await Slipway.shared()
        func identifier(_ slipway: Slipway, _ directory: String) async throws -> String {
            let options = ["--no-cache", "--iidfile", directory + "/id"]
            let built = try await slipway.build(dockerfile, options, in: scratch, environment: epoch)
            try #require(built.status == 0, "\(built.errorText)")
            return try String(contentsOfFile: directory + "/id", encoding: .utf8)
        }
        let expected = try await identifier(shared, scratch.path)
        #expect(try await identifier(user.slipway, user.directory.path + "/home") == expected)
    }

    @Test func `runs steps that give files away, and says again whose they are`() async throws {
        let user = try await OrdinaryUser.withBusybox(Self.one)
        let scratch = try TemporaryDirectory()
        let listings = try await listings(
            """
            FROM busybox AS work
            RUN mkdir /r && cd /r && touch a b && chown 33:44 a && chmod 4755 b && chown 55:66 b && ln -s a link \\
                && chown -h 5:6 link && mknod device c 5 1 && mkdir d && chown -R 7:8 d
            RUN test "$(stat -c %u:%g:%a /r/a /r/b | tr '\\n' ' ')" = '33:44:644 55:66:755 '
            RUN test "$(stat -c %u:%g:%F /r/link)" = '5:6:symbolic link' && test -c /r/device
            RUN cp -a /r /copy && mkdir /again && tar -C / -cf - r | tar -C /again -xpf -
            FROM scratch
            COPY --from=work /r /r
            COPY --from=work /copy /copy
            COPY --from=work /again /again
            """,
            user,
            in: scratch
        )
        #expect(listings.user == listings.root)
        #expect(listings.root.contains { $0.hasPrefix("crw") && $0.hasSuffix("r/device") })
    }

    @Test func `runs steps as other users, whose files come out as theirs`() async throws {
        let user = try await OrdinaryUser.withBusybox(Self.one)
        let scratch = try TemporaryDirectory()
        let listings = try await listings(
            """
            FROM busybox AS work
            RUN mkdir -m 1777 /open
            USER 1000:2000
            RUN test "$(id -u):$(id -g)" = 1000:2000 && umask 027 && cd /open && echo a > a && mkdir d && ln -s a link
            RUN ! chown 0 /open/a
            USER 0
            RUN touch /open/root
            FROM scratch
            COPY --from=work /open /open
            """,
            user,
            in: scratch
        )
        #expect(listings.user == listings.root)
        #expect(listings.root.contains { $0.hasPrefix("drwxr-x--- 1000/2000") })
    }
}
