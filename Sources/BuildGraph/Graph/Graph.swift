package import OCI

/// Vertices and what they use of each other, checked: every input is there, and nothing depends on itself.
package struct Graph<Output: Sendable>: Sendable {
    /// The vertices, each after the vertices it uses.
    package let vertices: [Vertex<Output>]
    /// Where in `vertices` a vertex is.
    let positions: [Digest: Int]

    /// - Throws: `BuildGraphError` for a missing input, a cycle, or two vertices of one digest.
    package init(_ vertices: some Sequence<Vertex<Output>>) throws(BuildGraphError) {
        let given = Array(vertices)
        var places: [Digest: Int] = [:]
        for (place, vertex) in given.enumerated() where places.updateValue(place, forKey: vertex.digest) != nil {
            throw .repeatedVertex(vertex.digest)
        }
        let order = try Self.ordered(given, places)
        self.vertices = order.map { given[$0] }
        positions = Dictionary(uniqueKeysWithValues: self.vertices.enumerated().map { ($1.digest, $0) })
    }

    /// The vertex of a digest.
    package subscript(_ digest: Digest) -> Vertex<Output>? { positions[digest].map { vertices[$0] } }

    /// A depth-first order with its own stack: graphs may be deeper than a thread's.
    private static func ordered(
        _ vertices: [Vertex<Output>],
        _ places: [Digest: Int]
    ) throws(BuildGraphError) -> [Int] {
        var marks = [Mark](repeating: .new, count: vertices.count)
        var order: [Int] = []
        for root in vertices.indices where marks[root] == .new {
            var stack = [(vertex: root, next: 0)]
            marks[root] = .open
            while let (vertex, next) = stack.last {
                guard next < vertices[vertex].inputs.count else {
                    marks[vertex] = .done
                    order.append(vertex)
                    stack.removeLast()
                    continue
                }
                stack[stack.count - 1].next += 1
                let input = vertices[vertex].inputs[next]
                guard let place = places[input.digest] else {
                    throw .unknownInput(input.digest, of: vertices[vertex].name)
                }
                if input.index < 0 { throw .negativeOutput(input.index, of: input.digest) }
                switch marks[place] {
                case .done: break
                case .open: throw .cycle(through: vertices[place].name)
                case .new:
                    marks[place] = .open
                    stack.append((place, 0))
                }
            }
        }
        return order
    }
}

/// How far the ordering of a graph is with one vertex.
private enum Mark {
    case new, open, done
}
