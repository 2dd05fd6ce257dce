import BuildGraph
import OCI
import Synchronization
import Testing
import Text

@Suite struct `Solving` {
    let index = InMemoryCacheIndex<Int>()

    @Test func `gives the outputs of the targets, and the second time runs nothing`() async throws {
        var sums = Sums()
        sums.add("a", 1)
        sums.add("b", 10, ["a"])
        sums.add("c", 100, ["a", "b"])
        let solver = Solver(index: index)
        let first = try await solver.solve(sums)
        #expect(first.outputs == [112])
        #expect(sums.log.begun == ["a", "b", "c"])
        #expect(first.outcomes == ["a", "b", "c"].outcomes(.ran(.noEarlierRecord)))
        sums.log.clear()
        let second = try await solver.solve(sums)
        #expect(second.outputs == [112])
        #expect(second.keys == first.keys)
        #expect(sums.log.begun == [])
        #expect(second.outcomes == ["a", "b", "c"].outcomes(.cached))
    }

    @Test func `runs again only what a change reaches, and says what changed`() async throws {
        var sums = Sums()
        sums.add("a", 1)
        sums.add("b", 10, ["a"])
        sums.add("c", 100, ["b"])
        sums.add("d", 7)
        sums.add("e", 1000, ["c", "d"])
        let solver = Solver(index: index)
        _ = try await solver.solve(sums)
        sums.log.clear()
        sums["b"].number = 20
        let solution = try await solver.solve(sums)
        #expect(solution.outputs == [1000 + 121 + 7])
        #expect(sums.log.begun == ["b", "c", "e"])
        let outcomes = solution.outcomes
        #expect(outcomes["a"] == .cached)
        #expect(outcomes["d"] == .notNeeded || outcomes["d"] == .cached)
        #expect(
            outcomes["b"]
                == .ran(.changed([.component(name: "number", old: "10", new: "20")]))
        )
        #expect(outcomes["c"] == .ran(.changed([.input(step: "b", slot: "b")])))
        #expect(outcomes["e"] == .ran(.changed([.input(step: "c", slot: "c")])))
    }

    @Test func `stops at a vertex whose content is what it was`() async throws {
        var sums = Sums()
        sums.add("source", 3)
        sums.add("copy", 10, ["*source"])
        sums.add("use", 100, ["copy"])
        let solver = Solver(index: index)
        #expect(try await solver.solve(sums).outputs == [113])
        sums.log.clear()
        sums["source"].number = 13
        let solution = try await solver.solve(sums)
        #expect(solution.outputs == [113])
        #expect(sums.log.begun == ["source"])
        #expect(solution.outcomes["copy"] == .cached)
        // From now on the definition leads to the record, and the source is not even made.
        index.removeOutputs(of: "source")
        sums.log.clear()
        #expect(try await solver.solve(sums).outputs == [113])
        #expect(sums.log.begun == [])
    }

    @Test func `names the files whose content differs`() async throws {
        var sums = Sums()
        sums.add("context", 3, isContentOnly: true)
        sums.add("copy", 10, ["*context"])
        let solver = Solver(index: index)
        _ = try await solver.solve(sums)
        sums["context"].number = 4
        let solution = try await solver.solve(sums)
        let change = ChangedFile(path: "digit", kind: .changed([.content]))
        #expect(solution.outcomes["copy"] == .ran(.changed([.content(step: "context", files: [change])])))
        #expect(solution.outcomes["context"] == .ran(.neverCached))
    }

    @Test func `makes a result again that is gone, without losing those made of it`() async throws {
        var sums = Sums()
        sums.add("a", 1)
        sums.add("b", 10, ["a"])
        sums.add("c", 100, ["b"])
        let solver = Solver(index: index)
        _ = try await solver.solve(sums)
        sums.log.clear()
        index.removeOutputs(of: "b")
        #expect(try await solver.solve(sums).outcomes == ["a": .cached, "b": .notNeeded, "c": .cached])
        #expect(sums.log.begun == [])
        let solution = try await solver.solve(sums, "b")
        #expect(solution.outcomes == ["a": .cached, "b": .ran(.resultGone)])
        sums.log.clear()
        index.removeRecord(of: "c")
        #expect(try await solver.solve(sums).outcomes["c"] == .ran(.resultGone))
        #expect(sums.log.begun == ["c"])
    }

    @Test func `without the cache runs everything and saves it`() async throws {
        var sums = Sums()
        sums.add("a", 1)
        sums.add("b", 10, ["a"])
        sums.add("c", 100, ["*b"])
        let solver = Solver(index: index)
        _ = try await solver.solve(sums)
        sums.log.clear()
        sums.lines[0].ignoresCache = true
        let solution = try await solver.solve(sums)
        #expect(sums.log.begun == ["a", "b"])
        #expect(solution.outcomes == ["a", "b"].outcomes(.ran(.cacheDisabled)).merging(["c": .cached]) { $1 })
        sums.log.clear()
        sums.lines[0].ignoresCache = false
        #expect(try await solver.solve(sums).outcomes == ["a", "b", "c"].outcomes(.cached))
    }

    @Test func `keeps its keys when steps are renamed or found another way`() async throws {
        var sums = Sums()
        sums.add("a", 1)
        sums.add("b", 10, ["a"])
        let solver = Solver(index: index)
        let first = try await solver.solve(sums)
        var others = Sums()
        others.add("x", 1)
        others.add("y", 10, ["x"])
        let second = try await solver.solve(others)
        #expect(second.keys == first.keys)
        #expect(others.log.begun == [])
    }

    @Test func `fails with the step that failed, and stops the others`() async throws {
        let gate = Gate()
        var sums = Sums()
        sums.add("slow", 1) { _ in
            gate.open()
            try await Task.sleep(for: .seconds(3600))
        }
        sums.add("bad", 2) { _ in
            await gate.passage()
            throw Refusal()
        }
        sums.add("c", 3, ["slow", "bad"])
        let progress = ProgressChannel()
        let graph = sums
        let error = await #expect(throws: SolveError.self) {
            try await Solver(index: index).solve(graph, progress: progress)
        }
        #expect(error?.name == "bad")
        #expect(error?.underlying is Refusal)
        let vertices = await progress.completions()
        #expect(vertices["bad"]?.error == "refused")
        #expect(vertices["slow"]?.isCanceled == true)
        #expect(vertices["c"] == nil)
    }

    @Test func `says when an operation has no such output`() async throws {
        var sums = Sums()
        sums.add("a", 1)
        let graph = try sums.graph()
        let target = VertexInput(digest: sums.target("a").digest, index: 1)
        await #expect(throws: BuildGraphError.missingOutput(1, of: "a", count: 1)) {
            try await Solver(index: index).solve(graph, targets: [target])
        }
    }

    @Test func `runs no more at a time than it may`() async throws {
        var sums = Sums()
        let gate = Gate()
        let begun = Mutex(0)
        for number in 0..<40 {
            sums.add("v\(number)", number) { _ in
                if begun.withLock({ begun in
                    begun += 1
                    return begun == 3
                }) {
                    gate.open()
                }
                await gate.passage()
                try await Task.sleep(for: .milliseconds(1))
            }
        }
        sums.add("all", 0, (0..<40).map { "v\($0)" })
        _ = try await Solver(index: index, parallelism: 3).solve(sums)
        #expect(sums.log.mostAtOnce == 3)
    }

    @Test(.timeLimit(.minutes(20))) func `does not mind a chain of ten thousand steps`() async throws {
        var sums = Sums()
        sums.add("v0", 1)
        for number in 1..<10_000 { sums.add("v\(number)", 1, ["v\(number - 1)"], ignoresCache: number == 1) }
        let solver = Solver(index: index)
        #expect(try await solver.solve(sums).outputs == [10_000])
        sums.lines[1].ignoresCache = false
        #expect(try await solver.solve(sums).outputs == [10_000])
        #expect(sums.log.begun.count == 10_000)
    }
}

struct Refusal: Error, CustomStringConvertible {
    var description: String { "refused" }
}

extension [String] {
    func outcomes(_ outcome: StepExplanation.Outcome) -> [String: StepExplanation.Outcome] {
        Dictionary(uniqueKeysWithValues: map { ($0, outcome) })
    }
}

extension ProgressChannel {
    /// Everything posted so far.
    func events() async -> [ProgressEvent] {
        finish()
        return await reduce(into: []) { $0.append($1) }
    }

    /// The last word on each vertex that was completed, by name.
    func completions() async -> [String: VertexProgress] {
        await events().reduce(into: [:]) { vertices, event in
            if case .vertex(let vertex) = event, vertex.completed != nil { vertices[vertex.name] = vertex }
        }
    }
}
