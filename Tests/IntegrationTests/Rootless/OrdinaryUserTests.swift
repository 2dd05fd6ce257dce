import Foundation
import Proofs
import Testing

/// What an ordinary user has of Slipway, on machines that allow more and less.
@Suite(.requires(.root, .program("crun"), .program("newuidmap"), .program("setpriv")))
struct `An ordinary user` {
    private typealias Machine = OrdinaryUser.Machine

    private func security(_ machine: Machine, environment: [String: String] = [:]) async throws -> String {
        let user = try await OrdinaryUser(machine)
        let info = try await user.slipway("info", "--format", "{{.Security}}", environment: environment)
        #expect(info.status == 0, "\(info.errorText)")
        return info.text.trimmingCharacters(in: .newlines)
    }

    @Test(arguments: [false, true]) func `has all subordinate ids, by name or by number`(isNumber: Bool) async throws {
        #expect(try await security(Machine(isNamedByNumber: isNumber)) == "user namespace with 65537 ids")
    }

    @Test func `has one id without subordinate ids, and is told how to get some`() async throws {
        let text = try await security(Machine(subordinateIDs: nil))
        #expect(
            text == "user namespace with one id (tester has no ids in /etc/subuid; "
                + "give some: usermod --add-subuids 100000-165535 tester)"
        )
        let few = try await security(Machine(subordinateIDs: 1000))
        #expect(few.hasPrefix("user namespace with one id (tester has only 1000 ids in /etc/subuid"), "\(few)")
    }

    @Test func `is told of ids that another user has too`() async throws {
        let text = try await security(Machine(otherLines: "other:2000000:65536"))
        #expect(text.hasPrefix("user namespace with 65537 ids ("), "\(text)")
        #expect(
            text.contains("ids of tester in /etc/subuid are also given to other; give each user a range of its own")
        )
    }

    @Test func `has one id where newuidmap is missing, or lacks its set-uid bit`() async throws {
        let missing = try await security(Machine(missing: ["newuidmap"]))
        #expect(
            missing.hasPrefix("user namespace with one id (exec: \"newuidmap\": executable file not found"),
            "\(missing)"
        )
        #expect(missing.contains("apt-get install uidmap"))
        let plain = "cp /usr/bin/newuidmap plain; chmod 755 plain; mount --bind plain /usr/bin/newuidmap"
        let powerless = try await security(Machine(changes: plain))
        #expect(powerless.contains("/usr/bin/newuidmap has neither its set-uid bit nor its capability; chmod u+s"))
    }

    @Test func `is told of a missing runtime directory, and of the one that is used`() async throws {
        let user = try await OrdinaryUser(Machine(hasRuntimeDirectory: false))
        let info = try await user.slipway("info", "--format", "{{.Security}}")
        let place = "/tmp/slipway-\(user.id)"
        #expect(
            info.text == "user namespace with 65537 ids (XDG_RUNTIME_DIR is not set; its place is \(place))\n",
            "\(info.errorText)"
        )
        #expect(try await runProgram("stat", ["-c", "%a %u", place]).text == "700 \(user.id)\n")
        _ = try await runProgram("rm", ["-r", place])
    }

    @Test func `has neither namespaces nor mounts where parts of /proc are covered`() async throws {
        let text = try await security(Machine(changes: "mount --bind /dev/null /proc/interrupts"))
        #expect(
            text.hasPrefix("no user namespace (/proc/interrupts is covered, so that no process can be given a /proc"),
            "\(text)"
        )
        #expect(text.contains("systempaths=unconfined"))
    }

    @Test func `has no namespace where the kernel makes none`() async throws {
        // A namespace's root sets the limit for those in it.
        let user = try await OrdinaryUser()
        let result = try await user.run(
            """
            exec unshare --map-root-user --map-auto sh -euc '
                echo 0 > /proc/sys/user/max_user_namespaces
                mkdir -m 700 "$HOME/inner"; chown 1:1 "$HOME/inner"; chmod 711 "$HOME"
                exec setpriv --reuid=1 --regid=1 --clear-groups \\
                    env HOME="$HOME/inner" XDG_RUNTIME_DIR="$HOME/inner" SLIPWAY_ROOT="$HOME/inner/store" "$slipway" info --format "{{.Security}}"'
            """
        )
        #expect(result.text.hasPrefix("no user namespace ("), "\(result.text) \(result.errorText)")
        #expect(result.text.contains("allow it: sysctl -w user.max_user_namespaces=28633)"), "\(result.text)")
    }

    @Test func `builds an image whose files have several owners, and runs it`() async throws {
        let user = try await OrdinaryUser.withBusybox()
        let scratch = try TemporaryDirectory()
        let built = try await user.slipway.build(
            """
            FROM busybox
            RUN chmod 1777 /tmp && touch /a /b && chown 1000:2000 /a && chown 65534 /b && chmod 4755 /b && id -u > /who
            USER app
            RUN id -u > /tmp/who
            """,
            ["-t", "owners"],
            in: scratch
        )
        try #require(built.status == 0, "\(built.errorText)")
        let listed = try await user.slipway("run", "--rm", "-u", "0", "owners", "stat", "-c", "%u:%g %a", "/a", "/b")
        #expect(listed.text == "1000:2000 644\n65534:0 4755\n", "\(listed.errorText)")
        let who = try await user.slipway("run", "--rm", "owners", "cat", "/who", "/tmp/who")
        #expect(who.text == "0\n1000\n", "\(who.errorText)")
        // Outside, the files are those of subordinate ids.
        let found = try await runProgram("find", [user.store + "/snapshots", "-name", "a", "-printf", "%U:%G\n"])
        #expect(found.text == "2000999:2001999\n")
    }

    @Test func `runs containers that later commands reach, with a port of the host`() async throws {
        let user = try await OrdinaryUser.withBusybox()
        let started = try await user.run(
            """
            port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("", 0)); print(s.getsockname()[1])')
            $slipway run -d --name server -p $port:80 busybox httpd -f -p 80 -h /etc > /dev/null
            $slipway exec server id -u
            $slipway ps --format '{{.Names}} {{.Ports}}' | sed "s/$port/PORT/"
            python3 - $port <<'EOF'
            import socket, sys, time, urllib.request
            print(urllib.request.urlopen("http://127.0.0.1:" + sys.argv[1] + "/passwd").read().decode().split(":")[0])
            EOF
            $slipway cp server:/etc/passwd "$HOME/copy"
            stat -c %u "$HOME/copy"
            $slipway stop -t 0 server
            $slipway start server > /dev/null
            $slipway rm -f server
            """
        )
        #expect(
            started.text == "0\nserver 0.0.0.0:PORT->80/tcp\nroot\n\(user.id)\nserver\nserver\n",
            "\(started.text) \(started.errorText)"
        )
    }

    @Test func `is refused ports, limits and stores that are root's, each with the reason`() async throws {
        let user = try await OrdinaryUser.withBusybox()
        let low = try await user.slipway("run", "--rm", "-p", "80:80", "busybox", "true")
        #expect(low.status == 125)
        #expect(
            low.errorText.contains("ports below 1024 are root's; publish a higher one, or allow this one: sysctl -w")
        )
        let limited = try await user.slipway("run", "--rm", "-m", "100m", "busybox", "true")
        #expect(limited.status == 125)
        #expect(limited.errorText.contains("the container cannot be held to its limits:"), "\(limited.errorText)")
        let scratch = try TemporaryDirectory()
        let built = try await user.slipway.build("FROM busybox\nRUN true", ["--memory", "100m"], in: scratch)
        #expect(built.status == 1)
        #expect(built.errorText.contains("a step cannot be held to the limits of --memory"), "\(built.errorText)")
    }

    @Test func `cannot use a store whose files have other numbers`() async throws {
        let user = try await OrdinaryUser.withBusybox()
        let other = try await OrdinaryUser(Machine(subordinateIDs: nil))
        // Root of the machine is one who has other numbers.
        let refused = try await Slipway(root: user.store)("images")
        #expect(refused.status == 1)
        #expect(refused.errorText.contains("was made in a user namespace with other ids"), "\(refused.errorText)")
        _ = other
    }
}
