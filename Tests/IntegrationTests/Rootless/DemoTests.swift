import Foundation
import Testing

/// `make demo`, whose parts any user may run.
@Suite(
    .requires(
        .root,
        .program("crun"),
        .program("conmon"),
        .program("newuidmap"),
        .program("setpriv"),
        .program("slirp4netns"),
        .program("curl")
    )
)
struct `The demo of an ordinary user` {
    private static let repository = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent()

    @Test func `performs the tutorial, and the application answers`() async throws {
        let user = try await OrdinaryUser()
        // The user may not reach this checkout, and the base image is one that scripts/test made.
        let base = try #require(Slipway.baseArchive("python"))
        let copied = try await runProgram(
            "sh",
            [
                "-euc",
                #"mkdir -p "$1/.build/base-images"; cp -r scripts examples "$1"; cp "$2" "$1/.build/base-images""#,
                "sh",
                user.directory.path + "/checkout", base,
            ],
            in: Self.repository
        )
        try #require(copied.status == 0, "\(copied.errorText)")
        let result = try await user.run(
            """
            PORT=$(python3 -c 'import socket; s = socket.socket(); s.bind(("", 0)); print(s.getsockname()[1])')
            export PORT SLIPWAY="$slipway"
            "\(user.directory.path)/checkout/scripts/demo"
            "$slipway" ps -aq
            """
        )
        #expect(result.status == 0, "\(result.text) \(result.errorText)")
        let parts = result.text.components(separatedBy: "\n$ ")
        let answer = try #require(parts.first { $0.hasPrefix("curl -sS") })
        #expect(answer.contains("Hello"), "\(answer)")
        #expect(parts.contains { $0.hasPrefix("slipway ps") && $0.contains("slipway-demo") }, "\(result.text)")
        #expect(result.text.hasSuffix("# Done. Read README.md for more.\n"), "\(result.text)")
    }

    @Test func `makes a base image with a hook that a subordinate id can run`() async throws {
        let user = try await OrdinaryUser()
        let copied = try await runProgram(
            "sh",
            ["-euc", #"cp scripts/make-base-image "$1"; chmod 755 "$1/make-base-image""#, "sh", user.directory.path],
            in: Self.repository
        )
        try #require(copied.status == 0, "\(copied.errorText)")
        let result = try await user.run(
            #"""
            # mmdebstrap runs hooks as the root of a namespace that has none of the user's own id.
            mkdir "$HOME/bin" "$HOME/.config" "$HOME/.config/pip"
            echo "[global]" > "$HOME/.config/pip/pip.conf"
            cat > "$HOME/bin/mmdebstrap" <<'EOF'
            #!/bin/sh -eu
            for last; do case $last in --customize-hook=*) hook=${last#*=} ;; esac; done
            unshare --map-root-user --map-auto setpriv --reuid=1 --regid=1 --clear-groups sh -euc '
                test -x "$1"; test -r "$1"; cat "${1%/*}/pip.conf"' sh "$hook" > "$last"
            EOF
            chmod 755 "$HOME/bin/mmdebstrap"
            umask 077
            PATH="$HOME/bin:$PATH" TMPDIR=/tmp "\#(user.directory.path)/make-base-image" "$HOME/base.tar"
            cat "$HOME/base.tar"
            """#
        )
        #expect(result.status == 0, "\(result.errorText)")
        #expect(result.text.contains("[global]"), "\(result.text) \(result.errorText)")
    }
}
