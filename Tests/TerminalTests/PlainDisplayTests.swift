import BuildGraph
import Proofs
import Terminal
import Testing

@Suite struct `The plain display` {
    @Test(.proves("--progress", "plain")) func `writes a build as BuildKit does`() {
        var script = ProgressScript()
        script.announce("[internal] load build definition from Dockerfile", "[1/2] FROM base", "[2/2] RUN make")
        let load = "[internal] load build definition from Dockerfile"
        script.start(load, 0)
        script.status(load, "transferring dockerfile: 123B", 0.005, started: 0, completed: 0.005)
        script.complete(load, 0, 0.02)
        script.complete("[1/2] FROM base", 0.03, 0.03, cached: true)
        script.start("[2/2] RUN make", 0.1)
        script.log("[2/2] RUN make", 0.223, "cc -c a.c\ncc -c ")
        script.log("[2/2] RUN make", 12.3, "b.c\n")
        script.warn("[2/2] RUN make", 12.4, "JSONArgsRecommended: a warning")
        script.complete("[2/2] RUN make", 0.1, 13.5)
        #expect(
            played(script) == """
                #1 [internal] load build definition from Dockerfile
                #1 transferring dockerfile: 123B done
                #1 DONE 0.0s

                #2 [1/2] FROM base
                #2 CACHED

                #3 [2/2] RUN make
                #3 WARN: JSONArgsRecommended: a warning
                #3 0.123 cc -c a.c
                #3 0.123 cc -c b.c
                #3 DONE 13.4s

                """
        )
    }

    @Test(.proves("failure")) func `ends with the log of the step that failed`() {
        var script = ProgressScript()
        script.start("a", 0)
        script.start("RUN false", 0)
        for line in 1...12 { script.log("RUN false", 1, "line \(line)\n") }
        script.complete(
            "RUN false",
            0,
            2,
            error: "process \"/bin/sh -c false\" did not complete successfully: exit code: 1"
        )
        script.complete("a", 0, 2, error: "context canceled")
        let text = played(script)
        let numbered = (3...12).map { "1.000 line \($0)\n" }.joined()
        #expect(text.hasSuffix("------\n > RUN false:\n\(numbered)------\n"))
        #expect(text.contains("ERROR: process \"/bin/sh -c false\" did not complete successfully: exit code: 1\n"))
        #expect(text.contains("CANCELED\n"))
    }

    @Test(.proves("plain")) func `shows one step at a time and marks where it leaves one`() {
        var display = PlainDisplay()
        var script = ProgressScript()
        script.start("a", 0)
        script.log("a", 0.1, "one\ntwo")
        var text = play(script, to: &display, refreshAt: 0.2)
        var other = ProgressScript()
        other.start("b", 0.3)
        other.complete("b", 0.3, 0.4)
        other.log("a", 0.5, " three\n")
        text += play(other, to: &display, refreshAt: 0.6)
        #expect(
            text == """
                #1 a
                #1 0.100 one
                #1 0.100 two
                #1 ...

                #2 b
                #2 DONE 0.1s

                #1 a
                #1 0.500  three

                """
        )
    }

    @Test func `names a step that says nothing when it begins`() {
        var display = PlainDisplay()
        var script = ProgressScript()
        script.announce("[1/2] FROM base", "[2/2] RUN sleep 4")
        script.complete("[1/2] FROM base", 0, 0, cached: true)
        script.start("[2/2] RUN sleep 4", 0.1)
        let text = play(script, to: &display, refreshAt: 0.2)
        #expect(text == "#1 [1/2] FROM base\n#1 CACHED\n\n#2 [2/2] RUN sleep 4\n")
        var end = ProgressScript()
        end.complete("[2/2] RUN sleep 4", 0.1, 4.1)
        #expect(play(end, to: &display, refreshAt: 4.2) == "#2 DONE 4.0s\n")
    }

    @Test func `gives a silent step the floor when it has waited ten seconds`() {
        var display = PlainDisplay()
        var script = ProgressScript()
        script.start("a", 0)
        script.log("a", 0, "a\n")
        _ = play(script, to: &display, refreshAt: 0.1)
        var silent = ProgressScript()
        silent.start("b", 1)
        _ = play(silent, to: &display, refreshAt: 1)
        var more = ProgressScript()
        more.log("a", 12, "a\n")
        #expect(play(more, to: &display, refreshAt: 12) == "#1 12.00 a\n#1 ...\n\n#2 b\n")
    }

    @Test func `switches to a step that waited ten seconds`() {
        var display = PlainDisplay()
        var script = ProgressScript()
        script.start("a", 0)
        script.start("b", 0)
        script.log("a", 0, "a\na\na\n")
        script.log("b", 0, "b\n")
        #expect(play(script, to: &display, refreshAt: 0.1) == "#1 a\n#1 0.000 a\n#1 0.000 a\n#1 0.000 a\n")
        var more = ProgressScript()
        more.log("a", 11, "a\n")
        let text = play(more, to: &display, refreshAt: 11)
        #expect(text == "#1 11.00 a\n#1 ...\n\n#2 b\n#2 0.000 b\n")
    }

    @Test func `writes counters when they have moved`() {
        var display = PlainDisplay()
        var script = ProgressScript()
        script.start("pull", 0)
        script.status("pull", "sha256:abc", 0.1, current: 0, total: 3_400_000, started: 0.1)
        var text = play(script, to: &display, refreshAt: 0.1)
        for (time, current) in [(0.2, 10_000), (0.3, 1_050_000)] {
            var more = ProgressScript()
            more.status("pull", "sha256:abc", time, current: Int64(current), total: 3_400_000, started: 0.1)
            text += play(more, to: &display, refreshAt: time)
        }
        var end = ProgressScript()
        end.status("pull", "sha256:abc", 0.5, current: 3_400_000, total: 3_400_000, started: 0.1, completed: 0.5)
        end.complete("pull", 0, 0.6)
        text += play(end, to: &display, refreshAt: 0.6)
        #expect(
            text == """
                #1 pull
                #1 sha256:abc 0B / 3.40MB
                #1 sha256:abc 1.05MB / 3.40MB 0.2s
                #1 sha256:abc 3.40MB / 3.40MB 0.4s done
                #1 DONE 0.6s

                """
        )
    }

    @Test func `lets nothing in a log act on the terminal`() {
        var script = ProgressScript()
        script.start("a\u{1b}[2J", 0)
        script.log("a\u{1b}[2J", 0, "\u{1b}]52;c;aGk=\u{07}\u{1b}[31mred\r\n\u{9b}2J \u{202e}x\tü\n")
        let text = played(script)
        #expect(
            text == """
                #1 a\\x1b[2J
                #1 0.000 \\x1b]52;c;aGk=\\x07red
                #1 0.000 \\xc2\\x9b2J \\xe2\\x80\\xaex\tü

                """
        )
        #expect(!text.unicodeScalars.contains("\u{1b}"))
    }

    @Test(
        arguments: [
            // What progress bars leave in the end.
            ("Reading 1%\rReading 50%\rReading done\n", "Reading done"),
            ("a\rb\r\r\n", "b"), ("\r\n", ""), ("\rb\n", "b"),
            // Colours, erased lines, hidden cursors.
            ("\u{1b}[1;31merror\u{1b}[0m: x\u{1b}[K\n", "error: x"), ("\u{1b}[?25lbar\u{1b}[?25h\n", "bar"),
            ("\u{1b}[38:2::1:2:3mx\n", "x"), ("old\r\u{1b}[2Knew\n", "new"),
            // What only looks like that.
            ("\u{1b}[31\u{7f}x\n", "\\x1b[31\\x7fx"), ("\u{1b}c\u{1b}\n", "\\x1bc\\x1b"), ("a\u{1b}[\n", "a\\x1b["),
            (
                "\u{1b}[" + String(repeating: "1", count: 40) + "mx\n",
                "\\x1b[" + String(repeating: "1", count: 40) + "mx"
            ),
        ]
    )
    func `shows what a terminal would show of a line in the end`(log: String, expected: String) {
        var script = ProgressScript()
        script.start("a", 0)
        script.log("a", 0, log)
        #expect(played(script) == "#1 a\n#1 0.000 \(expected)\n")
    }

    @Test func `does not tear control sequences, and begins a line anew that is written already`() {
        var display = PlainDisplay()
        var text = ""
        for (time, piece) in [(0.0, "10%\u{1b}"), (0.1, "[3"), (0.2, "2m 20%\r"), (0.3, "30%"), (0.4, "\n")] {
            var script = ProgressScript()
            if time == 0 { script.start("a", 0) }
            script.log("a", time, piece)
            text += play(script, to: &display, refreshAt: time)
        }
        #expect(text == "#1 a\n#1 0.000 10% 20%\n#1 0.300 30%\n")
    }

    @Test func `does not tear characters that come in two pieces`() {
        var display = PlainDisplay()
        var script = ProgressScript()
        script.start("a", 0)
        let name = ProgressScript.digest("a")
        func log(_ bytes: [UInt8]) -> ProgressEvent {
            .log(VertexLog(vertex: name, stream: .output, data: bytes, timestamp: ProgressScript.time(0)))
        }
        script.events.append((0, log([0x78, 0xc3])))
        var text = play(script, to: &display, refreshAt: 0)
        display.update(log([0xbc, 0xff, 0x0a]), at: DisplayMoment(now: ProgressScript.time(0)))
        text += String(decoding: display.refresh(at: DisplayMoment(now: ProgressScript.time(0))), as: UTF8.self)
        #expect(text == "#1 a\n#1 0.000 xü\\xff\n")
    }

    private func played(_ script: ProgressScript) -> String {
        var display = PlainDisplay()
        let end = script.events.last?.time ?? 0
        for (time, event) in script.events { display.update(event, at: DisplayMoment(now: ProgressScript.time(time))) }
        return String(decoding: display.finish(at: DisplayMoment(now: ProgressScript.time(end))), as: UTF8.self)
    }

    private func play(_ script: ProgressScript, to display: inout PlainDisplay, refreshAt time: Double) -> String {
        for (time, event) in script.events { display.update(event, at: DisplayMoment(now: ProgressScript.time(time))) }
        return String(decoding: display.refresh(at: DisplayMoment(now: ProgressScript.time(time))), as: UTF8.self)
    }
}
