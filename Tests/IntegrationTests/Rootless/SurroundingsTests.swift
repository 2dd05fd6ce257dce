import Foundation
import Testing

/// What an ordinary user is told where the file system of the store, or another place, refuses what is needed.
@Suite(.requires(.root, .program("crun"), .program("newuidmap"), .program("setpriv")))
struct `Surroundings that refuse something` {
    private typealias Machine = OrdinaryUser.Machine

    /// A user whose home has a file system of its own at `other`, and the program with its store there.
    private func user(
        _ fileSystem: String,
        subordinateIDs: Int? = 65_536,
        environment: [String: String] = [:]
    ) async throws -> (OrdinaryUser, Slipway) {
        let mount = "mkdir -p home/other; mount \(fileSystem) none home/other; chmod 777 home/other || :"
        let user = try await OrdinaryUser(Machine(subordinateIDs: subordinateIDs, changes: mount))
        let root = user.directory.path + "/home/other/store"
        return (user, Slipway(root: root, environment: environment, launcher: user.directory.path + "/slipway"))
    }

    @Test func `a file system without attributes of users holds the trees of a user with many ids as copies`()
        async throws
    {
        // Of the kernel's own file systems, ramfs has none at any version.
        let (user, slipway) = try await user("-t ramfs")
        let driver = try await slipway.succeed("info", "--format", "{{.Driver}}")
        #expect(driver == "copy\n")
        withExtendedLifetime(user) {}
    }

    @Test func `with one id such a file system is refused before anything is in the store`() async throws {
        let (user, slipway) = try await user("-t ramfs", subordinateIDs: nil)
        let refused = try await slipway("images")
        #expect(refused.status == 1)
        #expect(
            refused.errorText.contains("keeps no attributes of users (user.*)")
                && refused.errorText.contains("choose a directory on another one with --root or SLIPWAY_ROOT"),
            "\(refused.errorText)"
        )
        withExtendedLifetime(user) {}
    }

    @Test func `a file system that is read-only is named, with what to do`() async throws {
        let (user, slipway) = try await user("-t tmpfs -o ro,mode=777")
        let refused = try await slipway("images")
        #expect(refused.status == 1)
        #expect(
            refused.errorText.contains("read-only file system (choose another directory with --root or SLIPWAY_ROOT)")
        )
        withExtendedLifetime(user) {}
    }

    @Test func `a file system with noexec runs programs of overlays, and is named where trees are copies`() async throws
    {
        let user = try await OrdinaryUser(
            Machine(changes: "mkdir -p home/other; mount -t tmpfs -o noexec none home/other; chmod 777 home/other")
        )
        let archive = user.directory.path + "/image.tar"
        try await Slipway.shared().succeed("save", "-o", archive, "busybox:latest")
        try FileManager.default.setAttributes([.posixPermissions: 0o644], ofItemAtPath: archive)
        let result = try await user.run(
            """
            export SLIPWAY_ROOT="$HOME/other/store"
            # One mount for all commands of the script: the file system is new at each start.
            $slipway load -q -i "$1" > /dev/null
            $slipway run --rm --network none busybox echo overlay
            SLIPWAY_SNAPSHOTTER=copy $slipway run --rm --network none busybox echo copy || echo "ended with $?"
            """.replacingOccurrences(of: "$1", with: archive)
        )
        #expect(result.text == "overlay\nended with 125\n", "\(result.errorText)")
        #expect(
            result.errorText.contains("its file system is mounted with noexec; choose a directory on another one"),
            "\(result.errorText)"
        )
    }

    @Test func `a runtime directory of another user is not used, and named with the one that is`() async throws {
        let user = try await OrdinaryUser()
        let info = try await user.run("XDG_RUNTIME_DIR=/root $slipway info --format '{{.Security}}'")
        let place = "/tmp/slipway-\(user.id)"
        #expect(
            info.text
                == "user namespace with 65537 ids (XDG_RUNTIME_DIR is /root, which is no directory of this user's; "
                + "its place is \(place))\n",
            "\(info.errorText)"
        )
        // The same one for what is started by `unshare`, where the user is root.
        let inside = try await user.run(
            "unset XDG_RUNTIME_DIR; $slipway unshare $slipway info --format '{{.Security}}'"
        )
        #expect(inside.text == "user namespace with 65537 ids\n", "\(inside.errorText)")
        _ = try await runProgram("rm", ["-r", place])
    }

    @Test func `ids of others are not suggested to a user who has none`() async throws {
        let user = try await OrdinaryUser(Machine(subordinateIDs: nil, otherLines: "other:100000:65536"))
        let text = try await user.slipway.succeed("info", "--format", "{{.Security}}")
        #expect(text.contains("give some: usermod --add-subuids 165536-231071 tester"), "\(text)")
    }
}
