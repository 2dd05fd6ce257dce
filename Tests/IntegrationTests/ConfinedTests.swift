import Foundation
import LinuxSystem
import SystemPackage
import Testing

/// Builds in a container that allows neither mounts nor namespaces, as a pod without special rights does.
@Suite(.requires(.root, .program("crun"), .program("busybox"), .program("ldd")))
struct `Slipway in a container with the default profile` {
    @Test func `says so, and builds by copies`() async throws {
        let confined = try await ConfinedSlipway()
        let info = try await confined.succeed("slipway info")
        #expect(info.contains("Security: root of a container that may not mount (root lacks CAP_SYS_ADMIN"))
        #expect(info.contains("Storage Driver: copy"))
        let refused = try await confined.run("slipway unshare true")
        #expect(refused.errorText.contains("there is no user namespace to run a command in"), "\(refused.errorText)")
        let reset = try await confined.succeed("slipway system reset -f; ls -A /var/lib; slipway images -q")
        #expect(reset.contains("Removed the store /var/lib/slipway\n"), "\(reset)")
    }

    @Test func `is told what is enough for a user namespace, and has one with just that`() async throws {
        let confined = try await ConfinedSlipway()
        let info = try await confined.succeed("slipway info --format '{{.Security}}'")
        let options = ["seccomp=unconfined", "systempaths=unconfined"].flatMap { ["--security-opt", $0] }
        #expect(info.contains("(docker: " + options.joined(separator: " ")), "\(info)")
        #expect(!info.contains("--privileged"))
        let more = try await confined.run(
            "slipway info --format '{{.Security}}'; slipway run --rm --network none busybox id -u",
            options[0],
            options[1],
            options[2],
            options[3]
        )
        #expect(more.text.hasPrefix("user namespace with "), "\(more.text) \(more.errorText)")
    }

