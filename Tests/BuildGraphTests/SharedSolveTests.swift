import BuildGraph
import OCI
import Testing
import Text

@Suite(.timeLimit(.minutes(20))) struct `Solves on one solver` {
    let index = InMemoryCacheIndex<Int>()

    @Test func `run equal vertices once`() async throws {
        var sums = Sums()
        sums.add("a", 1) { _ in try await Task.sleep(for: .milliseconds(20)) }
        sums.add("b", 2, ["a"]) { _ in try await Task.sleep(for: .milliseconds(20)) }
        let solver = Solver(index: index)
        let outputs = try await withThrowingTaskGroup(of: [Int].self) { [sums] group in
            for _ in 0..<8 { group.addTask { try await solver.solve(sums).outputs } }
            return try await group.reduce(into: []) { $0 += $1 }
        }
        #expect(outputs == Array(repeating: 3, count: 8))
        #expect(sums.log.begun == ["a", "b"])
    }

    @Test func `go on when one of them is cancelled`() async throws {
        let (begun, end) = (Gate(), Gate())
        var sums = Sums()
        sums.add("a", 1) { _ in
            begun.open()
            await end.passage()
            try Task.checkCancellation()
        }
        let solver = Solver(index: index)
        let (one, other) = (sums, sums)
        let progress = ProgressChannel()
        let first = Task { try await solver.solve(one, progress: progress) }
        await begun.passage()
        let joined = ProgressChannel()
        let second = Task { try await solver.solve(other, progress: joined) }
        // The second has joined when it is told that the vertex runs.
        for await event in joined {
            if case .vertex(let vertex) = event, vertex.started != nil { break }
        }
        first.cancel()
        await #expect(throws: CancellationError.self) { try await first.value }
        #expect(await progress.completions()["a"]?.isCanceled == true)
        end.open()
        #expect(try await second.value.outputs == [1])
        #expect(sums.log.begun == ["a"])
    }

    @Test func `cancel what runs when the last waiter leaves, and wait for its end`() async throws {
        let (begun, cleaned) = (Gate(), RunLog())
        var sums = Sums()
        sums.add("a", 1) { _ in
            begun.open()
            do { try await Task.sleep(for: .seconds(3600)) } catch {
                // Cleaning up takes its time, cancelled or not.
                await Task { try? await Task.sleep(for: .milliseconds(20)) }.value
                cleaned.end("a")
                throw error
            }
        }
        sums.add("b", 2, ["a"])
        let solver = Solver(index: index)
        let solve = Task { [sums] in try await solver.solve(sums) }
        await begun.passage()
        solve.cancel()
        await #expect(throws: CancellationError.self) { try await solve.value }
        #expect(cleaned.ended == ["a"])
    }

    @Test func `report each vertex once as started and once as completed`() async throws {
        var sums = Sums()
        sums.add("a", 1) { context in
            await context.log("hello\n")
            await context.withStatus("counting", total: 2) { count in count(2, 2) }
        }
        sums.add("b", 2, ["*a"])
        sums.add("c", 3, ["b", "a"])
        let solver = Solver(index: index)
        for isCached in [false, true] {
            let progress = ProgressChannel()
            _ = try await solver.solve(sums, progress: progress)
            let events = await progress.events()
            for name in ["a", "b", "c"] {
                let vertices = events.compactMap { event -> VertexProgress? in
                    if case .vertex(let vertex) = event, vertex.name == name { vertex } else { nil }
                }
                #expect(vertices.map { $0.started != nil } == (isCached ? [false, true] : [false, true, true]))
                #expect(vertices.filter { $0.completed != nil }.map(\.cached) == [isCached])
            }
            let logs = events.filter { event in
                if case .log = event { true } else { false }
            }
            #expect(logs.isEmpty == isCached)
        }
    }
}
