package import OCI

/// Puts a node in the place of another one, in everything that was built on it.
package struct NodeReplacement {
    /// By the digest of the node that was there before.
    private var nodes: [Digest: Node]
    private let isNeeded: Bool

    package init(of old: Node, by new: Node) {
        nodes = [old.digest: new]
        isNeeded = old != new
    }

    /// The output as it would be with the new node; what does not depend on the old one stays the same node.
    /// - Throws: `LLBError`.
    package mutating func output(_ output: Output) throws(LLBError) -> Output {
        guard isNeeded else { return output }
        for node in nodesInOrder(from: output.node) where nodes[node.digest] == nil {
            nodes[node.digest] = try rebuilt(node)
        }
        return replaced(output)
    }

    /// The digest that a node has got.
    package func digest(of old: Digest) -> Digest { nodes[old]?.digest ?? old }

    private func rebuilt(_ node: Node) throws(LLBError) -> Node {
        if node.inputs.allSatisfy({ digest(of: $0.node.digest) == $0.node.digest }) { return node }
        let operation = node.operation.replacingOutputs { replaced($0) }
        return try Node(operation, platform: node.platform, metadata: node.metadata)
    }

    private func replaced(_ output: Output) -> Output {
        nodes[output.node.digest].map { Output($0, index: output.index) } ?? output
    }
}

extension Operation {
    fileprivate func replacingOutputs(_ change: (Output) -> Output) -> Operation {
        switch self {
        case .source: return self
        case .exec(var exec):
            for place in exec.mounts.indices { exec.mounts[place].input = exec.mounts[place].input.map(change) }
            return .exec(exec)
        case .file(let actions): return .file(actions.map { $0.replacingOutputs(change) })
        case .merge(let inputs): return .merge(inputs.map(change))
        case .diff(let lower, let upper): return .diff(lower: lower.map(change), upper: upper.map(change))
        case .passthrough(let id, let inputs, let outputs):
            return .passthrough(id: id, inputs: inputs.map(change), outputs: outputs)
        case .build(let definition, let file): return .build(definition: change(definition), file: file)
        }
    }
}

extension FileAction {
    fileprivate func replacingOutputs(_ change: (Output) -> Output) -> FileAction {
        FileAction(on: base.replacingOutputs(change), self.change.replacingOutputs(change), output: output)
    }
}

extension FileInput {
    fileprivate func replacingOutputs(_ change: (Output) -> Output) -> FileInput {
        if case .output(let output) = self { .output(change(output)) } else { self }
    }
}

extension FileChange {
    fileprivate func replacingOutputs(_ change: (Output) -> Output) -> FileChange {
        switch self {
        case .copy(var copy, let source):
            copy.owner = copy.owner?.replacingOutputs(change)
            return .copy(copy, from: source.replacingOutputs(change))
        case .makeFile(var creation):
            creation.owner = creation.owner?.replacingOutputs(change)
            return .makeFile(creation)
        case .makeDirectory(var creation):
            creation.owner = creation.owner?.replacingOutputs(change)
            return .makeDirectory(creation)
        case .symbolicLink(var creation):
            creation.owner = creation.owner?.replacingOutputs(change)
            return .symbolicLink(creation)
        case .remove: return self
        }
    }
}

extension Owner {
    fileprivate func replacingOutputs(_ change: (Output) -> Output) -> Owner {
        func replaced(_ account: Account?) -> Account? {
            guard case .named(let name, let input) = account else { return account }
            return .named(name, in: input.replacingOutputs(change))
        }
        return Owner(user: replaced(user), group: replaced(group))
    }
}
