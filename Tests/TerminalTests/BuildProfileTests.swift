import BuildGraph
import OCI
import Terminal
import Testing

@Suite struct `The profile of a build` {
    private static func path(_ make: (inout ProfiledBuild) -> Void) -> [String] {
        var build = ProfiledBuild()
        make(&build)
        let profile = build.profile()
        return profile.criticalPath.map { profile.steps[$0].name }
    }

    @Test func `knows the steps that decided the time of small graphs`() {
        let graphs: [(expected: [String], make: (inout ProfiledBuild) -> Void)] = [
            ([], { _ in }),
            (["a"], { $0.step("a", 0, 1) }),
            // A chain.
            (
                ["a", "b", "c"],
                {
                    $0.step("a", 0, 1)
                    $0.step("b", 1, 2, uses: ["a"])
                    $0.step("c", 2, 3, uses: ["b"])
                }
            ),
            // A diamond: the slower side counts, whichever was announced first.
            (
                ["a", "slow", "d"],
                {
                    $0.step("a", 0, 1)
                    $0.step("fast", 1, 2, uses: ["a"])
                    $0.step("slow", 1, 5, uses: ["a"])
                    $0.step("d", 5, 6, uses: ["fast", "slow"])
                }
            ),
            (
                ["slow", "d"],
                {
                    $0.step("slow", 0, 5)
                    $0.step("fast", 0, 2)
                    $0.step("d", 5, 6, uses: ["slow", "fast"])
                }
            ),
            // Two ends: the later one counts.
            (
                ["b"],
                {
                    $0.step("a", 0, 3)
                    $0.step("b", 0, 4)
                }
            ),
            // What was cached takes no time and does not break the path.
            (
                ["load", "c"],
                {
                    $0.step("load", 0, 1, nil)
                    $0.step("a", 1, 1, .cached)
                    $0.step("b", 1, 1, uses: ["a"], .cached)
                    $0.step("c", 1, 4, uses: ["b"])
                }
            ),
            // What is not needed is reported at the end of the solve, and nothing waited for it.
            (
                ["load", "b"],
                {
                    $0.step("load", 0, 1, nil)
                    $0.step("a", 5, 5, .notNeeded)
                    $0.step("b", 1, 5, uses: ["a"])
                }
            ),
            // The builder's own steps: the graph waits for those before it, the export for the graph.
            (
                ["load", "run", "export"],
                {
                    $0.step("load", 0, 1, nil)
                    $0.step("other", 0, 0.5, nil)
                    $0.step("run", 1, 3)
                    $0.step("beside", 1, 2)
                    $0.step("export", 3, 4, nil)
                }
            ),
            // A source that waited for nothing does not wait for a stage beside it.
            (
                ["late"],
                {
                    $0.step("early", 0, 1)
                    $0.step("late", 2, 3)
                }
            ),
            // Steps that share one moment form no circle.
            (
                [],
                {
                    $0.step("a", 1, 1, uses: ["b"])
                    $0.step("b", 1, 1, uses: ["a"])
                }
            ),
        ]
        for (number, graph) in graphs.enumerated() {
            #expect(Self.path(graph.make) == graph.expected, "graph \(number)")
        }
    }

    @Test func `leads to the step that failed, not to those that were stopped after it`() {
        let path = Self.path {
            $0.step("a", 0, 1)
            $0.step("bad", 1, 3, uses: ["a"], .failed(.noEarlierRecord), error: "exit code: 1")
            $0.step("stopped", 1, 3.5, uses: ["a"], nil, error: VertexProgress.canceled)
        }
        #expect(path == ["a", "bad"])
    }

    @Test func `says what became of each step`() {
        var build = ProfiledBuild()
        build.step("ran", 0, 1)
        build.step("cached", 1, 1, .cached)
        build.step("imported", 1, 1, .imported(from: "registry"))
        build.step("skipped", 2, 2, .notNeeded)
        build.step("failed", 1, 2, .failed(.cacheDisabled), error: "exit code: 1")
        build.step("stopped", 1, 2, nil, error: VertexProgress.canceled)
        build.step("running", 1, nil, nil)
        build.step("later", nil, nil, nil)
        let states = Dictionary(uniqueKeysWithValues: build.profile().steps.map { ($0.name, $0.state) })
        #expect(
            states == [
                "ran": .ran, "cached": .cached, "imported": .cached, "skipped": .skipped, "failed": .failed,
                "stopped": .canceled, "running": .canceled, "later": .notReached,
            ]
        )
    }

    @Test func `has the steps in the order in which they began`() {
        var build = ProfiledBuild()
        build.step("third", 2, 3, uses: ["first", "second"])
        build.step("never", nil, nil, nil)
        build.step("second", 1, 2)
        build.step("first", 0, 1)
        let steps = build.profile().steps
        #expect(steps.map(\.name) == ["first", "second", "third", "never"])
        #expect(steps[2].inputs == [0, 1])
    }

    @Test func `keeps times within the build that clocks or other builds put outside of it`() {
        var build = ProfiledBuild()
        build.step("begun by another build", -5, 2)
        build.step("after the clock was set", 40, 50)
        build.step("backwards", 3, 1)
        let spans = build.profile(until: 10).steps.compactMap(\.span)
        #expect(spans.map(\.start) == [0, 3, 10])
        #expect(spans.map(\.end) == [2, 3, 10])
    }

    @Test func `gives the reasons that explain gives`() {
        let step = ProfiledBuild.usual.profile().steps.first { $0.name == "[3/3] COPY . ." }
        #expect(step?.reasons == ["files of \"[internal] load build context\" changed"])
        #expect(step?.place?.line == 3)
    }
}
