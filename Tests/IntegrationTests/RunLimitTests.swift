import Foundation
import Proofs
import Testing

/// What RUN steps may do, see and take, as the command line says it.
@Suite(.requires(.root, .program("crun")))
struct `What RUN may` {
    private let scratch: TemporaryDirectory

    init() throws { scratch = try TemporaryDirectory() }

    private func build(
        _ instructions: String,
        _ options: String...,
        cached: Bool = false,
        environment: [String: String] = [:]
    ) async throws -> ProgramResult {
        try await Slipway.shared().build(
            "FROM busybox\n" + instructions,
            (cached ? [] : ["--no-cache"]) + options,
            in: scratch,
            environment: environment
        )
    }

    @Test(.proves("RUN --network", "--allow", "--network"))
    func `see of the network is what the build or the step says`() async throws {
        let devices = "RUN ls /sys/class/net | tr '\\n' ' ' && echo devices\n"
        let none = try await build(devices, "--network", "none")
        #expect(none.errorText.contains(" lo devices"), "\(none.errorText)")
        let own = try await build("RUN --network=none ls /sys/class/net | tr '\\n' ' ' && echo devices\n")
        #expect(own.errorText.contains(" lo devices"), "\(own.errorText)")
        let refused = try await build("RUN --network=host true\n")
        #expect(refused.status == 1)
        #expect(refused.errorText.contains("network.host is not allowed"))
        #expect(refused.errorText.contains("Dockerfile:2"))
        let allowed = try await build("RUN --network=host true\n", "--allow", "network.host")
        #expect(allowed.status == 0, "\(allowed.errorText)")
        let wide = try await build("RUN --network=host true\n", "--network", "host")
        #expect(wide.status == 0, "\(wide.errorText)")
    }

    @Test(.proves("RUN --security", "--allow")) func `be unconfined only where that is allowed`() async throws {
        let step = """
            RUN --security=insecure grep -E '^(CapEff|CapBnd|Seccomp):' /proc/self/status && \\
                mkdir /m && mount -t tmpfs none /m && umount /m && ls /proc/acpi /sys/firmware > /dev/null
            """
        let refused = try await build(step)
        #expect(refused.status == 1)
        #expect(refused.errorText.contains("security.insecure is not allowed"))
        let allowed = try await build(step, "--allow", "security.insecure")
        try #require(allowed.status == 0, "\(allowed.errorText)")
        #expect(allowed.errorText.contains("Seccomp:\t0"))
        let own = try await runProgram("grep", ["CapBnd", "/proc/self/status"])
        let mask = try #require(own.text.split(separator: "\t").last?.trimmingCharacters(in: .whitespacesAndNewlines))
        #expect(allowed.errorText.contains("CapEff:\t\(mask)"))
        let sandboxed = try await build(
            "RUN grep -E '^(CapEff|Seccomp):' /proc/self/status; ! mount -t tmpfs none /tmp\n"
        )
        #expect(sandboxed.errorText.contains("CapEff:\t00000000a80425fb"), "\(sandboxed.errorText)")
        #expect(sandboxed.errorText.contains("Seccomp:\t2"))
    }

    @Test(.proves("RUN --security")) func `mount files and use devices of the kernel where they are unconfined`()
        async throws
    {
        let devices = "kmsg cuse fuse kvm net/tun loop-control loop0 loop7"
        let without = try await build("RUN for name in \(devices); do test ! -e /dev/$name || exit 1; done\n")
        #expect(without.status == 0, "\(without.errorText)")
        let step = """
            RUN --security=insecure for name in \(devices); do test -c /dev/$name -o -b /dev/$name || exit 1; done && \
                stat -c '%n %t:%T' /dev/fuse /dev/loop7
            """
        let with = try await build(step, "--allow", "security.insecure")
        #expect(with.status == 0 && with.errorText.contains("/dev/fuse a:e5"), "\(with.errorText)")
        #expect(with.errorText.contains("/dev/loop7 7:7"))
    }