    @Test func `a step has its user, its directory and the usual devices, and leaves nothing of them in the layer`()
        async throws
    {
        let confined = try await ConfinedSlipway()
        try confined.write(
            """
            FROM busybox
            RUN mkdir /w && chown app /w && echo hidden > /dev/own 2> /dev/null; true
            USER app
            WORKDIR /w
            RUN id -u > id; pwd > pwd; umask > mask; head -c 4 /dev/zero > /dev/null; cat /etc/hosts > hosts; \\
                head -c 1 /dev/urandom | wc -c > random; test -c /dev/full && test -s /proc/meminfo && echo yes > devices
            """
        )
        let listing = try await confined.succeed(
            """
            slipway build -q -o type=local,dest=/out context > /dev/null
            cd /out; cat w/id w/pwd w/mask w/random w/devices; head -n 1 w/hosts; find . -path ./bin -prune -o -print | sort
            find /var/lib/slipway/tmp /var/lib/slipway/mounts -mindepth 1; slipway system check
            """
        )
        #expect(
            listing == """
                1000
                /w
                0022
                1
                yes
                127.0.0.1\tlocalhost buildkitsandbox
                .
                ./dev
                ./etc
                ./etc/group
                ./etc/passwd
                ./proc
                ./root
                ./sys
                ./tmp
                ./w
                ./w/devices
                ./w/hosts
                ./w/id
                ./w/mask
                ./w/pwd
                ./w/random
                Checked 2 blobs, 4 layers, 1 images: no problems

                """
        )
    }

    @Test func `mounts show what they are of, and are gone from the layer`() async throws {
        let confined = try await ConfinedSlipway()
        try confined.share.write("context\n", to: "context/file")
        try confined.write(
            """
            FROM busybox AS other
            RUN mkdir -p /made/deep && echo made > /made/deep/file && ln -s deep/file /made/link
            FROM busybox
            RUN --mount=type=cache,target=/cache --mount=type=cache,target=/cache echo one >> /cache/log
            RUN --mount=type=cache,target=/cache --mount=type=cache,id=/cache,target=/again \\
                echo two >> /again/log && cat /cache/log > /log
            RUN --mount=type=secret,id=s,target=/etc/passwd --mount=type=secret,id=s,uid=5,mode=440,env=S,target=/run/x \\
                cat /etc/passwd /run/x > /secrets; echo $S >> /secrets; stat -c '%u %a' /run/x >> /secrets
            RUN --mount=type=bind,target=/a/b,rw --mount=type=tmpfs,target=/a/b/t cp /a/b/file /bound && echo new > /a/b/file \\
                && ls /a/b > /names && echo x > /a/b/t/x
            RUN --mount=type=bind,from=other,source=/made,target=/m cat /m/link >> /bound && echo changed > /m/deep/file
            RUN --mount=type=bind,from=other,source=/made/deep/file,target=/m/one cat /m/one >> /bound
            """
        )
        let seen = try await confined.succeed(
            """
            echo secret > /tmp/s
            slipway build -q --secret id=s,src=/tmp/s -o type=local,dest=/out context > /dev/null
            cd /out; cat log secrets bound names; ls; head -n 1 etc/passwd
            slipway build -q --target other -o type=local,dest=/other /share/context > /dev/null; cat /other/made/deep/file
            """
        )
        #expect(
            seen == """
                one
                two
                secret
                secret
                secret
                5 440
                context
                made
                made
                Dockerfile
                file
                t
                bin
                bound
                dev
                etc
                log
                names
                proc
                root
                secrets
                sys
                tmp
                root:x:0:0:root:/root:/bin/sh
                made

                """
        )
    }

    @Test func `steps that share a cache take turns, in whatever order they name it`() async throws {
        let confined = try await ConfinedSlipway()
        try confined.write(
            """
            FROM busybox AS first
            RUN --mount=type=cache,target=/a --mount=type=cache,target=/b echo 1 >> /a/x; echo 1 >> /b/x
            FROM busybox AS second
            RUN --mount=type=cache,target=/b --mount=type=cache,target=/a echo 2 >> /a/x; echo 2 >> /b/x
            FROM busybox
            COPY --from=first /etc/group /1
            COPY --from=second /etc/group /2
            RUN --mount=type=cache,target=/a --mount=type=cache,target=/b cat /a/x /b/x | sort > /x
            """
        )
        let seen = try await confined.succeed(
            "slipway build -q -o type=local,dest=/out context > /dev/null; cat /out/x"
        )
        #expect(seen == "1\n1\n2\n2\n")
    }

    @Test(.requires(.program("ssh-agent"))) func `an agent's socket is there for the step alone`() async throws {
        let confined = try await ConfinedSlipway()
        var configuration = ChildProcessConfiguration(
            .named("ssh-agent"),
            ["-D", "-a", confined.share.path + "/agent"]
        )
        configuration.files = [1: .pipeFromChild]
        let agent = try await ChildProcess.start(configuration)
        // It says where it listens once it does.
        _ = try await agent.reader(1)?.read()
        try confined.write(
            """
            FROM busybox
            RUN --mount=type=ssh test -S $SSH_AUTH_SOCK && echo $SSH_AUTH_SOCK > /there
            RUN test ! -e $(cat /there) && test ! -e /run
            """
        )
        let seen = try await confined.succeed(
            "slipway build -q --ssh default=agent -o type=local,dest=/out context > /dev/null; cat /out/there"
        )
        try await agent.terminate()
        #expect(seen == "/run/buildkit/ssh_agent.0\n")
    }

    @Test func `changes of files that stand there for a step are not kept, and that is said`() async throws {
        let confined = try await ConfinedSlipway()
        try confined.write("FROM busybox\nRUN echo own > /etc/resolv.conf; echo own > /etc/hosts; rm /etc/hosts\n")
        let result = try await confined.run(
            "slipway build --progress=plain -o type=local,dest=/out context; ls /out/etc"
        )
        #expect(result.status == 0)
        #expect(result.text == "group\npasswd\n")
        #expect(result.errorText.contains("the step's change of it is not kept"), "\(result.errorText)")
    }

    @Test(arguments: [
        ("RUN --security=insecure true", "a process with all privileges", "--allow security.insecure"),
        ("RUN --mount=type=tmpfs,target=/proc/x true", "", ""), ("RUN --network=host true", "", "--allow network.host"),
        ("RUN --network=none ! nc -z -w 1 127.0.0.1 1", "", ""),
    ])
    func `what needs a namespace is refused by name`(instruction: String, refusal: String, option: String) async throws
    {
        let confined = try await ConfinedSlipway()
        try confined.write("FROM busybox\n\(instruction)\n")
        let result = try await confined.run("slipway build --progress=plain \(option) context")
        #expect((result.status == 0) == refusal.isEmpty, "\(result.errorText)")
        #expect(refusal.isEmpty || result.errorText.contains(refusal), "\(result.errorText)")
    }

    @Test func `containers are refused, and images go everywhere`() async throws {
        let confined = try await ConfinedSlipway()
        try confined.write("FROM busybox\nRUN echo made > /made\n")
        let result = try await confined.run(
            """
            slipway build -q -t localhost/made context > /dev/null
            slipway save -o /tmp/made.tar localhost/made && slipway rmi localhost/made > /dev/null
            slipway load -q -i /tmp/made.tar; slipway tag localhost/made localhost/other; slipway images -q | sort -u | wc -l
            slipway run --rm localhost/made true || echo $?
            """
        )
        #expect(result.text.hasSuffix("2\n125\n"), "\(result.text)")
        #expect(result.errorText.contains("containers need mounts and namespaces, which this process may not make"))
    }

    @Test(.requires(.program("docker-registry")))
    func `a registry gets the image that root builds, and it is pulled again as it was`() async throws {
        let confined = try await ConfinedSlipway()
        let registry = try await RegistryServer.start(in: FilePath(confined.share.path))
        try confined.write("FROM busybox\nCOPY --chown=5:6 Dockerfile /d\nRUN mkfifo /f && chown 7 /f && mkdir /new\n")
        let name = "\(registry.host)/made:1"
        let build =
            "build -q --no-cache -t \(name) -o type=image,rewrite-timestamp=true --build-arg SOURCE_DATE_EPOCH=9"
        let seen = try await confined.succeed(
            """
            slipway \(build) context
            slipway push -q \(name) > /dev/null; slipway rmi -f \(name) > /dev/null
            slipway pull -q \(name) > /dev/null; slipway image inspect --format '{{.Id}}' \(name)
            """
        )
        let ofRoot = try await Slipway.shared().run(
            build.split(separator: " ").map(String.init) + [confined.share.path + "/context"]
        )
        try #require(ofRoot.status == 0, "\(ofRoot.errorText)")
        #expect(seen == ofRoot.text + ofRoot.text)
        let (other, directory) = try Slipway.isolated()
        defer { withExtendedLifetime(directory) {} }
        try await other.succeed("pull", "-q", name)
        #expect(try await other.succeed("image", "inspect", "--format", "{{.Id}}", name) == ofRoot.text)
    }

    @Test func `an ordinary user is told what a step would need`() async throws {
        let confined = try await ConfinedSlipway()
        try confined.write("FROM scratch\nRUN [\"/true\"]\n")
        let result = try await confined.run(
            "SLIPWAY_ROOT=/tmp/store slipway build --progress=plain context",
            "--user",
            "1000"
        )
        #expect(result.status == 1)
        #expect(result.errorText.contains("no process can be started here"), "\(result.errorText)")
        #expect(result.errorText.contains("runAsUser: 0"))
    }

    // MARK: Isolation

    /// Counts the processes that it can send signals to.
    private static let counter = """
        #include <signal.h>
        #include <stdio.h>
        int main(void) {
            int count = 0;
            for (int process = 1; process < 4194304; process++) count += kill(process, 0) == 0;
            printf("%d\\n", count);
        }
        """

    @Test(.requires(.landlock, .program("gcc")))
    func `a step sees nothing of the builder, and signals none but its own processes`() async throws {
        let confined = try await ConfinedSlipway()
        let compiled = try await runProgram(
            "gcc",
            ["-static", "-x", "c", "-o", confined.share.path + "/counter", "-"],
            input: Array(Self.counter.utf8)
        )
        try #require(compiled.status == 0, "\(compiled.errorText)")
        try confined.write(
            """
            FROM busybox
            COPY counter /
            RUN ls -d /share /var/lib/slipway /tmp/secret /proc/[0-9]* /proc/self > /seen 2> /dev/null; /counter > /count
            """
        )
        let seen = try await confined.succeed(
            """
            cp counter context; echo secret > /tmp/secret
            slipway build -q -o type=local,dest=/out context > /dev/null; cat /out/seen /out/count
            """
        )
        // The counter itself, which the shell has become.
        #expect(seen == "1\n")
    }

    @Test func `a builder that is killed leaves no process, and the store goes on`() async throws {
        let confined = try await ConfinedSlipway()
        try confined.write(
            """
            FROM busybox
            RUN --mount=type=cache,target=/c touch /c/kept
            RUN (setsid sleep 4711 < /dev/null > /dev/null 2>&1 &); sleep 4712
            """
        )
        let seen = try await confined.succeed(
            """
            slipway build -q context > /dev/null 2>&1 & builder=$!
            until ps | grep -q '[s]leep 4711' && ps | grep -q '[s]leep 4712'; do sleep 0.05; done
            kill -9 $builder; wait $builder || true
            for i in $(seq 200); do ps | grep -qE '[s]leep 471|[k]eep-process' || break; sleep 0.05; done
            ps | grep -E '[s]leep 471|[k]eep-process' || echo gone
            printf 'FROM busybox\\nRUN --mount=type=cache,target=/c ls /c > /l\\n' | slipway build -q -o type=local,dest=/out - > /dev/null
            cat /out/l; slipway system check; ls -A /var/lib/slipway/tmp /var/lib/slipway/run | grep -ve : -e '^$' || true
            """
        )
        #expect(seen.hasPrefix("gone\nkept\nChecked"), "\(seen)")
        #expect(seen.hasSuffix("no problems\n"), "\(seen)")
    }
}
