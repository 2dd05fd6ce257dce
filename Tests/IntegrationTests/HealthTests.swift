import Foundation
import Proofs
import Testing

/// HEALTHCHECK.
extension `Container commands` {
    private static let health =
        "{{.State.Health.Status}} {{.State.Health.FailingStreak}} {{range .State.Health.Log}}{{.ExitCode}}:{{.Output}};{{end}}"

    /// Runs a container attached, waits until it has a status, and ends it.
    private func running(
        _ flags: [String],
        _ slipway: Slipway,
        _ name: String,
        until status: String,
        _ body: () async throws -> Void
    ) async throws {
        let arguments = ["run", "--name", name, "--network", "none"] + flags + ["busybox", "sleep", "60"]
        async let attached = slipway.run(arguments)
        let inspect = ["inspect", "-f", "{{.State.Health.Status}}", name]
        let deadline = ContinuousClock.now + .seconds(50)
        while try await slipway.run(inspect).text != status + "\n" {
            try #require(ContinuousClock.now < deadline)
        }
        try await body()
        try await slipway.succeed("kill", name)
        _ = try await attached
    }

    @Test(.proves("B19: the HEALTHCHECK of an image"))
    func `an attached container is checked, and its health is shown`() async throws {
        try await withName { slipway, name in
            let flags = [
                "--health-cmd", "echo fine; test ! -e /ill", "--health-interval", "50ms", "--health-retries", "2",
            ]
            try await running(flags, slipway, name, until: "healthy") {
                let ps = ["ps", "-f", "name=^\(name)$", "-f", "health=healthy", "--format", "{{.Status}}"]
                #expect(try await slipway.run(ps).text.hasSuffix(" (healthy)\n"))
                #expect(try await slipway.succeed("inspect", "-f", Self.health, name).hasPrefix("healthy 0 0:fine\n;"))
                try await slipway.succeed("exec", name, "touch", "/ill")
                let deadline = ContinuousClock.now + .seconds(50)
                while try await !slipway.succeed("inspect", "-f", Self.health, name).hasPrefix("unhealthy ") {
                    try #require(ContinuousClock.now < deadline)
                }
            }
        }
    }

    @Test(.proves("B19: the HEALTHCHECK of an image"))
    func `a check that takes too long, or cannot be started, has failed`() async throws {
        try await withName { slipway, name in
            let flags = ["--health-cmd", "sleep 100", "--health-interval", "50ms", "--health-timeout", "100ms"]
            try await running(flags + ["--health-retries", "1"], slipway, name, until: "unhealthy") {
                let shown = try await slipway.succeed("inspect", "-f", Self.health, name)
                #expect(shown.contains("-1:Health check exceeded timeout"))
                // What was given up is gone: at most the next one is there.
                let processes = try await slipway.succeed("top", name).split(separator: "\n")
                #expect(processes.count { $0.contains("sleep 100") } <= 2, "\(processes)")
            }
        }
    }

    @Test(.proves("B19: the HEALTHCHECK of an image"))
    func
        `the image's health check is shown unless it is switched off, and a detached container says that it does not run`()
        async throws
    {
        try await withName { slipway, name in
            let dockerfile = "FROM busybox\nHEALTHCHECK --interval=7s --retries=4 CMD true"
            let built = try await slipway.build(dockerfile, ["-t", name], in: scratch)
            try #require(built.status == 0, "\(built.errorText)")
            let template = "{{with .Config.Healthcheck}}{{.Test}} {{.Interval}} {{.Retries}}{{end}}"
            for (flags, expected) in [
                ([], "[CMD-SHELL true] 7000000000 4"), (["--health-interval", "1s"], "[CMD-SHELL true] 1000000000 4"),
                (["--health-cmd", "x y"], "[CMD-SHELL x y] 7000000000 4"),
                (["--no-healthcheck"], "[NONE] 7000000000 4"),
            ] {
                let made = try await slipway.run(["create", "--name", name] + flags + [name, "true"])
                try #require(made.status == 0, "\(made.errorText)")
                #expect(try await slipway.succeed("inspect", "-f", template, name) == expected + "\n", "\(flags)")
                try await slipway.succeed("rm", name)
            }
            for flags in [["-d"], []] {
                let started = try await slipway.run(["run", "--rm", "--network", "none"] + flags + [name, "true"])
                #expect(started.status == 0)
                #expect(started.errorText.hasPrefix("WARNING: health checks run only while") == !flags.isEmpty)
                #expect(started.errorText.count { $0 == "\n" } == flags.count)
            }
            let quiet = ["run", "--rm", "--no-healthcheck", "--network", "none", name, "true"]
            #expect(try await slipway.run(quiet).errorText == "")
            let conflict = try await slipway("run", "--no-healthcheck", "--health-cmd", "x", name, "true")
            #expect(conflict.status == 125)
            #expect(conflict.errorText.contains("--no-healthcheck conflicts with --health-* options"))
            _ = try await slipway("rmi", "-f", name)
        }
    }
}
