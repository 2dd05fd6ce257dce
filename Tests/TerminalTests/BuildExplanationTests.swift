import BuildGraph
import OCI
import Terminal
import Testing
import Text

@Suite struct `Explaining a build` {
    static let explanation = BuildExplanation([
        step("[1/4] FROM base", .cached),
        step("[internal] load build context", .ran(.neverCached)),
        step(
            "[2/4] COPY assets .",
            .ran(
                .changed([
                    .content(
                        step: "[internal] load build context",
                        files: [
                            ChangedFile(path: "assets/server.py", kind: .changed([.content])),
                            ChangedFile(
                                path: "assets/tool\u{1b}",
                                kind: .changed([.mode(old: 0o644, new: 0o755), .owner(old: 0, new: 7)])
                            ),
                            ChangedFile(path: "new", kind: .added),
                        ]
                    )
                ])
            ),
            line: 3
        ),
        step("[3/4] RUN make", .ran(.changed([.input(step: "[2/4] COPY assets .", slot: nil)])), line: 4),
        step(
            "[4/4] RUN test",
            .ran(.changed([.component(name: "env A", old: "1", new: "2")])),
            line: 5
        ),
    ])

    static func step(_ name: String, _ outcome: StepExplanation.Outcome, line: Int? = nil) -> StepExplanation {
        let origin = line.map { line in
            StepOrigin(slot: name, dockerfile: "Dockerfile", stage: "0", instruction: 0, line: line, text: [])
        }
        return StepExplanation(
            vertex: digest(name),
            name: name,
            origin: origin,
            outcome: outcome,
            seconds: 0.25
        )
    }

    @Test func `names the file, the step or the value that changed`() {
        #expect(
            Self.explanation.text(fileLimit: 2) == """
                CACHED   [1/4] FROM base
                RAN      [internal] load build context
                         its content decides its key, so it is read each time
                REBUILT  [2/4] COPY assets . (Dockerfile:3)
                         files of "[internal] load build context" changed:
                           assets/server.py: content
                           assets/tool\\x1b: mode 0644 became 0755, owner 0 became 7
                           and 1 more
                REBUILT  [3/4] RUN make (Dockerfile:4)
                         it is built on "[2/4] COPY assets .", which changed
                REBUILT  [4/4] RUN test (Dockerfile:5)
                         env A changed from "1" to "2"

                """
        )
    }

    @Test func `says when there is nothing to explain`() {
        #expect(BuildExplanation([]).text() == "No step of an earlier build is known.\n")
        #expect(BuildExplanation([]).json == "[]\n")
    }

    @Test func `says the same to programs`() {
        let (vertex, copy) = (digest("a"), digest("[2/4] COPY assets ."))
        let one = BuildExplanation([
            Self.step("a", .cached), Self.explanation.steps[2],
        ])
        #expect(
            one.json == """
                [{"name":"a","vertex":"\(vertex)","outcome":"cached"},\
                {"name":"[2/4] COPY assets .","vertex":"\(copy)","dockerfile":"Dockerfile","line":3,"stage":"0",\
                "outcome":"ran","seconds":0.250,"reason":"changed","changes":[\
                {"contentOf":"[internal] load build context","files":[\
                {"path":"assets/server.py","changes":["content"]},\
                {"path":"assets/tool\\\\x1b","changes":["mode 0644 became 0755","owner 0 became 7"]},\
                {"path":"new","changes":["added"]}]}]}]

                """
        )
    }
}

private func digest(_ name: String) -> Digest { Digest.sha256(of: Array(name.utf8)) }
