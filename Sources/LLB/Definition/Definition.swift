package import OCI

/// A whole build: every node that its target needs.
package struct Definition: Hashable, Sendable {
    /// What is built; nil is the empty tree.
    package let target: Output?
    /// The nodes, each after all that it needs.
    package let nodes: [Node]
    /// Where in which file the nodes were written.
    package var sources: SourceMap

    /// The graph that `target` is the result of.
    package init(target: Output?, sources: SourceMap = SourceMap()) {
        self.target = target
        self.sources = sources
        nodes = target.map { nodesInOrder(from: $0.node) } ?? []
    }
}

/// The files that a definition was written in, and the places of its nodes in them.
package struct SourceMap: Hashable, Sendable {
    package struct File: Hashable, Sendable {
        package var name: [UInt8]
        package var content: [UInt8]
        package var language: String
        /// A message of the graph that the file comes from, so that tools find what is beside it; nil if unknown.
        package var definition: [UInt8]?

        package init(name: [UInt8], content: [UInt8], language: String = "Dockerfile", definition: [UInt8]? = nil) {
            self.name = name
            self.content = content
            self.language = language
            self.definition = definition
        }
    }

    /// Lines count from 1, characters from 0.
    package struct Position: Hashable, Sendable {
        package var line: Int
        package var character: Int

        package init(line: Int, character: Int = 0) {
            self.line = line
            self.character = character
        }
    }

    /// A part of a file; the end is included.
    package struct Span: Hashable, Sendable {
        package var start: Position
        /// Nil if only the start is known.
        package var end: Position?

        package init(_ start: Position, _ end: Position?) {
            self.start = start
            self.end = end
        }

        /// Whole lines.
        package init(lines: ClosedRange<Int>) {
            self.init(Position(line: lines.lowerBound), Position(line: lines.upperBound))
        }

        package var lines: ClosedRange<Int> { start.line...max(start.line, end?.line ?? 0) }
    }

    /// What was written of a node at one time: parts of one file.
    package struct Place: Hashable, Sendable {
        package var file: Int
        package var spans: [Span]

        package init(file: Int, _ spans: [Span]) {
            self.file = file
            self.spans = spans
        }
    }

    package var files: [File]
    package var places: [Digest: [Place]]

    package init(files: [File] = [], places: [Digest: [Place]] = [:]) {
        self.files = files
        self.places = places
    }
}

/// Every node that `target` needs and itself, each once and after its inputs.
///
/// Depth costs no stack.
func nodesInOrder(from target: Node) -> [Node] {
    var order: [Node] = []
    var seen: Set<Node> = [target]
    var path: [(node: Node, next: Int)] = [(target, 0)]
    while let (node, next) = path.last {
        let inputs = node.inputs
        if next < inputs.count {
            path[path.count - 1].next += 1
            if seen.insert(inputs[next].node).inserted { path.append((inputs[next].node, 0)) }
        } else {
            order.append(node)
            path.removeLast()
        }
    }
    return order
}
