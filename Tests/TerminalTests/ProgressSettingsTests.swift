import Proofs
import Terminal
import Testing

/// What the environment says of progress.
@Suite struct `Settings of progress` {
    @Test(.proves("Environment variables of progress and logs")) func `are BuildKit's variables`() {
        let settings = ProgressSettings(environment: [
            "PROGRESS_NO_TRUNC": "0", "TTY_DISPLAY_RATE": "250", "BUILDKIT_TTY_LOG_LINES": "9", "NO_COLOR": "1",
        ])
        #expect(settings.cutsNames)
        #expect(settings.interval == .milliseconds(250))
        #expect(settings.logLines == 9)
        #expect(settings.colors == .none)
    }

    @Test(.proves("Environment variables of progress and logs"), arguments: ["", "0", "-5", "fast"])
    func `that are not numbers are ignored`(rate: String) {
        #expect(ProgressSettings(environment: ["TTY_DISPLAY_RATE": rate]) == ProgressSettings())
    }

    @Test(arguments: ["1", "true", ""]) func `cut names only where that is asked for`(value: String) {
        #expect(!ProgressSettings(environment: ["PROGRESS_NO_TRUNC": value]).cutsNames)
    }

    @Test(.proves("Environment variables of progress and logs"))
    func `cut long names in plain lines between characters`() {
        func shown(_ name: String) -> String {
            var script = ProgressScript()
            script.complete(name, 0, 1)
            let settings = ProgressSettings(environment: ["PROGRESS_NO_TRUNC": "0"])
            var display = ProgressMode.plain.display(isTerminal: false, settings)
            let moment = DisplayMoment(now: ProgressScript.time(2))
            for (_, event) in script.events { display.update(event, at: moment) }
            let lines = String(decoding: display.finish(at: moment), as: UTF8.self).split(separator: "\n")
            return String(lines.first ?? "")
        }
        let name = String(repeating: "x", count: 71)
        #expect(shown(name + "y") == "#1 \(name)y")
        #expect(shown(name + "yz") == "#1 \(name)y...")
        #expect(shown(name + "ü") == "#1 \(name)...")
    }
}
