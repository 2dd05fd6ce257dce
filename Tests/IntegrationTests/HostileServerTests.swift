import Foundation
import Proofs
import Testing

/// The program against a server that breaks every rule: each command ends by itself, soon, and says which server it
/// was.
@Suite(.requires(.root, .program("python3"), .program("timeout"))) struct `Commands that a hostile server answers` {
    private static let count = 6

    /// The commands, each with a number that decides what the server answers.
    private static let commands: [@Sendable (_ host: String, _ seed: Int) -> [String]] = [
        { host, seed in ["pull", "\(host)/x\(seed):1"] },
        { host, seed in ["push", "\(host)/x\(seed):1"] },
        { host, seed in ["build", "--progress=plain", "--build-arg", "FILE=http://\(host)/f\(seed)", "add"] },
        { host, seed in
            ["build", "--progress=plain", "--no-cache", "--cache-from", "type=registry,ref=\(host)/c\(seed)", "copy"]
        },
    ]

    @Test(.proves("A14: 5,000 broken answers (status")) func `end soon, with an error that names the server`()
        async throws
    {
        let server = try await HostileServer.start()
        let (slipway, directory) = try Slipway.isolated()
        try directory.write("FROM scratch\nARG FILE\nADD $FILE /\n", to: "add/Dockerfile")
        try directory.write("FROM scratch\nCOPY Dockerfile /\n", to: "copy/Dockerfile")
        let packed = try await runProgram("tar", ["-cf", "base.tar", "copy"], in: directory.url)
        try #require(packed.status == 0)
        try await slipway.succeed("import", directory.path + "/base.tar", "base")
        for seed in 0..<Self.count { try await slipway.succeed("tag", "base", "\(server.host)/x\(seed):1") }
        let failures = try await withThrowingTaskGroup(of: Bool.self) { group in
            var failures = 0
            for index in 0..<Self.count * Self.commands.count {
                if index >= 24, try await group.next() == true { failures += 1 }
                let command = Self.commands[index % Self.commands.count](server.host, index / Self.commands.count)
                group.addTask { try await failed(command, slipway, server.host, directory) }
            }
            return try await group.reduce(failures) { $0 + ($1 ? 1 : 0) }
        }
        #expect(failures > Self.count * 2, "\(failures)")
        #expect(try await slipway.succeed("system", "check").contains("no problems"))
    }

    private func failed(_ command: [String], _ slipway: Slipway, _ host: String, _ directory: TemporaryDirectory)
        async throws -> Bool
    {
        // A signal that cannot be blocked: what hangs is no more than a failure of this test.
        let result = try await runProgram(
            "timeout",
            ["-s", "KILL", "60", try Slipway.binary] + command,
            in: directory.url,
            environment: ["SLIPWAY_ROOT": slipway.root]
        )
        let what = "\(command.joined(separator: " ")): \(result.errorText)"
        #expect(result.status == 0 || result.status == 1, "\(what)")
        if result.status == 1 { #expect(result.errorText.contains(host), "\(what)") }
        #expect(!result.errorOutput.contains(0x1b), "\(what)")
        return result.status == 1
    }
}
