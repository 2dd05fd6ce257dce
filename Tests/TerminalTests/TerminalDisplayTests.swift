import BuildGraph
import Proofs
import Terminal
import Testing

@Suite struct `The terminal display` {
    @Test(.proves("--progress", "tty")) func `draws a build as BuildKit does`() {
        var script = ProgressScript()
        script.announce("[1/3] FROM base", "[2/3] RUN make", "[3/3] COPY . .", "export")
        script.complete("[1/3] FROM base", 0, 0, cached: true)
        script.start("[2/3] RUN make", 0.1)
        script.status("[2/3] RUN make", "sha256:abc", 1, current: 1_050_000, total: 3_400_000, started: 0.5)
        script.log("[2/3] RUN make", 1.2, "one\n\u{1b}[31mtwo\u{1b}[0m\n")
        var display = TerminalDisplay(colors: .none)
        let frame = drawn(script, by: &display, at: 2, height: 24)
        #expect(
            visible(frame) == """
                [+] Building 2.0s (1/4)
                 => CACHED [1/3] FROM base                              0.0s
                 => [2/3] RUN make                                      1.9s
                 => => # one
                 => => # two
                 => => sha256:abc 1.05MB / 3.40MB                       1.5s

                """
        )
        var rest = ProgressScript()
        rest.complete("[2/3] RUN make", 0.1, 3)
        rest.complete("[3/3] COPY . .", 3, 3.5)
        rest.complete("export", 3.5, 3.6)
        for (time, event) in rest.events { display.update(event, at: moment(time)) }
        let last = String(decoding: display.finish(at: moment(4, height: 24)), as: UTF8.self)
        #expect(last.hasPrefix("\u{1b}[?25l\u{1b}[6A\r"))
        #expect(visible(last).hasPrefix("[+] Building 4.0s (4/4) FINISHED\n"))
        #expect(!last.contains("one"))
    }

    @Test(.proves("tty")) func `colours what is finished`() {
        var script = ProgressScript()
        script.complete("a", 0, 1)
        script.complete("b", 0, 1, error: "exit code: 1")
        script.complete("c", 0, 1, error: "context canceled")
        script.start("d", 0)
        script.warn("d", 0, "w")
        var display = TerminalDisplay()
        let lines = drawn(script, by: &display, at: 1, height: 24).split(separator: "\n").map(String.init)
        #expect(lines[1].hasPrefix("\u{1b}[34m => a "))
        #expect(lines[2].hasPrefix("\u{1b}[31m => ERROR b "))
        #expect(lines[3].hasPrefix("\u{1b}[33m => CANCELED c "))
        #expect(lines[4].hasPrefix(" => d "))
        #expect(lines[5].hasPrefix("\u{1b}[33m => WARN: w "))
        #expect(DisplayColors(environment: ["NO_COLOR": "1"]) == .none)
        let colors = DisplayColors(environment: ["BUILDKIT_COLORS": "run=green:error=255,0,7:cancel=nonsense:x"])
        #expect(colors.run == "\u{1b}[32m")
        #expect(colors.error == "\u{1b}[38;2;255;0;7m")
        #expect(colors.cancel == DisplayColors().cancel)
    }

    @Test(arguments: [0, 1, 2, 10, 25, 40, 80, 300], [0, 1, 2, 5, 24]) func `keeps inside the terminal, however small`(
        width: Int,
        height: Int
    ) {
        var script = ProgressScript()
        for step in 0..<30 {
            script.start("step \(step) with a long name 漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字", 0)
            if step % 2 == 0 {
                script.complete("step \(step) with a long name 漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字", 0, 1)
            } else {
                script.log("step \(step) with a long name 漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字", 0, "x\n")
            }
        }
        var display = TerminalDisplay(colors: .none)
        let text = visible(drawn(script, by: &display, at: 2, width: width, height: height))
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false).dropLast()
        #expect(lines.count <= max(1, height))
        for line in lines { #expect(columns(of: line) <= width) }
    }

    @Test(.proves("Environment variables of progress and logs"))
    func `shows as many lines of a log as BUILDKIT_TTY_LOG_LINES says`() {
        var script = ProgressScript()
        script.start("running", 0)
        script.log("running", 0, "one\ntwo\nthree\nfour\n")
        var display = TerminalDisplay(colors: .none, logLines: 2)
        let text = visible(drawn(script, by: &display, at: 2, width: 80, height: 40))
        #expect(text.contains("four") && !text.contains("one") && !text.contains("two"))
        let given = ["12": 12, "": 6, "0": 6, "-1": 6, "many": 6, "99999999999999999999": 6, "2000": 1000]
        for (value, lines) in given {
            #expect(TerminalDisplay.logLines(environment: ["BUILDKIT_TTY_LOG_LINES": value]) == lines, "\(value)")
        }
        #expect(TerminalDisplay.logLines(environment: [:]) == 6)
    }

    @Test func `shows running steps rather than finished ones when there is no room for all`() {
        var script = ProgressScript()
        script.start("running", 0)
        for step in 0..<20 { script.complete("done \(step)", 0, 1) }
        var display = TerminalDisplay(colors: .none)
        let text = visible(drawn(script, by: &display, at: 2, height: 8))
        #expect(text.contains("=> running "))
        #expect(text.contains("=> done 19 "))
        #expect(!text.contains("=> done 13 "))
    }

    @Test func `shows what a progress bar leaves on its line`() {
        var script = ProgressScript()
        script.start("a", 0)
        script.log("a", 0, "get 10%\rget 20%\r\u{1b}[Kget 3")
        script.log("a", 0, "0%\u{1b}]0;title\u{07}\u{1b}[1A\u{1b}[2J\u{08}\n\u{1b}[5mend\u{1b}Pq\u{1b}\\.")
        var display = TerminalDisplay(colors: .none)
        let text = visible(drawn(script, by: &display, at: 2, height: 24))
        #expect(text.contains(" => => # end.\n"))
        #expect(!text.contains("title"))
        var other = ProgressScript()
        other.log("a", 0, "\r\u{1b}[Kone\rtwo...\u{08}\u{08}!\t|")
        let next = visible(drawn(other, by: &display, at: 2, height: 24))
        #expect(next.contains(" => => # two.!.  |\n"))
    }

    private func moment(_ time: Double, width: Int = 61, height: Int = 10) -> DisplayMoment {
        DisplayMoment(now: ProgressScript.time(time), width: width, height: height)
    }

    private func drawn(
        _ script: ProgressScript,
        by display: inout TerminalDisplay,
        at time: Double,
        width: Int = 61,
        height: Int
    ) -> String {
        for (time, event) in script.events { display.update(event, at: moment(time)) }
        return String(decoding: display.refresh(at: moment(time, width: width, height: height)), as: UTF8.self)
    }

    /// A frame without its escape sequences.
    private func visible(_ frame: String) -> String {
        var text = frame.replacing("\r", with: "")
        while let start = text.firstIndex(of: "\u{1b}") {
            guard let end = text[start...].dropFirst(2).firstIndex(where: \.isLetter) else { break }
            text.removeSubrange(start...end)
        }
        return text
    }

    private func columns(of line: some StringProtocol) -> Int {
        line.unicodeScalars.reduce(0) { $0 + ($1.value > 0x2e80 ? 2 : 1) }
    }
}
