import BuildGraph
import FoundationEssentials
import OCI
import Terminal
import Testing
import Text

@Suite struct `The Chrome trace of a build` {
    private struct Event {
        let fields: [String: JSONValue]
        let arguments: [String: JSONValue]

        init(_ value: JSONValue) {
            fields = Self.members(of: value)
            arguments = fields["args"].map(Self.members) ?? [:]
        }

        static func members(of value: JSONValue) -> [String: JSONValue] {
            guard case .object(let members) = value else { return [:] }
            return JSONValue.byName(members)
        }

        func number(_ name: String) -> Int? { if case .number(let number)? = fields[name] { number } else { nil } }
        func text(_ name: String) -> String? { if case .string(let text)? = fields[name] { text } else { nil } }
    }

    private static func events(of profile: BuildProfile) throws -> [Event] {
        let document = Event.members(of: try JSONValue(parsing: Array(profile.trace.utf8)))
        guard case .array(let events)? = document["traceEvents"] else { return [] }
        return events.map { Event($0) }
    }

    @Test func `is JSON with a complete event for each step that began`() throws {
        let events = try Self.events(of: ProfiledBuild.usual.profile()).filter { $0.text("ph") == "X" }
        #expect(
            events.map { $0.text("name") } == [
                "[internal] load build definition", "[1/3] FROM base", "[internal] load build context",
                "[2/3] RUN make", "process",
                "[3/3] COPY . .", "exporting to image",
            ]
        )
        #expect(events.map { $0.number("ts") } == [0, 500_000, 500_000, 500_000, 1_000_000, 8_000_000, 8_250_000])
        #expect(events.map { $0.number("dur") } == [500_000, 0, 500_000, 7_500_000, 6_000_000, 250_000, 1_750_000])
        let run = try #require(events.first { $0.text("name") == "[2/3] RUN make" })
        #expect(run.arguments["critical"] == .bool(true))
        #expect(run.arguments["state"] == .string("ran"))
        #expect(run.arguments["reason"] == .string("it was never built before"))
        #expect(run.arguments["line"] == .string("Dockerfile:2"))
        #expect(run.arguments["processorSeconds"] == .numeral("4.5"))
        #expect(run.arguments["peakMemoryBytes"] == .number(34_000_000))
        #expect(run.arguments["bytesRead"] == .number(4096))
        #expect(run.arguments["bytesWritten"] == .number(12_000_000))
        #expect(run.arguments["layerBytes"] == .number(11_500_000))
    }

    @Test func `has no two events at the same time on one thread, and a name for each thread`() throws {
        var build = ProfiledBuild()
        for number in 0..<40 {
            let start = Double(number * 7 % 10)
            build.step("step \(number)", start, start + Double(number % 4))
        }
        let events = try Self.events(of: build.profile(until: 20))
        let threads = Dictionary(grouping: events.filter { $0.text("ph") == "X" }) { $0.number("tid") }
        for (thread, events) in threads {
            var end = 0
            for event in events {
                #expect(end <= event.number("ts") ?? -1, "thread \(thread ?? -1)")
                end = (event.number("ts") ?? 0) + (event.number("dur") ?? 0)
            }
        }
        let named = events.filter { $0.text("ph") == "M" && $0.text("name") == "thread_name" }.map { $0.number("tid") }
        #expect(Set(named) == Set(threads.keys))
    }

    @Test func `has the text of strangers as text`() throws {
        let name = "RUN echo \"</script>\u{202e}\u{1b}[31m\u{0}\\"
        var build = ProfiledBuild()
        build.step(name, 0, 1, .failed(nil), error: "two\nlines")
        let trace = build.profile(name: name, .failed, error: name).trace
        #expect(!trace.unicodeScalars.contains { $0 != "\n" && ($0.value < 0x20 || $0.value == 0x202e) })
        let event = try #require(Self.events(of: build.profile(name: name)).first { $0.text("ph") == "X" })
        #expect(event.text("name") == "RUN echo \"</script>\\xe2\\x80\\xae\\x1b[31m\\x00\\")
        #expect(event.arguments["error"] == .string("two\nlines"))
    }
}
