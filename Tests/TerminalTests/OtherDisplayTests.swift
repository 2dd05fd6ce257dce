import BuildGraph
import OCI
import Proofs
import Synchronization
import Terminal
import Testing
import Text

@Suite struct `Progress for programs` {
    @Test(.proves("--progress", "rawjson")) func `is BuildKit's JSON, a status a line`() {
        var display = JSONDisplay()
        let (digest, start) = (ProgressScript.digest("a"), ProgressScript.time(0.5))
        let moment = DisplayMoment(now: start)
        let input = ProgressScript.digest("b")
        display.update(
            .vertex(VertexProgress(digest: digest, name: "RUN <a>\u{1b}", inputs: [input], started: start)),
            at: moment
        )
        display.update(
            .status(VertexStatus(id: "x", vertex: digest, current: 1, total: 2, timestamp: start, started: start)),
            at: moment
        )
        display.update(
            .log(VertexLog(vertex: digest, stream: .error, data: [0, 255, 10, 65], timestamp: start)),
            at: moment
        )
        display.update(
            .warning(
                VertexWarning(
                    vertex: digest,
                    short: "s",
                    detail: ["d"],
                    url: "https://example.com",
                    source: VertexWarning.Source(fileName: "Dockerfile", data: [65], lines: [1...2])
                )
            ),
            at: moment
        )
        let time = "2023-11-14T22:13:20.5Z"
        #expect(
            String(decoding: display.refresh(at: moment), as: UTF8.self) == """
                {"vertexes":[{"digest":"\(digest)","inputs":["\(input)"],"name":"RUN \\u003ca\\u003e\\u001b",\
                "started":"\(time)"}],\
                "statuses":[{"id":"x","vertex":"\(digest)","total":2,"current":1,"timestamp":"\(time)","started":"\(time)"}],\
                "logs":[{"vertex":"\(digest)","stream":2,"data":"AP8KQQ==","timestamp":"\(time)"}],\
                "warnings":[{"vertex":"\(digest)","level":1,"short":"cw==","detail":["ZA=="],"url":"https://example.com",\
                "sourceInfo":{"filename":"Dockerfile","data":"QQ=="},"range":[{"start":{"line":1},"end":{"line":2}}]}]}

                """
        )
        #expect(display.finish(at: moment) == [])
    }

    @Test(arguments: [
        (0, "1970-01-01T00:00:00Z"),
        (951_782_400_000_000_001, "2000-02-29T00:00:00.000000001Z"),
        (-1, "1969-12-31T23:59:59.999999999Z"),
        (4_102_444_799_120_000_000, "2099-12-31T23:59:59.12Z"),
    ])
    func `has times as Go writes them`(nanoseconds: Int64, text: String) {
        var display = JSONDisplay()
        let time = Timestamp(nanoseconds: nanoseconds)
        display.update(
            .log(VertexLog(vertex: ProgressScript.digest("a"), stream: .output, data: [], timestamp: time)),
            at: DisplayMoment(now: time)
        )
        let line = String(decoding: display.refresh(at: DisplayMoment(now: time)), as: UTF8.self)
        #expect(line.contains("\"timestamp\":\"\(text)\""))
    }
}

@Suite struct `The end of a build` {
    static let file = (1...9).map { "line \($0)" }.joined(separator: "\n")

    @Test(.proves("failure")) func `frames the lines that are to blame`() {
        #expect(
            sourceFrame(fileName: "Dockerfile", data: Array(Self.file.utf8), ranges: [5...5]) == """
                Dockerfile:5
                --------------------
                   3 |     line 3
                   4 |     line 4
                   5 | >>> line 5
                   6 |     line 6
                   7 |     line 7
                --------------------

                """
        )
        #expect(
            sourceFrame(fileName: "Dockerfile", data: Array(Self.file.utf8), ranges: [1...2]) == """
                Dockerfile:1
                --------------------
                   1 | >>> line 1
                   2 | >>> line 2
                   3 |     line 3
                --------------------

                """
        )
        #expect(sourceFrame(fileName: "Dockerfile", data: [], ranges: [7...7]) == "")
    }

    @Test(.proves("failure")) func `is the error in docker's words`() {
        struct Failure: Error, CustomStringConvertible {
            var description: String {
                "failed to solve: process \"/bin/sh -c \u{1b}[2J\" did not complete successfully: exit code: 3"
            }
        }
        let source = VertexWarning.Source(fileName: "Dockerfile", data: "FROM x\nRUN y", lines: [2...2])
        #expect(
            BuildEpilogue.failure(Failure(), source: source) == """
                Dockerfile:2
                --------------------
                   1 |     FROM x
                   2 | >>> RUN y
                --------------------
                ERROR: failed to build: failed to solve: process "/bin/sh -c \\x1b[2J" did not complete successfully: exit code: 3

                """
        )
    }

    @Test(.proves("-D, --debug", "warnings")) func `lists each warning once`() {
        let warnings = ["a", "b"].map { VertexWarning(vertex: ProgressScript.digest($0), short: "same") }
        #expect(BuildEpilogue.warnings(warnings) == "\n 1 warning found (use --debug to expand):\n - same\n")
        #expect(BuildEpilogue.warnings([]) == "")
        let detailed = VertexWarning(vertex: nil, short: "s", detail: ["why"], url: "u")
        #expect(
            BuildEpilogue.warnings(warnings + [detailed], isVerbose: true)
                == "\n 2 warnings found:\n - same\n\n - s\nwhy\nMore info: u\n\n"
        )
    }
}

@Suite(.timeLimit(.minutes(20))) struct `Printing progress` {
    @Test(arguments: [ProgressMode.plain, .tty, .rawjson, .quiet]) func `writes everything until the events end`(
        mode: ProgressMode
    ) async {
        let channel = ProgressChannel()
        let written = Mutex([UInt8]())
        let printer = ProgressPrinter(
            mode.display(isTerminal: false, ProgressSettings()),
            output: .init(size: { (100, 24) }, write: { bytes in written.withLock { $0 += bytes } }),
            now: { ProgressScript.time(9) },
            interval: .milliseconds(1)
        )
        var script = ProgressScript()
        script.start("step", 0)
        for _ in 0..<100 { script.log("step", 1, String(repeating: "0123456789", count: 100) + "\n") }
        script.warn("step", 1, "careful")
        script.complete("step", 0, 2)
        async let warnings = printer.show(channel)
        for (_, event) in script.events { await channel.send(event) }
        channel.finish()
        #expect(await warnings.map(\.short) == ["careful"])
        let text = written.withLock { String(decoding: $0, as: UTF8.self) }
        switch mode {
        case .plain: #expect(text.split(separator: "\n").count == 103)
        case .tty: #expect(text.contains("FINISHED"))
        case .rawjson: #expect(text.contains("\"completed\""))
        case .quiet, .none, .auto: #expect(text == "")
        }
    }

    @Test func `goes on taking events when nothing can be written any more, and when it is cancelled`() async {
        struct Closed: Error {}
        let channel = ProgressChannel(limit: 10)
        let printer = ProgressPrinter(
            PlainDisplay(),
            output: .init(size: { nil }, write: { _ in throw Closed() }),
            interval: .milliseconds(1)
        )
        let task = Task { await printer.show(channel) }
        var script = ProgressScript()
        script.start("step", 0)
        for _ in 0..<1000 { script.log("step", 1, "0123456789\n") }
        for (_, event) in script.events.prefix(500) { await channel.send(event) }
        task.cancel()
        for (_, event) in script.events.dropFirst(500) { await channel.send(event) }
        channel.finish()
        #expect(await task.value.isEmpty)
    }
}
