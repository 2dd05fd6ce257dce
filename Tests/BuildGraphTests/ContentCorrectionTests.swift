import BuildGraph
import OCI
import Proofs
import Synchronization
import Testing

/// A file of a client, whose content changes as the test wants.
private final class ChangingFile: Sendable {
    private let state = Mutex((content: 1, next: [Int]()))

    var content: Int {
        get { state.withLock { $0.content } }
        set { state.withLock { $0.content = newValue } }
    }

    /// Takes up the next content that waits, if one does.
    func pass() { state.withLock { if !$0.next.isEmpty { $0.content = $0.next.removeFirst() } } }
    func willBecome(_ content: Int) { state.withLock { $0.next.append(content) } }
    var key: ContentKey { ContentKey(digest: digest("content \(content)")) }
}

/// Lends the file, which only its content names.
private struct Lending: VertexOperation {
    func cacheMap(_ context: OperationContext) async throws -> CacheMap<Int> {
        CacheMap(components: [], identity: .contentOnly)
    }

    func run(_ inputs: [Int], _ context: OperationContext) async throws -> [Int] { [0] }
}

/// Copies the file, which may change after the key was computed.
private struct Copying: VertexOperation {
    let file: ChangingFile
    let log: RunLog

    func cacheMap(_ context: OperationContext) async throws -> CacheMap<Int> {
        CacheMap(components: [], inputs: [.content(selector: []) { [file] _, _ in file.key }])
    }

    func run(_ inputs: [Int], _ context: OperationContext) async throws -> [Int] {
        log.begin("copy")
        file.pass()
        context.correct(file.key, ofInput: 0)
        return [file.content]
    }
}

@Suite struct `A file that changes after the step that copies it was keyed` {
    private let index = InMemoryCacheIndex<Int>()
    private let file = ChangingFile()
    private let log = RunLog()

    /// Builds a step that adds 10 to the copy, on a solver of its own.
    private func build(byContent: Bool) async throws -> Int? {
        func vertex(_ name: String, _ inputs: [String], _ operation: any VertexOperation<Int>) -> Vertex<Int> {
            let origin = StepOrigin(slot: name, dockerfile: "", stage: "", instruction: 0, line: 1, text: [])
            let sources = inputs.map { VertexInput(digest: digest($0)) }
            return Vertex(digest: digest(name), name: name, inputs: sources, operation: operation, origin: origin)
        }
        let graph = try Graph([
            vertex("lend", [], Lending()), vertex("copy", ["lend"], Copying(file: file, log: log)),
            vertex("use", ["copy"], Sum(number: 10, byContent: [byContent], log: log, name: "use")),
            vertex("end", ["use"], Sum(number: 100, byContent: [false], log: log, name: "end")),
        ])
        let solution = try await Solver(index: index).solve(graph, targets: [VertexInput(digest: digest("end"))])
        return solution.outputs.first
    }

    @Test(.proves("C17: a file of the context grows"), arguments: [false, true])
    func `is kept with everything built on it under the key of what was copied`(byContent: Bool) async throws {
        file.willBecome(2)
        #expect(try await build(byContent: byContent) == 112)
        #expect(log.begun == ["copy", "use", "end"])
        log.clear()
        #expect(try await build(byContent: byContent) == 112)
        #expect(log.begun == [])
        // What it was when the key was computed was never built.
        file.content = 1
        #expect(try await build(byContent: byContent) == 111)
        #expect(log.begun == ["copy", "use", "end"])
        file.content = 2
        #expect(try await build(byContent: byContent) == 112)
    }

    @Test(arguments: [false, true])
    func `is found where what was copied has been built before`(byContent: Bool) async throws {
        file.content = 2
        #expect(try await build(byContent: byContent) == 112)
        log.clear()
        file.content = 1
        file.willBecome(2)
        #expect(try await build(byContent: byContent) == 112)
        #expect(log.begun == ["copy"])
    }
}
