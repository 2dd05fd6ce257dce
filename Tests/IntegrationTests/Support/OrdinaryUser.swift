import Foundation
import Testing

/// An ordinary user of this machine, made for a test.
///
/// The files that name users and their subordinate ids are the test's own, and only what the user runs sees them: nothing of
/// the machine is changed.
final class OrdinaryUser: Sendable {
    /// What an administrator gives the user.
    struct Machine: Sendable {
        /// How many subordinate ids, of users and of groups; nil is no line at all.
        var subordinateIDs: Int? = 65_536
        /// Under which name the lines of subordinate ids stand.
        var isNamedByNumber = false
        /// Lines of `/etc/subuid` of others.
        var otherLines = ""
        /// Shell commands of root, after everything else is there; `$user` is the directory.
        var changes = ""
        /// Programs that the user does not find.
        var missing: [String] = []
        var hasRuntimeDirectory = true
    }

    let directory: TemporaryDirectory
    let id: Int

    init(_ machine: Machine = Machine()) async throws {
        directory = try TemporaryDirectory()
        id = Int.random(in: 20_000..<60_000)
        let made = try await runProgram(
            "sh",
            ["-euc", Self.making, "sh", "\(id)", try Slipway.binary],
            in: directory.url,
            environment: [
                "count": machine.subordinateIDs.map { "\($0)" } ?? "",
                "owner": machine.isNamedByNumber ? "\(id)" : "tester",
                "others": machine.otherLines, "changes": machine.changes,
                "missing": machine.missing.joined(separator: " "),
                "runtime": machine.hasRuntimeDirectory ? "1" : "", "user": directory.path,
            ]
        )
        try #require(made.status == 0, "\(made.errorText)")
    }

    /// The user's store, in its home.
    var store: String { directory.path + "/home/.local/share/slipway" }

    /// The program, as the user runs it.
    var slipway: Slipway { slipway() }

    func slipway(environment: [String: String] = [:]) -> Slipway {
        Slipway(root: store, environment: environment, launcher: directory.path + "/slipway")
    }

    /// Runs a shell script as the user; `$slipway` is the program.
    func run(_ script: String, environment: [String: String] = [:]) async throws -> ProgramResult {
        try await runProgram(
            directory.path + "/as-user",
            ["sh", "-euc", script],
            environment: environment.merging(["slipway": directory.path + "/bin/slipway", "SLIPWAY_ROOT": store]) { $1 }
        )
    }

    /// A user with an image of a small system, `busybox:latest`, in its store.
    static func withBusybox(_ machine: Machine = Machine()) async throws -> OrdinaryUser {
        let user = try await OrdinaryUser(machine)
        try await user.load("busybox:latest")
        return user
    }

    /// Copies an image of the store that most tests share.
    func load(_ image: String) async throws {
        let archive = directory.path + "/image.tar"
        try await Slipway.shared().succeed("save", "-o", archive, image)
        try FileManager.default.setAttributes([.posixPermissions: 0o644], ofItemAtPath: archive)
        try await slipway.succeed("load", "-i", archive)
        try FileManager.default.removeItem(atPath: archive)
    }

    private static let making = """
        umask 022
        mkdir etc bin dev home run
        for name in passwd group; do cp /etc/$name etc; done
        echo "tester:x:$1:$1:Tester:$user/home:/bin/sh" >> etc/passwd
        echo "tester:x:$1:" >> etc/group
        for name in subuid subgid; do
            : > etc/$name
            if [ -n "$count" ]; then echo "$owner:2000000:$count" >> etc/$name; fi
            if [ -n "$others" ]; then echo "$others" >> etc/$name; fi
        done
        # As distributions have them.
        mknod -m 666 dev/tun c 10 200
        mknod -m 666 dev/fuse c 10 229
        : > bin/slipway
        chown $1:$1 home run
        chmod 700 home run
        [ -n "$runtime" ] || rmdir run
        for name in $missing; do : > bin/none-$name; done
        cat > as-user <<EOF
        #!/bin/sh
        exec unshare --mount --propagation private sh -euc '
            cd "$user"
            for name in passwd group subuid subgid; do mount --bind etc/\\$name /etc/\\$name; done
            for name in tun fuse; do
                place=/dev/\\$name; [ \\$name = fuse ] || place=/dev/net/\\$name
                if [ -e \\$place ]; then mount --bind dev/\\$name \\$place; fi
            done
            mount --bind "$2" bin/slipway
            for name in $missing; do
                for directory in /usr/local/bin /usr/bin /usr/sbin; do
                    # What cannot be executed is not found.
                    if [ -e \\$directory/\\$name ]; then mount --bind bin/none-\\$name \\$directory/\\$name; fi
                done
            done
            $changes
            cd "\\$OLDPWD"
            export HOME="$user/home" USER=tester
            unset XDG_DATA_HOME XDG_RUNTIME_DIR DOCKER_CONFIG
            [ ! -d "$user/run" ] || export XDG_RUNTIME_DIR="$user/run"
            exec setpriv --reuid=$1 --regid=$1 --clear-groups "\\$@"' sh "\\$@"
        EOF
        sed -i 's/^        //' as-user
        printf '#!/bin/sh\\nexec "%s/as-user" "%s/bin/slipway" "$@"\\n' "$user" "$user" > slipway
        chmod 755 . as-user slipway
        """
}
