import Foundation
import Proofs
import Testing

/// Several commands on one container at the same time.
@Suite(.requires(.root, .program("crun"), .program("conmon"), .program("busybox"), .program("pgrep")))
struct `Commands on one container at once` {
    /// What each of a number of runs of one command gave.
    private func together(_ slipway: Slipway, _ count: Int, _ arguments: [String]) async throws -> [ProgramResult] {
        try await withThrowingTaskGroup(of: ProgramResult.self) { group in
            for _ in 0..<count { group.addTask { try await slipway.run(arguments) } }
            return try await group.reduce(into: []) { $0.append($1) }
        }
    }

    @Test(.proves("D: several commands start, restart"))
    func `a container that several start runs once, and goes once when several remove it`() async throws {
        let slipway = try await Slipway.shared()
        let name = "race-\(UUID().uuidString.lowercased().prefix(8))"
        let command = ["--name", name, "--network", "none", "busybox", "sh", "-c", "echo started; exec sleep 60"]
        let made = try await together(slipway, 4, ["create"] + command)
        #expect(made.filter { $0.status == 0 }.count == 1)
        let id = made.map(\.text).joined().trimmingCharacters(in: .newlines)

        let started = try await together(slipway, 5, ["start", name])
        #expect(started.map(\.status) == [0, 0, 0, 0, 0], "\(started.map(\.errorText))")
        while try await slipway.succeed("logs", name).isEmpty { try await Task.sleep(for: .milliseconds(20)) }
        #expect(try await slipway.succeed("logs", name) == "started\n")
        #expect(try await slipway.succeed("top", name).split(separator: "\n").count == 2)

        let removed = try await together(slipway, 5, ["rm", "-f", name])
        #expect(removed.filter { $0.text == "\(name)\n" }.count == 1)
        for result in removed where result.status != 0 {
            #expect(result.errorText == "Error: No such container: \(name)\n")
        }
        #expect(try await runProgram("pgrep", ["-f", id]).text.isEmpty)
    }
}
