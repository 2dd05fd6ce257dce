import BuildGraph
import OCI
import Synchronization
import Testing

/// Two builds of one process: each with an index, secrets and directories of its own.
@Suite(.timeLimit(.minutes(20))) struct `Members of one pool` {
    private let index = InMemoryCacheIndex<Int>()
    private let pool = SolverPool<Int>()

    private func solver(
        _ member: SolverPool<Int>.Member,
        retain: @escaping @Sendable ([Int]) async throws -> Bool = { _ in true }
    ) -> Solver<Int> {
        Solver(index: index, member: member, retain: retain)
    }

    /// Waits until a solve is told that a vertex runs: it has joined the solve that began it.
    private func start(_ progress: ProgressChannel) async {
        for await event in progress {
            if case .vertex(let vertex) = event, vertex.started != nil { return }
        }
    }

    @Test func `run equal vertices once, and keep what the other one made`() async throws {
        let (begun, end) = (Gate(), Gate())
        let kept = Mutex<[Int]>([])
        var sums = Sums()
        sums.add("a", 1) { _ in
            begun.open()
            await end.passage()
        }
        let (graph, joined) = (sums, ProgressChannel())
        let first = Task { try await solver(pool.admit()).solve(graph) }
        await begun.passage()
        let second = Task {
            try await solver(pool.admit()) { outputs in
                kept.withLock { $0 += outputs }
                return true
            }.solve(graph, progress: joined)
        }
        await start(joined)
        end.open()
        #expect(try await first.value.outputs == [1])
        #expect(try await second.value.outputs == [1])
        #expect(sums.log.begun == ["a"])
        #expect(kept.withLock { $0 } == [1])
    }

    @Test func `make again what another one made and what is gone by now`() async throws {
        let (begun, end) = (Gate(), Gate())
        var sums = Sums()
        sums.add("a", 1, ignoresCache: true) { _ in
            begun.open()
            await end.passage()
        }
        let (graph, joined) = (sums, ProgressChannel())
        let first = Task { try await solver(pool.admit()).solve(graph) }
        await begun.passage()
        let second = Task { try await solver(pool.admit()) { _ in false }.solve(graph, progress: joined) }
        await start(joined)
        end.open()
        _ = try await first.value
        #expect(try await second.value.outputs == [1])
        #expect(sums.log.begun == ["a", "a"])
    }

    @Test func `do not fail with each other`() async throws {
        struct NoSecret: Error {}
        let (begun, end) = (Gate(), Gate())
        let runs = Mutex(0)
        var sums = Sums()
        sums.add("a", 1) { _ in
            let isFirst = runs.withLock { runs in
                runs += 1
                return runs == 1
            }
            begun.open()
            await end.passage()
            // What the first one lacks the second one has.
            if isFirst { throw NoSecret() }
        }
        let (graph, joined) = (sums, ProgressChannel())
        let first = Task { try await solver(pool.admit()).solve(graph) }
        await begun.passage()
        let second = Task { try await solver(pool.admit()).solve(graph, progress: joined) }
        await start(joined)
        end.open()
        await #expect(throws: SolveError.self) { try await first.value }
        #expect(try await second.value.outputs == [1])
        #expect(sums.log.begun == ["a", "a"])
    }

    @Test func `are busy until the work that they began is over, even if others wait for it`() async throws {
        let (begun, end) = (Gate(), Gate())
        var sums = Sums()
        sums.add("a", 1) { _ in
            begun.open()
            await end.passage()
            try Task.checkCancellation()
        }
        let (graph, joined, member) = (sums, ProgressChannel(), pool.admit())
        #expect(member.isQuiet)
        let first = Task { try await solver(member).solve(graph) }
        await begun.passage()
        let second = Task { try await solver(pool.admit()).solve(graph, progress: joined) }
        await start(joined)
        first.cancel()
        await #expect(throws: CancellationError.self) { try await first.value }
        #expect(!member.isQuiet, "the second one waits for it still")
        end.open()
        await member.untilQuiet()
        #expect(member.isQuiet)
        #expect(try await second.value.outputs == [1])
        #expect(sums.log.begun == ["a"])
    }
}
