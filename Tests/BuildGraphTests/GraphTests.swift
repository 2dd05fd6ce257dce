import BuildGraph
import OCI
import Testing

@Suite struct `Graphs` {
    struct Constant: VertexOperation {
        func cacheMap(_ context: OperationContext) async throws -> CacheMap<Int> { CacheMap(components: []) }
        func run(_ inputs: [Int], _ context: OperationContext) async throws -> [Int] { [0] }
    }

    static func vertex(_ name: String, _ inputs: String...) -> Vertex<Int> {
        Vertex(
            digest: digest(name),
            name: name,
            inputs: inputs.map { VertexInput(digest: digest($0)) },
            operation: Constant()
        )
    }

    static func digest(_ name: String) -> Digest { Digest.sha256(of: Array(name.utf8)) }

    @Test func `put inputs before what uses them`() throws {
        let graph = try Graph([Self.vertex("c", "a", "b"), Self.vertex("b", "a"), Self.vertex("a")])
        #expect(graph.vertices.map(\.name) == ["a", "b", "c"])
    }

    @Test func `refuse a vertex that depends on itself`() {
        #expect(throws: BuildGraphError.cycle(through: "a")) {
            try Graph([Self.vertex("a", "b"), Self.vertex("b", "a")])
        }
    }

    @Test func `refuse an input that is not there, and two vertices of one digest`() {
        #expect(throws: BuildGraphError.unknownInput(Self.digest("x"), of: "a")) { try Graph([Self.vertex("a", "x")]) }
        #expect(throws: BuildGraphError.repeatedVertex(Self.digest("a"))) {
            try Graph([Self.vertex("a"), Self.vertex("a")])
        }
    }
}
