import BuildGraph
import LLB
import OCI
import Text

/// The directories of clients that a graph uses as trees of the store, as for what a process may write to: copies are
/// made of them.
///
/// What is only copied from is read in place.
struct LocalTrees {
    private let needed: [LLB.Output]
    private let environment: OperationEnvironment

    init(_ nodes: [Node], targets: [LLB.Output], _ environment: OperationEnvironment) {
        self.environment = environment
        var seen: Set<Digest> = []
        let used = nodes.flatMap { node in node.inputs.filter { Self.isTree($0, of: node) } } + targets
        needed = used.filter { Self.isDirectory($0) && seen.insert($0.node.digest).inserted }
    }

    /// The steps that copy the directories.
    var vertices: [Vertex<BuildOutput>] {
        needed.map { output in
            var copy = FileCopy(source: "/", destination: "/")
            copy.copiesDirectoryContents = true
            copy.createsDestination = true
            let action = FileAction(on: .scratch, .copy(copy, from: .output(output)), output: 0)
            return Vertex(
                digest: Self.digest(of: output),
                name: "[internal] copy \(output.node.metadata.name.map { escapedForDisplay($0) } ?? "local files")",
                inputs: [VertexInput(digest: output.node.digest, index: output.index)],
                operation: FileOperation(actions: [action], inputs: [output], environment: environment)
            )
        }
    }

    /// Where a node gets an input from.
    func input(_ output: LLB.Output, of node: Node) -> VertexInput {
        if Self.isDirectory(output), Self.isTree(output, of: node) {
            return VertexInput(digest: Self.digest(of: output), index: 0)
        }
        return VertexInput(digest: output.node.digest, index: output.index)
    }

    /// Where the result of a graph comes from.
    func target(_ output: LLB.Output) -> VertexInput {
        if Self.isDirectory(output) { return VertexInput(digest: Self.digest(of: output), index: 0) }
        return VertexInput(digest: output.node.digest, index: output.index)
    }

    private static func digest(of output: LLB.Output) -> Digest {
        Digest.sha256(of: Array("local tree:\(output.node.digest)".utf8))
    }

    private static func isDirectory(_ output: LLB.Output) -> Bool {
        if case .source(let source) = output.node.operation { source.scheme == Source.localScheme } else { false }
    }

    /// Whether a node works with all of an input, rather than with the files that it names.
    private static func isTree(_ input: LLB.Output, of node: Node) -> Bool {
        switch node.operation {
        case .source: false
        case .merge, .diff, .build, .passthrough: true
        case .file(let actions): actions.contains { $0.base == .output(input) }
        case .exec(let exec):
            exec.mounts.contains { mount in
                guard mount.input == input else { return false }
                return switch mount.kind {
                case .bind: mount.output != nil || mount.destination == "/"
                case .cache: true
                case .temporary, .secret, .ssh: false
                }
            }
        }
    }
}
