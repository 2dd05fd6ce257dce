import Foundation
import Testing

/// HEALTHCHECK.
extension `Container commands` {
    @Test func `the image's health check is shown unless it is taken away, and what starts says that it does not run`()
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
                #expect(started.errorText.hasPrefix("WARNING: the health of "))
                #expect(started.errorText.count { $0 == "\n" } == 1)
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
