import BuildGraph
import OCI
import Testing

/// Random graphs with failures, changes, lost results and cancellations, solved several times at once on the real executor.
@Suite(.timeLimit(.minutes(20))) struct `Random graphs` {
    @Test(arguments: 0..<60) func `give what direct evaluation gives, and run each key once`(seed: UInt64) async throws
    {
        var random = SplitMix64(seed: seed)
        let index = InMemoryCacheIndex<Int>()
        let solver = Solver(index: index, parallelism: Int.random(in: 1...4, using: &random))
        var sums = randomSums(&random)
        for _ in 0..<4 {
            sums.log.clear()
            let (graph, values) = (sums, sums.values)
            let target = sums.lines.randomElement(using: &random)?.name ?? ""
            try await withThrowingTaskGroup(of: Int?.self) { group in
                for _ in 0..<3 { group.addTask { try await solver.solve(graph, target).outputs.first } }
                for try await output in group { #expect(output == values[target]) }
            }
            for (name, count) in Dictionary(sums.log.begun.map { ($0, 1) }, uniquingKeysWith: +) {
                #expect(count <= (cacheable(sums).contains(name) ? 1 : 3), "\(name) ran \(count) times")
            }
            sums.lines[Int.random(in: 0..<sums.lines.count, using: &random)].operation.number += 10
            if let lost = sums.lines.randomElement(using: &random) { index.removeOutputs(of: lost.name) }
        }
    }

    @Test(arguments: 0..<40) func `end with the error of a step that failed, and report each step once`(
        seed: UInt64
    ) async throws {
        var random = SplitMix64(seed: seed)
        var sums = randomSums(&random)
        let bad = Int.random(in: 0..<sums.lines.count, using: &random)
        let pause = Int.random(in: 0..<20, using: &random)
        sums.lines[bad].operation.body = { _ in
            for _ in 0..<pause { await Task.yield() }
            throw Refusal()
        }
        let (graph, progress) = (sums, ProgressChannel())
        let solve = Task { try await Solver(index: InMemoryCacheIndex<Int>()).solve(graph, progress: progress).outputs }
        let isCancelled = Bool.random(using: &random)
        if isCancelled {
            for _ in 0..<Int.random(in: 0..<200, using: &random) { await Task.yield() }
            solve.cancel()
        }
        let values = sums.values
        switch await solve.result {
        case .success(let outputs): #expect(outputs == [values[sums.lines.last?.name ?? ""]])
        case .failure(let error as SolveError): #expect(error.name == sums.lines[bad].name)
        case .failure(let error): #expect(error is CancellationError && isCancelled)
        }
        var (started, completed): ([String: Int], [String: Int]) = ([:], [:])
        for case .vertex(let vertex) in await progress.events() {
            if vertex.completed != nil {
                completed[vertex.name, default: 0] += 1
            } else if vertex.started != nil {
                started[vertex.name, default: 0] += 1
            }
        }
        #expect(started.values.allSatisfy { $0 == 1 })
        #expect(completed.values.allSatisfy { $0 == 1 })
        #expect(Set(started.keys).isSubset(of: completed.keys), "what started has ended")
    }

    /// The steps that the cache may be used for: neither they nor what they are keyed by forbids it.
    private func cacheable(_ sums: Sums) -> Set<String> {
        sums.lines.reduce(into: []) { names, line in
            let keyedBy = zip(line.inputs, line.operation.byContent).filter { !$0.1 }.map(\.0)
            if !line.ignoresCache, !line.operation.isContentOnly, names.isSuperset(of: keyedBy) {
                names.insert(line.name)
            }
        }
    }

    private func randomSums(_ random: inout SplitMix64) -> Sums {
        var sums = Sums()
        for vertex in 0..<Int.random(in: 2...12, using: &random) {
            let inputs = (0..<vertex).filter { _ in Int.random(in: 0..<3, using: &random) == 0 }
            let pause = Int.random(in: 0..<10, using: &random)
            let isSource = inputs.isEmpty && Int.random(in: 0..<3, using: &random) == 0
            sums.add(
                "v\(vertex)",
                Int.random(in: 0..<5, using: &random),
                inputs.map { (Bool.random(using: &random) ? "*" : "") + "v\($0)" },
                isContentOnly: isSource,
                ignoresCache: Int.random(in: 0..<8, using: &random) == 0
            ) { _ in for _ in 0..<pause { await Task.yield() } }
        }
        return sums
    }
}
