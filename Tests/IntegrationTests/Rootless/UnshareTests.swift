import Foundation
import Testing

/// `slipway unshare`: what a command in the user's namespace is given, and where there is no such namespace.
@Suite(.requires(.root, .program("crun"), .program("newuidmap"), .program("setpriv")))
struct `slipway unshare` {
    @Test func `runs a command as root of the namespace that all commands of the user share`() async throws {
        let user = try await OrdinaryUser()
        let result = try await user.run(
            """
            $slipway unshare sh -c 'id -u; touch "$HOME/file"; chown 1:1 "$HOME/file"; readlink /proc/self/ns/user > "$HOME/first"
                $slipway info --format "{{.Security}}"
                $slipway info --format "{{.DockerRootDir}}"'
            stat -c %u "$HOME/file"
            $slipway unshare rm "$HOME/file"
            $slipway unshare sleep 60 &
            until [ "$(cat /proc/$!/comm)" = sleep ]; do sleep 0.05; done
            readlink /proc/$!/ns/user > "$HOME/second"
            $slipway unshare readlink /proc/self/ns/user | cmp - "$HOME/second"
            kill $!
            wait $! || echo "ended with $?"
            """
        )
        #expect(
            result.text == """
                0
                user namespace with 65537 ids
                \(user.store)
                2000000
                ended with 143

                """,
            "\(result.errorText)"
        )
    }

    @Test func `ends as the command does, or with 126 and 127 where there is none`() async throws {
        let user = try await OrdinaryUser()
        let result = try await user.run(
            """
            $slipway unshare sh -c 'exit 7' || echo $?
            $slipway unshare "$HOME/none" || echo $?
            $slipway unshare "$HOME" || echo $?
            echo 'echo a shell: $0' | SHELL=/bin/bash $slipway unshare
            echo 'umask' | SHELL= $slipway unshare
            umask 077; $slipway unshare sh -c umask
            env --default-signal=PIPE sh -c "yes | $slipway unshare yes | head -n 1"
            """
        )
        #expect(
            result.text == "7\n127\n126\na shell: /bin/bash\n0022\n0077\ny\n",
            "\(result.text) \(result.errorText)"
        )
        #expect(result.errorText.contains("/home/none: no such file or directory"), "\(result.errorText)")
        #expect(!result.errorText.contains("Broken pipe"), "\(result.errorText)")
    }

    @Test func `lets go of no container: what runs when the shell ends is reached by the next command`() async throws {
        let user = try await OrdinaryUser.withBusybox()
        let result = try await user.run(
            """
            $slipway unshare $slipway run -d --name inside busybox sleep 600 > /dev/null
            $slipway exec inside id -u
            $slipway unshare $slipway ps --format '{{.Names}}'
            $slipway rm -f inside
            """
        )
        #expect(result.text == "0\ninside\ninside\n", "\(result.errorText)")
    }

    @Test func `joins no namespace that a program in it has made`() async throws {
        let user = try await OrdinaryUser()
        let result = try await user.run(
            """
            $slipway unshare unshare --user --map-root-user sleep 60 &
            until [ "$(cat /proc/$!/comm)" = sleep ]; do sleep 0.05; done
            $slipway info --format '{{.Security}}'
            kill $!
            wait $! || echo "ended with $?"
            """
        )
        #expect(result.text == "user namespace with 65537 ids\nended with 143\n", "\(result.errorText)")
    }

    @Test func `works with one id, whose files are the user's own`() async throws {
        let user = try await OrdinaryUser(OrdinaryUser.Machine(subordinateIDs: nil))
        let result = try await user.run("$slipway unshare sh -c 'id -u; cat /proc/self/uid_map' | tr -s ' '")
        #expect(result.text == "0\n 0 \(user.id) 1\n", "\(result.errorText)")
    }

    @Test func `is refused to root of the machine, and where no namespace can be had, with the reason`() async throws {
        let root = try await Slipway.shared()("unshare", "true")
        #expect(root.status == 1)
        #expect(root.errorText.contains("slipway unshare is for ordinary users"), "\(root.errorText)")
        let user = try await OrdinaryUser(.init(changes: "mount --bind /dev/null /proc/interrupts"))
        let refused = try await user.slipway("unshare", "true")
        #expect(refused.status == 1)
        #expect(
            refused.errorText.contains("there is no user namespace to run a command in: /proc/interrupts is covered"),
            "\(refused.errorText)"
        )
    }
}
