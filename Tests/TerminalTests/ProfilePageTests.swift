import BuildGraph
import Hashing
import OCI
import Terminal
import Testing
import Text

@Suite struct `The page of a build` {
    /// What stands between two texts of the page, each time.
    private static func parts(of page: String, from start: String, to end: String) -> [String] {
        page.split(separator: start).dropFirst().compactMap { $0.split(separator: end).first.map(String.init) }
    }

    @Test func `shows each step with its state, times, costs and reasons`() {
        let page = ProfiledBuild.usual.profile().page
        let steps = Self.parts(of: page, from: "<li class=\"step ", to: "</li>\n")
        #expect(steps.count == 6)
        let run = steps.first { $0.contains("RUN make") } ?? ""
        for text in [
            "ran critical\" id=\"step-4\"", "Critical: ", "[2/3] RUN make", "ran · 7.50 s", "processor 4.50 s",
            "memory 34 MB", "disk 12 MB", "layer 11.5 MB", "it was never built before", "75 % of a processor",
            "4.1 kB read, 12 MB written", "Dockerfile, line 2", "x=\"5.000%\"", "width=\"75.000%\"", "x=\"10.000%\"",
            "width=\"60.000%\"",
        ] {
            #expect(run.contains(text), "\(text)")
        }
        let base = steps.first { $0.contains("FROM base") } ?? ""
        #expect(base.contains("cached") && base.contains("nothing that it depends on changed"))
        #expect(!base.contains("Critical: ") && base.contains("<circle"))
        #expect(page.contains("completed in 10.0 s"))
        #expect(page.contains("4 ran, 1 cached") || page.contains("5 ran, 1 cached"))
    }

    @Test func `loads nothing, and lets only its own style and script act`() throws {
        let page = ProfiledBuild.usual.profile().page
        let policy = try #require(Self.parts(of: page, from: "Content-Security-Policy\" content=\"", to: "\"").first)
        #expect(policy.hasPrefix("default-src &#39;none&#39;; "))
        for (element, directive) in [("style", "style-src"), ("script", "script-src")] {
            let contents = Self.parts(of: page, from: "<\(element)>", to: "</\(element)>")
            #expect(contents.count == 1)
            var digest = SecureHash()
            digest.update(Array((contents.first ?? "").utf8))
            #expect(policy.contains("\(directive) &#39;sha256-\(base64(digest.finalized()))&#39;"))
        }
        for text in ["http:", "https:", " src=", " style=", "url(", "@import", " onclick="] {
            #expect(!page.contains(text), "\(text)")
        }
    }

    @Test func `has the text of strangers as text`() {
        let hostile = "</bdi></title><script>alert(1)</script><img src=x onerror='x'>\"\u{202e}\u{1b}[31m&amp;"
        var build = ProfiledBuild()
        build.step(
            hostile,
            0,
            1,
            .failed(.changed([.component(name: hostile, old: Array(hostile.utf8), new: [0xff, 0x3c])])),
            error: hostile
        )
        let page = build.profile(name: hostile, .failed, error: hostile).page
        #expect(page.split(separator: "<script").count == 2)
        #expect(!page.contains("<img") && !page.contains("</bdi></title>"))
        #expect(!page.unicodeScalars.contains { $0 != "\n" && ($0.value < 0x20 || $0.value == 0x202e) })
        #expect(page.contains("&lt;script&gt;alert(1)&lt;/script&gt;"))
        #expect(page.contains("&quot;\\xe2\\x80\\xae\\x1b[31m&amp;amp;"))
        #expect(page.contains("\\xff&lt;"))
    }

    @Test func `tells a reason that is not known from there being none`() {
        var build = ProfiledBuild()
        build.step("[internal] load build definition", 0, 1, nil)
        build.step("FROM base", 1, 2, nil)
        build.step("RUN make", 2, 3, uses: ["FROM base"], nil)
        let steps = Self.parts(of: build.profile().page, from: "<li class=\"step ", to: "</li>\n")
        let reasons = steps.map { Self.parts(of: $0, from: "<p class=\"reason\">", to: "</p>") }
        #expect(
            reasons == [
                ["it is part of every build"], ["this build has no record of it"], ["this build has no record of it"],
            ]
        )
    }

    @Test func `shows a build without any step`() {
        let page = ProfiledBuild().profile(until: 0, .failed, error: "no such file").page
        #expect(page.contains("failed after 0 s") && page.contains("no such file"))
        #expect(!page.contains("Critical path"))
    }
}
