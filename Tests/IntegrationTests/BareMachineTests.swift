import Foundation
import Proofs
import Testing

/// What the program finds missing around it is an error that names it: never silence, never success.
@Suite(.requires(.root, .program("unshare"), .program("setpriv")))
struct `A bare machine` {
    @Test(
        .proves("A10: no /proc is mounted"),
        arguments: [
            ["build", "."], ["images"], ["run", "x"], ["ps"], ["load", "-i", "x"], ["system", "prune", "-f"],
        ]
    )
    func `without /proc every command fails and says so`(words: [String]) async throws {
        let (slipway, directory) = try Slipway.isolated()
        let result = try await runProgram(
            "unshare",
            ["--mount", "sh", "-c", #"umount -l /proc && exec "$0" "$@""#, try Slipway.binary] + words,
            in: directory.url,
            environment: ["SLIPWAY_ROOT": slipway.root]
        )
        #expect(result.status != 0)
        #expect(result.errorText.contains("/proc is not mounted"), "\(result.errorText)")
        #expect(result.output.isEmpty)
    }

    @Test(.proves("A10: no /proc is mounted")) func `without /proc the arguments are still known`() async throws {
        let version = try await runProgram(
            "unshare",
            ["--mount", "sh", "-c", #"umount -l /proc && exec "$0" "$@""#, try Slipway.binary, "--version"]
        )
        #expect(version.status == 0 && version.text.hasPrefix("Slipway version"))
        let wrong = try await runProgram(
            "unshare",
            ["--mount", "sh", "-c", #"umount -l /proc && exec "$0" "$@""#, try Slipway.binary, "frob\u{301}"]
        )
        #expect(wrong.status != 0 && wrong.errorText.contains("unknown command: slipway frob\u{301}"))
    }

    @Test(arguments: ["--help", "--version", "build --help", "images", "info"])
    func `without a reader the status is that of SIGPIPE and nothing is said`(words: String) async throws {
        let slipway = try await Slipway.shared()
        let result = try await runProgram(
            "bash",
            ["-c", "{ sleep 0.2; exec \(try Slipway.binary) \(words); } | true; echo ${PIPESTATUS[0]}"],
            environment: ["SLIPWAY_ROOT": slipway.root]
        )
        #expect(result.text == "141\n" && result.errorText.isEmpty, "\(result.text) \(result.errorText)")
    }

    @Test(
        .proves("D: runc or a crun without seccomp under crun's name"),
        .requires(.program("runc"), .program("crun"), .program("conmon"), .program("busybox"))
    )
    func `runc under crun's name is refused before it starts anything`() async throws {
        let slipway = try await Slipway.shared()
        let scratch = try TemporaryDirectory()
        let program = scratch.path + "/crun"
        let runc = try #require(findProgram("runc"))
        try FileManager.default.createSymbolicLink(atPath: program, withDestinationPath: runc)
        let path = scratch.path + ":" + (ProcessInfo.processInfo.environment["PATH"] ?? "")
        let built = try await slipway.build(
            "FROM busybox\nRUN echo \(UUID().uuidString)",
            in: scratch,
            environment: ["PATH": path]
        )
        #expect(built.status == 1)
        var results = [built]
        for flags in [[], ["-d"]] {
            let words = ["run", "--rm", "--network", "none"] + flags + ["busybox", "true"]
            let refused = try await slipway.run(words, environment: ["PATH": path])
            #expect(refused.status == 125)
            results.append(refused)
        }
        for result in results {
            #expect(result.errorText.contains(program) && result.errorText.contains("runc"), "\(result.errorText)")
        }
    }

    /// The user of this number has no other process, so the limit is on this program's threads alone.
    @Test(.proves("D: the system gives no more threads"), arguments: 1...14)
    func `with few threads a command works or says what is missing, and ends`(limit: Int) async throws {
        let directory = try TemporaryDirectory()
        let root = directory.url.appending(path: "store").path
        try FileManager.default.createDirectory(atPath: root, withIntermediateDirectories: true)
        for path in [directory.path, root] {
            try FileManager.default.setAttributes([.posixPermissions: 0o777], ofItemAtPath: path)
        }
        // A name that the user can reach.
        let program = directory.path + "/slipway"
        try FileManager.default.createSymbolicLink(atPath: program, withDestinationPath: try Slipway.binary)
        let user = "\(54_000 + limit)"
        let result = try await runProgram(
            "setpriv",
            [
                "--reuid=\(user)", "--regid=\(user)", "--clear-groups", "timeout", "-s", "KILL", "20", "prlimit",
                "--nproc=\(limit)", program, "--root", root, "images",
            ],
            in: directory.url
        )
        if result.status == 0 {
            #expect(result.text.hasPrefix("REPOSITORY"))
        } else {
            #expect(result.status == 1, "\(result.status) \(result.errorText)")
            #expect(result.errorText.contains("pthread_create"), "\(result.errorText)")
        }
    }
}
