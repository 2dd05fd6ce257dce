import Foundation
import Proofs
import Testing

/// What the build cache keeps, as it is listed, and as it goes without being asked.
@Suite(.requires(.root, .program("crun")))
struct `The build cache` {
    private let scratch: TemporaryDirectory
    private let slipway: Slipway

    init() async throws {
        scratch = try TemporaryDirectory()
        try scratch.write(
            "[[worker.oci.gcpolicy]]\nall = true\nfilters = [\"description~=RUN\"]\n",
            to: "slipway.toml"
        )
        slipway = Slipway(
            root: scratch.url.appending(path: "store").path,
            environment: ["SLIPWAY_CONFIG": scratch.url.appending(path: "slipway.toml").path]
        )
        let base = scratch.url.appending(path: "busybox.tar").path
        try await Slipway.shared().succeed("save", "-o", base, "busybox")
        try await slipway.succeed("load", "-i", base)
        try scratch.write("FROM busybox\nRUN echo one > /one\nWORKDIR /two\n", to: "context/Dockerfile")
        try await slipway.succeed("build", "-q", "context", in: scratch.url)
    }

    private func list(_ options: String...) async throws -> [String] {
        let result = try await slipway.run(["builder", "du"] + options)
        try #require(result.status == 0, "\(result.errorText)")
        return result.text.split(separator: "\n").map(String.init)
    }

    @Test(.proves("du, prune")) func `is listed as templates, patterns and parents ask for it`() async throws {
        let names = try await list("--format", "{{.Description}}")
        #expect(names.count == 3 && names.contains("[2/3] RUN echo one > /one"))
        let step = try await list("--filter", "description~=^\\[2/3\\] R[UV]+N", "--format", "{{.ID}}")
        #expect(step.count == 1)
        let children = try await list("--filter", "parents=\(step[0])", "--format", "{{.Description}} {{.Parents}}")
        #expect(children == ["[3/3] WORKDIR /two [\(step[0])]"])
        let json = try await list("--format", "json")
        let fields = try #require(try JSONSerialization.jsonObject(with: Data(json[0].utf8)) as? [String: Any])
        #expect(
            Set(fields.keys) == [
                "ID", "Parents", "CreatedAt", "Mutable", "Reclaimable", "Shared", "Size", "Description", "UsageCount",
                "LastUsedAt", "Type",
            ]
        )
        #expect(try await list("--verbose").contains { $0.hasPrefix("Parent:") })
        let both = try await slipway("builder", "du", "--verbose", "--format", "json")
        #expect(both.status == 1 && both.errorText.contains("--format and --verbose cannot be used together"))
        let bad = try await slipway("builder", "du", "--filter", "description~=(")
        #expect(bad.status == 125 && bad.errorText.contains("\"(\" is not a pattern"))
    }

    @Test(.proves("Garbage collection (gc, reservedSpace"))
    func `is collected when it is due, and no command waits for it`() async throws {
        // A new store is left alone.
        try await slipway.succeed("build", "-q", "context", in: scratch.url)
        #expect(try await list("--format", "{{.ID}}").count == 3)
        let stamp = scratch.url.appending(path: "store/gc").path
        let back = try await runProgram("touch", ["-d", "2 hours ago", stamp])
        try #require(back.status == 0, "\(back.errorText)")
        try await slipway.succeed("build", "-q", "context", in: scratch.url)
        for _ in 0..<1200 {
            if try await list("--format", "{{.ID}}").count == 2 { break }
            try await Task.sleep(for: .milliseconds(250))
        }
        #expect(try await list("--format", "{{.Description}}").allSatisfy { !$0.contains("RUN") })
    }

    @Test(.proves("du, prune")) func `is pruned to what is allowed`() async throws {
        let all = try await slipway.succeed("buildx", "prune", "-f", "--max-used-space=1g", "--reserved-space=1m")
        #expect(all == "Total reclaimed space: 0B\n")
        #expect(
            try await slipway.succeed("builder", "prune", "-f", "--min-free-space=1") == "Total reclaimed space: 0B\n"
        )
        let old = try await slipway.succeed("builder", "prune", "-f", "-a", "--keep-storage=1g")
        #expect(old == "Total reclaimed space: 0B\n")
        #expect(try await slipway.succeed("builder", "prune", "-f", "-a").hasPrefix("Deleted build cache objects:\n"))
        #expect(try await list("--format", "{{.ID}}") == [])
    }
}
