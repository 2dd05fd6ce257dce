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

        package init(name: [UInt8], content: [UInt8], language: String = "Dockerfile") {
            self.name = name
            self.content = content
            self.language = language
        }
    }

    /// Lines count from 1, characters from 0; the end is included.
    package struct Place: Hashable, Sendable {
        package var file: Int
        package var firstLine: Int
        package var lastLine: Int

        package init(file: Int, firstLine: Int, lastLine: Int) {
            self.file = file
            self.firstLine = firstLine
            self.lastLine = lastLine
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
