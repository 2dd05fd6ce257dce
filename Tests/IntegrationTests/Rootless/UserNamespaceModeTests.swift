import Foundation
import Testing

/// Containers of an ordinary user, whose files they have on volumes.
@Suite(.requires(.root, .program("crun"), .program("conmon"), .program("newuidmap"), .program("slirp4netns")))
struct `The user namespace of a container` {
    @Test func `is the user's own with --userns=host, where files of the user are root's`() async throws {
        let user = try await OrdinaryUser.withBusybox()
        let result = try await user.run(
            """
            touch "$HOME/file"
            $slipway run --rm --userns=host --network none -v "$HOME:/home" busybox stat -c %u /home/file
            $slipway create --userns=host --name made busybox > /dev/null
            $slipway inspect --format '{{.HostConfig.UsernsMode}}' made
            """
        )
        #expect(result.text == "0\nhost\n", "\(result.errorText)")
    }

    @Test func `keeps the user's number with --userns=keep-id, while the image's files are root's`() async throws {
        let user = try await OrdinaryUser.withBusybox()
        let result = try await user.run(
            """
            mkdir "$HOME/mine"; echo mine > "$HOME/mine/file"
            run="$slipway run --rm --userns=keep-id -v $HOME/mine:/mine"
            $run busybox sh -c 'id -u; id -g; stat -c %u:%g /mine/file /bin/busybox /; echo made > /mine/made; cat /mine/file'
            stat -c %u:%g "$HOME/mine/made"
            $run busybox sh -c 'touch /bin/x || echo refused; cat /proc/sys/net/ipv4/ip_unprivileged_port_start'
            $run -u 0 busybox sh -c 'id -u; touch /bin/x && chown 33:44 /bin/x && stat -c %u:%g /bin/x; stat -c %u /mine/made'
            $run --network none -u 5:6 busybox id -u
            $run --network host busybox id -u
            """
        )
        let own = "\(user.id):\(user.id)"
        #expect(
            result.text == """
                \(user.id)
                \(user.id)
                \(own)
                0:0
                0:0
                mine
                \(own)
                refused
                0
                0
                33:44
                \(user.id)
                5
                \(user.id)

                """,
            "\(result.errorText)"
        )
    }

    @Test func `is the same for exec, cp, named volumes and a second start`() async throws {
        let user = try await OrdinaryUser.withBusybox()
        let result = try await user.run(
            """
            cd "$HOME"; echo host > host
            printf 'FROM busybox\\nRUN chmod 1777 /tmp && mkdir /data && chown 7:8 /data && touch /data/five && chown 5:6 /data/five\\n' > Dockerfile
            $slipway build -q -t data . > /dev/null
            $slipway run -d --name one --userns=keep-id -v named:/data data sh -c 'trap "exit 0" TERM; sleep 600 & wait' > /dev/null
            $slipway inspect --format '{{.HostConfig.UsernsMode}} {{.Config.User}}' one
            $slipway exec one sh -c 'id -u; stat -c %u:%g /data /data/five; touch /tmp/own'
            $slipway exec -u 5:6 one sh -c 'id -u; echo five > /data/five; touch /tmp/five'
            $slipway cp host one:/tmp/host; $slipway exec one stat -c %u:%g /tmp/host
            $slipway exec -u 0 one sh -c 'cd /tmp; touch root; tar -cf - root five own' > in.tar
            $slipway exec -u 0 one mkdir /tmp/in
            $slipway cp - one:/tmp/in < in.tar
            $slipway exec one sh -c 'cd /tmp/in; stat -c %u:%g root five own'
            $slipway cp one:/tmp/five five; stat -c %u five
            $slipway stop -t 5 one > /dev/null
            $slipway cp one:/tmp - | tar --numeric-owner -tvf - tmp/five tmp/own tmp/root | awk '{ print $2 }'
            $slipway start one > /dev/null; $slipway exec one stat -c %u:%g /tmp/five /bin/busybox
            $slipway rm -f one > /dev/null
            $slipway run --rm --userns=keep-id --network none -v named:/data busybox stat -c %u:%g /data /data/five
            """
        )
        let own = "\(user.id):\(user.id)"
        let expected = [
            "keep-id \(own)", "\(user.id)", "7:8", "5:6", "5", own, "0:0", "5:6", own, "\(user.id)", "5/6",
            "\(user.id)/\(user.id)", "0/0", "5:6", "0:0", "7:8", "5:6", "",
        ]
        #expect(result.text == expected.joined(separator: "\n"), "\(result.errorText)")
    }

    @Test func `cannot keep a number where there is one id, and need not for root`() async throws {
        let user = try await OrdinaryUser.withBusybox(.init(subordinateIDs: nil))
        let one = try await user.slipway.run(["run", "--rm", "--userns=keep-id", "busybox", "true"])
        #expect(
            one.status == 125 && one.errorText.contains("--userns=keep-id needs subordinate ids"),
            "\(one.errorText)"
        )
        let root = try await Slipway.shared().run(["run", "--rm", "--userns=keep-id", "busybox", "true"])
        #expect(root.status == 125 && root.errorText.contains("--userns=keep-id is for ordinary users"))
    }
}
