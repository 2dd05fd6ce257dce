import Foundation
import Proofs
import Testing

/// `logs`.
extension `Container commands` {
    /// A container whose log holds these lines.
    private func container(_ name: String, _ slipway: Slipway, log: String) async throws {
        try await slipway.succeed("create", "--name", name, "busybox", "true")
        let path = try await slipway.succeed("inspect", "-f", "{{.LogPath}}", name)
        try log.write(toFile: path.trimmingCharacters(in: .newlines), atomically: true, encoding: .utf8)
    }

    private static let threeLines = """
        2026-11-28T13:49:26.390000000+00:00 stdout F one
        2026-11-28T22:49:27.500000000+09:00 stdout F two
        2026-11-28T13:49:29.000000000+00:00 stdout F three

        """

    @Test(.proves("B9: logs --since and --until compare"))
    func `lines are chosen by the instant at which they were written, whatever the zones`() async throws {
        try await withName { slipway, name in
            try await container(name, slipway, log: Self.threeLines)
            let cases: [([String], String, zone: String)] = [
                (["--since", "2026-11-28T13:49:26Z"], "one two three", "UTC"),
                (["--since", "2026-11-28T13:49:26.390000000Z"], "one two three", "JST-9"),
                (["--since", "2026-11-28T13:49:26.4Z"], "two three", "UTC"),
                (["--since", "2026-11-28T22:49:28+09:00"], "three", "UTC"),
                (["--since", "1795873767"], "two three", "JST-9"),
                (["--since", "1795873767.500000001"], "three", "UTC"),
                (["--since", "0"], "one two three", "UTC"),
                (["--since", ""], "one two three", "UTC"),
                // Without a zone the time is the caller's.
                (["--since", "2026-11-28T22:49:28"], "three", "JST-9"),
                (["--since", "2026-11-28T13:49:28"], "three", "UTC"),
                (["--until", "2026-11-28T13:49:27.5Z"], "one two", "JST-9"),
                (["--since", "2026-11-28T13:49:27Z", "--until", "2026-11-28T13:49:28Z"], "two", "UTC"),
                (["--tail", "1"], "three", "UTC"),
                // The last lines, and of these the ones since then.
                (["--tail", "2", "--until", "2026-11-28T13:49:28Z"], "two", "UTC"),
                (["--tail", "0"], "", "UTC"),
                (["--tail", "all"], "one two three", "UTC"),
            ]
            for (arguments, expected, zone) in cases {
                let shown = try await slipway.run(["logs"] + arguments + [name], environment: ["TZ": zone])
                #expect(shown.text.split(separator: "\n").joined(separator: " ") == expected, "\(arguments) \(zone)")
                #expect(shown.status == 0)
            }
            let stamped = try await slipway("logs", "-t", name, environment: ["TZ": "JST-9"])
            #expect(
                stamped.text == """
                    2026-11-28T13:49:26.390000000Z one
                    2026-11-28T13:49:27.500000000Z two
                    2026-11-28T13:49:29.000000000Z three

                    """
            )
            let wrong = try await slipway("logs", "--since", "soon", name)
            #expect(wrong.status == 1 && wrong.errorText.contains("\"soon\""))
        }
    }

    @Test func `a line that the monitor wrote in pieces counts as one of the last lines`() async throws {
        try await withName { slipway, name in
            let entries = ["F one", "P a", "P b", "F c", "F three", "P no end"]
            let log = entries.map { "2026-11-28T13:49:26.000000000+00:00 stdout \($0)\n" }.joined()
            try await container(name, slipway, log: log)
            let lines = ["one\n", "abc\n", "three\n", "no end"]
            for count in 0...5 {
                let shown = try await slipway.succeed("logs", "--tail", "\(count)", name)
                #expect(shown == lines.suffix(count).joined())
            }
        }
    }

    @Test(.proves("B10: a long log is streamed, and --tail reads from its end"))
    func `a long log is shown whole and in order, or from as many lines before its end as asked for`()
        async throws
    {
        try await withName { slipway, name in
            let count = 20_000
            var log = ""
            for number in 1...count {
                log += "2026-11-28T13:49:26.000000000+00:00 \(number % 3 == 0 ? "stderr" : "stdout") F \(number)\n"
            }
            try await container(name, slipway, log: log + "2026-11-28T13:49:26.000000000+00:00 stdout P half")
            func numbers(_ arguments: String...) async throws -> [Int] {
                let shown = try await slipway.run(["logs"] + arguments + [name])
                let merged = shown.text + shown.errorText
                return merged.split(separator: "\n").compactMap { Int($0) }.sorted()
            }
            #expect(try await numbers() == Array(1...count))
            for tail in [1, 2, 9_999, count - 1, count, count + 1] {
                #expect(try await numbers("--tail", "\(tail)") == Array(1...count).suffix(tail), "\(tail)")
            }
            let output = try await slipway("logs", name).text.split(separator: "\n").compactMap { Int($0) }
            #expect(output == (1...count).filter { $0 % 3 != 0 })
        }
    }
}
