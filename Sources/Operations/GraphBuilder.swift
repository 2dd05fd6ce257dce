package import BuildGraph
package import LLB
import LinuxSystem
package import OCI
import Sandboxes
internal import Text

/// Makes the vertices of definitions: each node with the operation that carries it out.
///
/// What they have in common is there once.
///
/// - Parameters:
///   - definitions: the graphs, as the frontend or a client gave them: one for each platform.
///   - origins: where nodes come from, by digest.
///   - environment: what the operations work with.
/// - Returns: the graph, and the target of each definition: nil for the empty tree.
/// - Throws: `OperationError` for what cannot be carried out, `OCIError` for an image name that is none, `LLBError`.
package func makeGraph(
    of definitions: [Definition],
    origins: [Digest: StepOrigin],
    environment: OperationEnvironment
) throws -> (graph: Graph<BuildOutput>, targets: [VertexInput?]) {
    var seen: Set<Digest> = []
    let nodes = definitions.flatMap(\.nodes).filter { seen.insert($0.digest).inserted }
    let locals = LocalTrees(nodes, targets: definitions.compactMap(\.target), environment)
    let vertices = try nodes.map { node in
        Vertex<BuildOutput>(
            digest: node.digest,
            name: node.metadata.name.map { escapedForDisplay(withoutCredentials($0)) } ?? name(of: node.operation),
            inputs: node.inputs.map { locals.input($0, of: node) },
            operation: try operation(of: node, environment),
            ignoresCache: node.metadata.ignoresCache,
            origin: origins[node.digest]
        )
    }
    let targets = definitions.map { definition in
        definition.target.map { locals.target($0) }
    }
    return (try Graph(vertices + locals.vertices), targets)
}

private func operation(
    of node: Node,
    _ environment: OperationEnvironment
) throws -> any VertexOperation<BuildOutput> {
    switch node.operation {
    case .exec(var exec):
        // As in BuildKit the key has the devices that are found, not the names that were asked for.
        let names = try environment.devices.devices(
            for: exec.devices.map { (String(decoding: $0.name, as: UTF8.self), $0.isOptional) },
            environment.deviceGrants
        )
        exec.devices = names.map { Device(name: Array($0.utf8)) }
        return ExecOperation(
            exec: exec,
            platform: node.platform,
            resources: node.metadata.resources,
            inputs: node.inputs,
            environment: environment
        )
    case .file(let actions): return FileOperation(actions: actions, inputs: node.inputs, environment: environment)
    case .merge(let inputs):
        return MergeOperation(
            positions: inputs.compactMap { node.inputs.firstIndex(of: $0) },
            inputCount: node.inputs.count
        )
    case .diff(let lower, let upper):
        return DiffOperation(
            lower: lower.flatMap { node.inputs.firstIndex(of: $0) },
            upper: upper.flatMap { node.inputs.firstIndex(of: $0) },
            inputCount: node.inputs.count,
            environment: environment
        )
    case .passthrough(let id, let inputs, let outputs):
        return PassthroughOperation(
            id: id,
            outputs: outputs.compactMap { node.inputs.firstIndex(of: inputs[$0]) },
            inputCount: node.inputs.count
        )
    case .build(_, let file): return NestedBuildOperation(file: file, environment: environment)
    case .source(let source):
        switch source.scheme {
        case Source.imageScheme, Source.layoutScheme:
            return ImageOperation(
                reference: try ImageReference(parsing: String(decoding: source.rest, as: UTF8.self)),
                layout: LayoutStore(source),
                platform: node.platform ?? .current,
                layerLimit: try layerLimit(of: source),
                checksum: try source.attributes["image.checksum"].map {
                    try Digest(parsing: String(decoding: $0, as: UTF8.self))
                },
                environment: environment
            )
        case Source.imageBlobScheme, Source.layoutBlobScheme:
            return BlobOperation(source: try ImageBlobSource(source), environment: environment)
        case Source.localScheme: return LocalOperation(source: try LocalSource(source), environment: environment)
        case Source.httpScheme, Source.httpsScheme:
            return HTTPOperation(source: try HTTPSource(source), environment: environment)
        case Source.gitScheme: return GitOperation(source: try GitSource(source), environment: environment)
        default:
            throw OperationError.unsupported(
                "sources of the kind \(source.scheme):// are not supported by this version of Slipway"
            )
        }
    }
}

/// How many layers of an image are taken; nil for all.
private func layerLimit(of source: Source) throws(OperationError) -> Int? {
    guard let text = source.attributes["image.layerlimit"].map({ String(decoding: $0, as: UTF8.self) }) else {
        return nil
    }
    guard let limit = Int(text), limit > 0 else {
        throw .unsupported("invalid layer limit \(escapedForDisplay(Array(text.utf8)))")
    }
    return limit
}

private func name(of operation: LLB.Operation) -> String {
    switch operation {
    case .source(let source): escapedForDisplay(withoutCredentials(source.identifier))
    case .exec(let exec): escapedForDisplay(Array(exec.process.arguments.joined(separator: [" "])))
    case .file: "file operation"
    case .merge: "merge"
    case .diff: "diff"
    case .build: "nested build"
    case .passthrough(let id, _, _): escapedForDisplay(id)
    }
}
