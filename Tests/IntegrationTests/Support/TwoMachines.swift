import Foundation
import Testing

/// Two machines that share nothing but a build cache: each has a store and a copy of the context in a place of its own.
struct TwoMachines {
    let scratch: TemporaryDirectory
    let first: Slipway
    let second: Slipway

    init() async throws {
        scratch = try TemporaryDirectory()
        first = Slipway(root: scratch.url.appending(path: "first").path)
        second = Slipway(root: scratch.url.appending(path: "second").path)
        let base = scratch.url.appending(path: "busybox.tar").path
        try await Slipway.shared().succeed("save", "-o", base, "busybox")
        for slipway in [first, second] { try await slipway.succeed("load", "-i", base) }
        try write()
    }

    /// One more machine, with nothing in its store but the base image.
    func third() async throws -> Slipway {
        let slipway = Slipway(root: scratch.url.appending(path: "third").path)
        try await slipway.succeed("load", "-i", scratch.url.appending(path: "busybox.tar").path)
        return slipway
    }

    /// Writes the context of each machine: two stages, in which no two runs of a step give the same.
    func write(last: String = "cat /copied > /last", source: String = "text\n") throws {
        let random = "cat /proc/sys/kernel/random/uuid"
        for name in ["here", "there"] {
            try scratch.write(
                """
                FROM busybox AS make
                COPY source /source
                RUN cat /source > /made && \(random) >> /made && \(random) > /unused
                FROM busybox
                COPY --from=make /made /copied
                RUN \(random) > /own
                RUN \(last)
                """,
                to: "\(name)/Dockerfile"
            )
            try scratch.write(source, to: "\(name)/source")
        }
    }

    func build(_ slipway: Slipway, in directory: String, _ options: [String]) async throws -> ProgramResult {
        try await slipway.run(
            ["build", "--progress=plain", "--iidfile=\(scratch.path)/\(directory).id"] + options + ["."],
            in: scratch.url.appending(path: directory)
        )
    }

    /// Builds on the first machine.
    @discardableResult
    func here(_ options: String...) async throws -> String { try await succeed(first, in: "here", options) }

    /// Builds on the second machine, or on another one beside it.
    @discardableResult
    func there(on slipway: Slipway? = nil, _ options: String...) async throws -> String {
        try await succeed(slipway ?? second, in: "there", options)
    }

    private func succeed(_ slipway: Slipway, in directory: String, _ options: [String]) async throws -> String {
        let result = try await build(slipway, in: directory, options)
        try #require(result.status == 0, "\(options): \(result.errorText)")
        return result.errorText
    }

    /// The titles of the steps of the Dockerfile that ran.
    func ran(_ log: String) -> [String] {
        let lines = log.split(separator: "\n").map { $0.split(separator: " ", maxSplits: 1).map(String.init) }
        let cached = Set(lines.filter { $0.last == "CACHED" }.map { $0[0] })
        var seen: Set<String> = []
        return lines.filter { line in
            line.count == 2 && line[1].hasPrefix("[") && !line[1].hasPrefix("[internal]") && !cached.contains(line[0])
                && seen.insert(line[0]).inserted
        }.map { $0[1] }
    }

    func id(_ directory: String) throws -> String {
        try String(contentsOf: scratch.url.appending(path: "\(directory).id"), encoding: .utf8)
    }
}