    @Test func `reach no device of the host, though nodes of any can be made`() async throws {
        let step =
            "mknod /n c 10 229 && echo \"made: $(cat /n 2>&1 > /dev/null)\" && mknod /z c 1 5 && head -c 2 /z | wc -c"
        let refused = try await build("RUN \(step)\nRUN echo \"kept: $(cat /n 2>&1 > /dev/null)\"\n")
        try #require(refused.status == 0, "\(refused.errorText)")
        #expect(refused.errorText.contains("made: cat: can't open '/n': Operation not permitted"))
        #expect(refused.errorText.contains("kept: cat: can't open '/n': Operation not permitted"))
        let limited = try await build("RUN \(step)\n", "--memory", "64m")
        #expect(limited.errorText.contains("made: cat: can't open '/n': Operation not permitted"))
        // Whether the device is there or not, it is asked.
        let allowed = try await build("RUN --security=insecure \(step)\n", "--allow", "security.insecure")
        try #require(allowed.status == 0, "\(allowed.errorText)")
        #expect(allowed.errorText.contains("made: ") && !allowed.errorText.contains("can't open '/n': Operation not"))
    }

    @Test(.proves("bind")) func `be given mounts anywhere but over the device that it starts with`() async throws {
        for target in ["/dev", "/dev/null"] {
            let refused = try await build("RUN --mount=type=bind,target=\(target) true\n")
            #expect(refused.status == 1 && refused.errorText.contains("Dockerfile:2"))
            #expect(
                refused.errorText.contains(
                    "cannot mount this on \(target): no process starts without the device /dev/null"
                ),
                "\(refused.errorText)"
            )
        }
        let below = try await build(
            "RUN --mount=type=tmpfs,target=/dev --mount=target=/dev/context cat /dev/context/Dockerfile > /dev/null\n"
        )
        #expect(below.status == 0, "\(below.errorText)")
    }

    @Test(.proves("--add-host", "--shm-size, --ulimit")) func `find hosts, limits, memory and a name`() async throws {
        let built = try await build(
            """
            RUN cat /etc/hosts && echo "nofile $(ulimit -Sn) $(ulimit -Hn) core $(ulimit -c)" && \\
                df -k /dev/shm | tail -1 && echo "called $(hostname)"
            """,
            "--add-host",
            "one:10.1.2.3",
            "--add-host",
            "six=[2001:db8::1]",
            "--add-host",
            "gate:host-gateway",
            "--ulimit",
            "nofile=100:200",
            "--ulimit",
            "core=0",
            "--shm-size",
            "8m",
            "--build-arg",
            "BUILDKIT_SANDBOX_HOSTNAME=builder"
        )
        try #require(built.status == 0, "\(built.errorText)")
        for text in [
            "10.1.2.3\tone", "2001:db8::1\tsix", "nofile 100 200 core 0", " 8192 ", "called builder",
        ] {
            #expect(built.errorText.contains(text), "\(text): \(built.errorText)")
        }
        let gate = try await build("RUN grep gate /etc/hosts\n", "--network", "host", "--add-host", "gate:host-gateway")
        #expect(gate.errorText.contains("127.0.0.1\tgate"), "\(gate.errorText)")
    }

    @Test func `use proxies that neither key nor history know`() async throws {
        let step = "RUN echo \"proxy $http_proxy $HTTPS_PROXY\" && head -c 9 /dev/urandom > /r\nLABEL step=proxy\n"
        let name = "proxied-\(UUID().uuidString.lowercased())"
        let first = try await build(
            step,
            "--build-arg",
            "HTTP_PROXY=http://canary:1",
            "--build-arg",
            "https_proxy=http://canary:2",
            "--tag",
            name,
            cached: true
        )
        try #require(first.status == 0, "\(first.errorText)")
        let second = try await build(step, "--build-arg", "HTTP_PROXY=http://other:1", cached: true)
        #expect(second.errorText.contains("CACHED"))
        let history = try await Slipway.shared().succeed("history", "--no-trunc", name)
        #expect(!history.contains("canary"))
    }

    @Test(.proves("--cgroup-parent", "--resource", "Hidden flags of older builders"))
    func `not use more memory than it is given`() async throws {
        // The fill grows until the limit ends it; 300 MB are far more than 64.
        let built = try await build(
            "RUN dd if=/dev/zero of=/dev/shm/fill bs=1M count=300\n",
            "-m",
            "64m",
            "--memory-swap",
            "64m",
            "--shm-size",
            "400m"
        )
        // A host may keep limits from being set; then it says so.
        if built.errorText.contains("is not in force") { return }
        #expect(built.status == 1, "\(built.errorText)")
        #expect(built.errorText.contains("exit code: 137"))
        #expect(built.errorText.contains("hint: the step used more memory than its limit"))
    }

    @Test(
        .proves("--add-host", "--allow", "--resource", "--shm-size, --ulimit"),
        arguments: [
            (["--allow", "root"], "unknown entitlement root"),
            (["--ulimit", "nofile"], "invalid ulimit argument: nofile"),
            (["--ulimit", "files=1"], "invalid ulimit type: files"),
            (["--ulimit", "nofile=5:4"], "ulimit soft limit must be less than or equal to hard limit: 5 > 4"),
            (["--add-host", "one"], "invalid host one"),
            (["--add-host", "one:999.1.1.1"], "invalid host one:999.1.1.1"),
            (["--resource", "disk=1g"], "unknown resource disk"),
            (["--resource", "memory"], "invalid resource memory, expected key=value"),
            (["--cpuset-cpus", "all"], "it is not a list such as 0-2,4"),
            (["--shm-size", "much"], "invalid size: 'much'"),
        ]
    )
    func `not be given meaningless values`(options: [String], message: String) async throws {
        try scratch.write("FROM busybox\n", to: "context/Dockerfile")
        let built = try await Slipway.shared().run(
            ["build"] + options + ["."],
            in: scratch.url.appending(path: "context")
        )
        #expect(built.status == 125 || built.status == 1)
        #expect(built.errorText.contains(message), "\(built.errorText)")
    }

    // MARK: Failures

    @Test(arguments: [
        ("RUN frobnicate\n", "hint: frobnicate is in no directory of the image's PATH"),
        ("COPY --chmod=644 <<X /go\n#!/bin/sh\nX\nRUN /go\n", "hint: /go is not executable (its mode is 0644)"),
        (
            "COPY --chmod=755 <<X /go\n#!/bin/bash\nX\nRUN /go\n",
            "hint: /go needs /bin/bash, which the image does not have"
        ),
        ("RUN --network=none wget -q http://nowhere.invalid/\n", "hint: the step has no network (--network=none)"),
        ("FROM scratch\nRUN echo\n", "hint: the image has no shell (/bin/sh)"),
    ])
    func `fail with cause and remedy`(instructions: String, hint: String) async throws {
        let built = try await build(instructions)
        #expect(built.status == 1)
        #expect(built.errorText.contains("\n\(hint)"), "\(built.errorText)")
    }

    @Test func `fail without advice where nothing is certain`() async throws {
        for instructions in ["RUN exit 127\n", "RUN exit 126\n", "RUN exit 137\n", "RUN false\n"] {
            let built = try await build(instructions)
            #expect(built.status == 1)
            #expect(!built.errorText.contains("hint:"), "\(built.errorText)")
        }
    }

    @Test func `fail and be explained afterwards`() async throws {
        let (slipway, directory) = try Slipway.isolated()
        defer { withExtendedLifetime(directory) {} }
        let base = scratch.url.appending(path: "busybox.tar").path
        try await Slipway.shared().succeed("save", "-o", base, "busybox")
        try await slipway.succeed("load", "-i", base)
        let context = scratch.url.appending(path: "context")
        func build(_ second: String) async throws -> ProgramResult {
            try scratch.write(
                "FROM busybox\nRUN true\nENV A=\(second)\nRUN test $A = good\nRUN echo\n",
                to: "context/Dockerfile"
            )
            return try await slipway("build", "--progress=plain", ".", in: context)
        }
        #expect(try await build("good").status == 0)
        #expect(try await build("bad").status == 1)
        let text = try await slipway.succeed("explain")
        #expect(text.contains("CACHED   [2/4] RUN true (Dockerfile:2)"), "\(text)")
        #expect(
            text.contains("FAILED   [3/4] RUN test $A = good (Dockerfile:4)")
                || text.contains("FAILED   [3/4] RUN test bad = good")
        )
        #expect(text.contains("environment A changed from \"good\" to \"bad\""))
        #expect(!text.contains("RUN echo"))
        let json = try await slipway.succeed("explain", "--format", "json")
        #expect(json.contains("\"outcome\":\"failed\""))
    }
}
