import BuildGraph
import Foundation
import LinuxSystem
import OCI
import Terminal
import Testing

/// The page of a profile in a browser without a window: what it shows, and what its keys do.
@Suite(.requires(.program("chromium")), .serialized) struct `The page of a profile in a browser` {
    private let scratch: TemporaryDirectory

    init() throws { scratch = try TemporaryDirectory() }

    /// What the browser made of a page, after its scripts ran.
    private func open(_ page: String, isDark: Bool = false) async throws -> String {
        try scratch.write(page, to: "page.html")
        let opened = try await runProgram(
            "chromium",
            [
                "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--window-size=1200,900",
                "--user-data-dir=\(scratch.path)/browser", "--blink-settings=preferredColorScheme=\(isDark ? 0 : 1)",
                "--virtual-time-budget=5000", "--dump-dom", "file://\(scratch.path)/page.html",
            ],
            environment: ["HOME": scratch.path]
        )
        try #require(opened.status == 0, "\(opened.errorText)")
        return opened.text
    }

    /// What a script finds on a page that is shown at a width.
    ///
    /// The script needs a page without its policy, which allows no script but its own; a frame, because windows are not so narrow.
    private func found(
        by script: String,
        on page: String,
        width: Int = 1000,
        isDark: Bool = false
    ) async throws -> [String: Any] {
        let start = try #require(page.range(of: "<meta http-equiv=\"Content-Security-Policy\""))
        let end = try #require(page.range(of: ">", range: start.upperBound..<page.endIndex))
        var open = page
        open.removeSubrange(start.lowerBound..<end.upperBound)
        open = open.replacing("</body>", with: "<script>parent.postMessage((() => {\(script)})(), '*')</script></body>")
        let quoted = open.replacing("&", with: "&amp;").replacing("\"", with: "&quot;")
        let frame = """
            <!DOCTYPE html><body><script>
            addEventListener("message", event => {
              const found = document.createElement("pre");
              found.textContent = btoa(unescape(encodeURIComponent(JSON.stringify(event.data))));
              found.id = "found";
              document.body.append(found);
            });
            </script><iframe width="\(width)" height="800" frameborder="0" srcdoc="\(quoted)"></iframe></body>
            """
        let dom = try await self.open(frame, isDark: isDark)
        let encoded = try #require(dom.split(separator: "<pre id=\"found\">").last?.split(separator: "<").first)
        let data = try #require(Data(base64Encoded: String(encoded)), "\(encoded.prefix(200))")
        return try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
    }

    private static func page(hostile: String = "app") -> String {
        func time(_ seconds: Double) -> Timestamp {
            Timestamp(nanoseconds: 1_700_000_000_000_000_000).advanced(by: seconds)
        }
        var timeline: [RecordedStep] = []
        var reasons: [StepExplanation] = []
        func add(
            _ name: String,
            _ start: Double,
            _ end: Double,
            _ inputs: [String],
            _ outcome: StepExplanation.Outcome,
            process: ProcessRecord? = nil
        ) {
            let digest = Digest.sha256(of: Array(name.utf8))
            timeline.append(
                RecordedStep(
                    VertexProgress(
                        digest: digest,
                        name: name,
                        inputs: inputs.map { Digest.sha256(of: Array($0.utf8)) },
                        started: time(start),
                        completed: time(end),
                        cached: outcome == .cached
                    ),
                    process: process,
                    layerSize: process == nil ? nil : 11_500_000
                )
            )
            reasons.append(
                StepExplanation(vertex: digest, name: name, origin: nil, outcome: outcome, seconds: end - start)
            )
        }
        let usage = ResourceUsage(
            userTime: 3_000_000,
            systemTime: 1_500_000,
            peakMemory: 34_000_000,
            bytesRead: 4096,
            bytesWritten: 12_000_000
        )
        add("[1/4] FROM base", 0, 0, [], .cached)
        add(
            "[2/4] RUN make \(hostile)",
            0,
            7,
            ["[1/4] FROM base"],
            .ran(.changed([.component(name: hostile, old: Array(hostile.utf8), new: nil)])),
            process: ProcessRecord(started: time(1), completed: time(6), usage: usage)
        )
        add("[3/4] RUN test", 0, 2, ["[1/4] FROM base"], .ran(.noEarlierRecord))
        add("[4/4] COPY . .", 7, 8, ["[2/4] RUN make \(hostile)"], .ran(.cacheDisabled))
        let build = BuildProfile.Build(id: "0123", name: hostile, started: time(0), completed: time(8))
        return BuildProfile(of: build, timeline, reasons).page
    }

    @Test func `runs its own script under its own policy`() async throws {
        #expect(try await open(Self.page()).contains("<html lang=\"en\" class=\"live\">"))
    }

    @Test func `shows steps, times, costs, the critical path and what to press`() async throws {
        let found = try await found(by: "return { text: document.body.innerText }", on: Self.page())
        let text = try #require(found["text"] as? String)
        for shown in [
            "Build of app", "Completed in 8.00 s", "3 ran, 1 cached", "[2/4] RUN make app",
            "ran · 7.00 s · processor 4.50 s · memory 34 MB · disk 12 MB · layer 11.5 MB",
            "↑ and ↓ go from step to step",
            "Critical path", "8.00 s of its 8.00 s", "◆",
        ] {
            #expect(text.contains(shown), "\(shown) in \(text)")
        }
        #expect(!text.contains("it was never built before"), "details are closed at first")
    }

    @Test func `goes from step to step by arrow keys and shows each`() async throws {
        let script = """
            const press = key => document.activeElement.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));
            const open = () => Array.from(document.querySelectorAll("details[open] .name bdi"), name => name.textContent);
            const seen = [];
            document.querySelector("summary").focus();
            for (const key of ["ArrowDown", "ArrowDown", "ArrowUp", "End", "ArrowDown", "Home"]) {
              press(key);
              seen.push([document.activeElement.querySelector("bdi").textContent, ...open()]);
            }
            document.getElementById("only").click();
            document.querySelector(".critical summary").focus();
            press("ArrowDown");
            seen.push([document.activeElement.querySelector("bdi").textContent, ...open()]);
            return { seen, text: document.body.innerText };
            """
        let found = try await found(by: script, on: Self.page())
        let (first, make, test, copy) = (
            "[1/4] FROM base", "[2/4] RUN make app", "[3/4] RUN test", "[4/4] COPY . ."
        )
        let steps = [make, test, make, copy, copy, first, copy]
        #expect(found["seen"] as? [[String]] == steps.map { [$0, $0] })
        let text = try #require(found["text"] as? String)
        #expect(text.contains("the cache was not to be used for it"))
        #expect(!text.contains("RUN test"), "only the critical path is shown")
    }

    @Test(arguments: [false, true], [360, 1000])
    func `fits, and can be read, in light and dark`(isDark: Bool, width: Int) async throws {
        let script = """
            for (const details of document.querySelectorAll("details")) details.open = true;
            const light = text => {
              const part = text.match(/[\\d.]+/g).slice(0, 3).map(value => {
                const share = value / 255;
                return share <= 0.03928 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
              });
              return 0.2126 * part[0] + 0.7152 * part[1] + 0.0722 * part[2];
            };
            const page = light(getComputedStyle(document.body).backgroundColor);
            let least = 99, cut = [];
            for (const element of document.querySelectorAll("h1, h2, p, dt, dd, a, .name, .facts, .time, .mark, .reason, label, code")) {
              const text = light(getComputedStyle(element).color);
              least = Math.min(least, (Math.max(page, text) + 0.05) / (Math.min(page, text) + 0.05));
              const box = element.getBoundingClientRect();
              if (box.right > innerWidth + 1 && !element.closest(".spoken")) cut.push(element.className || element.tagName);
            }
            const bars = Array.from(document.querySelectorAll(".bar"), bar => bar.getBoundingClientRect().width);
            return { page, least, cut, width: innerWidth, whole: document.documentElement.scrollWidth, bar: Math.min(...bars) };
            """
        let page = Self.page(hostile: String(repeating: "averylongword", count: 40))
        let found = try await found(by: script, on: page, width: width, isDark: isDark)
        func number(_ name: String) -> Double { (found[name] as? NSNumber)?.doubleValue ?? -1 }
        #expect(number("width") == Double(width))
        #expect(number("whole") <= Double(width), "nothing is beside the screen")
        #expect(found["cut"] as? [String] == [])
        #expect(number("bar") > 250, "bars have room")
        #expect(isDark ? number("page") < 0.05 : number("page") > 0.9)
        #expect(number("least") >= 4.5, "texts stand out from the page")
    }

    @Test func `has markup and scripts of strangers as text`() async throws {
        let hostile =
            "</bdi></details><script>document.title = 'taken'</script><img src=x onerror=\"document.title = 'taken'\">\u{202e}"
        let script = """
            return { title: document.title, text: document.body.innerText, images: document.images.length,
              scripts: document.scripts.length, steps: document.querySelectorAll(".steps > li").length };
            """
        let found = try await found(by: script, on: Self.page(hostile: hostile))
        #expect((found["title"] as? String)?.hasPrefix("Build of </bdi>") == true)
        #expect((found["text"] as? String)?.contains("<script>document.title = 'taken'</script>") == true)
        #expect((found["text"] as? String)?.contains("\\xe2\\x80\\xae") == true)
        #expect(found["images"] as? Int == 0 && found["scripts"] as? Int == 2 && found["steps"] as? Int == 4)
    }
}
