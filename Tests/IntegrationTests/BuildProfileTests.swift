import Foundation
import Testing

/// `build --profile` and `explain --profile`.
@Suite(.requires(.root, .program("crun"))) struct `The profile that a build writes` {
    private let scratch: TemporaryDirectory

    init() throws { scratch = try TemporaryDirectory() }

    private struct Event {
        let fields: [String: Any]
        var name: String { fields["name"] as? String ?? "" }
        var arguments: [String: Any] { fields["args"] as? [String: Any] ?? [:] }
        var start: Int { fields["ts"] as? Int ?? -1 }
        var duration: Int { fields["dur"] as? Int ?? -1 }
    }

    /// The steps in the trace of a profile.
    private func steps(_ file: String = "context/profile.json") throws -> [Event] {
        let data = try Data(contentsOf: scratch.url.appending(path: file))
        let document = try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
        let events = try #require(document["traceEvents"] as? [[String: Any]])
        return events.filter { $0["ph"] as? String == "X" }.map { Event(fields: $0) }
            .filter { $0.name != "process" }
    }

    private func build(_ dockerfile: String, _ options: String...) async throws -> ProgramResult {
        try await Slipway.shared().build(dockerfile, options, in: scratch)
    }

    private func exists(_ name: String) -> Bool {
        FileManager.default.fileExists(atPath: scratch.url.appending(path: "context/\(name)").path)
    }

    @Test func `has the times, costs and reasons of its steps`() async throws {
        try scratch.write("one", to: "context/input")
        let dockerfile = """
            FROM busybox AS slow
            RUN sleep 0.4; i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; head -c 3000000 /dev/zero > /made
            FROM busybox AS fast
            RUN true
            FROM busybox
            COPY --from=slow /made /made
            COPY --from=fast /etc /fast
            COPY input /input

            """
        let first = try await build(dockerfile, "--no-cache", "--profile", "profile.json")
        try #require(first.status == 0, "\(first.errorText)")
        let all = try steps()
        let slow = try #require(all.first { $0.name.contains("RUN sleep") })
        #expect(slow.duration >= 400_000)
        #expect(slow.arguments["critical"] as? Bool == true)
        #expect(slow.arguments["state"] as? String == "ran")
        #expect((slow.arguments["reason"] as? String)?.contains("--no-cache") == true)
        #expect(slow.arguments["line"] as? String == "Dockerfile:2")
        #expect(slow.arguments["layerBytes"] as? Int == 3_000_000)
        #expect((slow.arguments["processorSeconds"] as? Double ?? 0) > 0.005)
        let memory = slow.arguments["peakMemoryBytes"] ?? slow.arguments["peakMemoryBytesAtMost"]
        #expect((memory as? Int ?? 0) > 100_000)
        let fast = try #require(all.first { $0.name.contains("RUN true") })
        #expect(fast.arguments["critical"] as? Bool == false)
        let export = try #require(all.last)
        #expect(export.name == "exporting to image" && export.arguments["critical"] as? Bool == true)
        #expect(export.start >= slow.start + slow.duration)

        try scratch.write("another", to: "context/input")
        let second = try await build(dockerfile, "--profile", "profile.json")
        try #require(second.status == 0, "\(second.errorText)")
        let again = try steps()
        #expect(again.first { $0.name.contains("RUN sleep") }?.arguments["state"] as? String == "cached")
        let copy = try #require(again.first { $0.name.contains("COPY input") })
        #expect((copy.arguments["reason"] as? String)?.contains("input: content") == true)
    }

    @Test func `is written of a build that fails, with the error`() async throws {
        let failed = try await build("FROM busybox\nRUN exit 3\n", "--profile", "profile.html")
        #expect(failed.status == 1)
        let page = try String(contentsOf: scratch.url.appending(path: "context/profile.html"), encoding: .utf8)
        #expect(page.contains("failed after") && page.contains("exit code: 3"))
        #expect(try await build("FROM busybox\nRUNN x\n", "--profile", "profile.json").status == 1)
        #expect(try steps().first?.name == "[internal] load build definition from Dockerfile")
    }

    @Test func `can be had of a build of the history, by its id or its image`() async throws {
        let slipway = try await Slipway.shared()
        let built = try await build("FROM busybox\nRUN echo kept\n", "-t", "profiled:1", "--metadata-file", "m.json")
        try #require(built.status == 0, "\(built.errorText)")
        let data = try Data(contentsOf: scratch.url.appending(path: "context/m.json"))
        let metadata = try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
        let id = try #require((metadata["buildx.build.ref"] as? String)?.split(separator: "/").last.map(String.init))
        for (build, file) in [(id, "by-id.json"), ("profiled:1", "by-image.json")] {
            try await slipway.succeed("explain", "--profile", file, build, in: scratch.url)
            #expect(try steps(file).contains { $0.name.contains("RUN echo kept") })
        }
        try await slipway.succeed("explain", "--profile", "page.html", id, in: scratch.url)
        let page = try String(contentsOf: scratch.url.appending(path: "page.html"), encoding: .utf8)
        #expect(page.contains("RUN echo kept"))
        let text = try await slipway("explain", "--profile", "page.txt", id, in: scratch.url)
        #expect(text.status != 0 && text.errorText.contains("it must end in .html"))
    }

    @Test func `is refused before anything is built where it cannot be written`() async throws {
        let dockerfile = "FROM busybox\nRUN echo started\n"
        try scratch.write("", to: "context/directory.html/file")
        for (file, reason) in [
            ("directory.html", "it is a directory; name a new file or one to replace"),
            ("missing/profile.html", "no such file or directory: make its directory first"),
            ("/proc/profile.json", "/proc/profile.json"),
            ("profile.txt", "it must end in .html, for a page, or in .json, for a Chrome trace"),
            (".html", "it must end in .html"), ("profile", "it must end in .html"),
        ] {
            let refused = try await build(dockerfile, "--no-cache", "--profile", file)
            #expect(refused.status == 1, "\(file)")
            #expect(refused.errorText.contains(reason), "\(file): \(refused.errorText)")
            #expect(!refused.errorText.contains("started"), "\(file)")
        }
        let asked = try await build(dockerfile, "--check", "--profile", "profile.html")
        #expect(asked.status == 1 && asked.errorText.contains("--profile shows the steps of a build"))
        #expect(!exists("profile.html"))
    }

    @Test func `takes the place of an earlier one only when it is whole, and leaves nothing beside it`() async throws {
        try scratch.write("earlier", to: "context/Profile.HTML")
        let built = try await build("FROM busybox\n", "--profile", "Profile.HTML")
        #expect(built.status == 0, "\(built.errorText)")
        let page = try String(contentsOf: scratch.url.appending(path: "context/Profile.HTML"), encoding: .utf8)
        #expect(page.hasPrefix("<!DOCTYPE html>") && page.hasSuffix("</html>\n"))
        let names = try FileManager.default.contentsOfDirectory(atPath: scratch.url.appending(path: "context").path)
        #expect(Set(names) == ["Dockerfile", "Profile.HTML"])
    }
}
