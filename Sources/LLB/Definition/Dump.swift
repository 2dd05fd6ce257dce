package import OCI
import Text

extension Definition {
    /// The graph as text: a numbered line for each node, each after those it needs, and the target last.
    ///
    /// For people and golden files.
    package var dump: String {
        let numbers = Dictionary(zip(nodes, 1...), uniquingKeysWith: { first, _ in first })
        let printer = DumpPrinter(numbers: numbers)
        var lines = nodes.flatMap(printer.lines)
        lines.append("target: \(printer.name(target))")
        return lines.joined(separator: "\n") + "\n"
    }
}

extension Definition {
    /// One operation as text, in the lines that it has in `dump`.
    ///
    /// - Parameter digest: of the operation.
    /// - Returns: the lines; none where the graph has no such operation.
    package func dump(of digest: Digest) -> [String] {
        guard let node = nodes.first(where: { $0.digest == digest }) else { return [] }
        let numbers = Dictionary(zip(nodes, 1...), uniquingKeysWith: { first, _ in first })
        return DumpPrinter(numbers: numbers).lines(node)
    }
}

extension Node {
    /// What the operation is, in the words BuildKit uses where a step has no title.
    package var summary: String {
        switch operation {
        case .source(let source): DumpPrinter.text(source.identifier)
        case .exec(let exec): exec.process.arguments.map(DumpPrinter.text).joined(separator: " ")
        case .file(let actions): actions.map(\.change.word).joined(separator: ", ")
        case .merge: "merge"
        case .diff(let lower, _): lower == nil ? "diff from scratch" : "diff"
        case .build(_, let file): "build \(DumpPrinter.text(file))"
        case .passthrough(let id, _, _): "passthrough \(DumpPrinter.text(id))"
        }
    }
}

extension FileChange {
    fileprivate var word: String {
        switch self {
        case .copy(let copy, _):
            "copy \(DumpPrinter.text(copy.source)) \(DumpPrinter.text(copy.destination))"
        case .makeFile(let creation): "mkfile \(DumpPrinter.text(creation.path))"
        case .makeDirectory(let creation): "mkdir \(DumpPrinter.text(creation.path))"
        case .symbolicLink(let creation):
            "symlink \(DumpPrinter.text(creation.path)) -> \(DumpPrinter.text(creation.target))"
        case .remove(let removal): "rm \(DumpPrinter.text(removal.path))"
        }
    }
}

private struct DumpPrinter {
    let numbers: [Node: Int]

    /// Bytes as printable text: what is not plain is escaped.
    static func text(_ bytes: [UInt8]) -> String {
        bytes.reduce(into: "") { text, byte in
            switch byte {
            case "\\": text += "\\\\"
            case 0x20..<0x7f: text.unicodeScalars.append(Unicode.Scalar(byte))
            default: text += "\\x" + hexadecimal([byte])
            }
        }
    }

    func name(_ output: Output?) -> String {
        guard let output else { return "scratch" }
        let number = numbers[output.node].map { "#\($0)" } ?? output.node.digest.description
        return output.index == 0 ? number : "\(number)[\(output.index)]"
    }

    func lines(_ node: Node) -> [String] {
        var head = "#\(numbers[node] ?? 0) \(node.digest.short)"
        if let platform = node.platform { head += " [\(platform)]" }
        switch node.operation {
        case .source(let source):
            let attributes = source.attributes.sorted { $0.key < $1.key }
            return ["\(head) source \(Self.text(source.identifier))"]
                + attributes.map { "    \($0.key) = \(Self.text($0.value))" } + tail(node)
        case .exec(let exec): return ["\(head) exec"] + lines(exec) + tail(node)
        case .file(let actions): return ["\(head) file"] + actions.enumerated().map(line) + tail(node)
        case .merge(let inputs): return ["\(head) merge \(inputs.map(name).joined(separator: " "))"] + tail(node)
        case .diff(let lower, let upper): return ["\(head) diff \(name(lower)) \(name(upper))"] + tail(node)
        case .passthrough(let id, let inputs, let outputs):
            let list = inputs.enumerated().map { name($1) + (outputs.contains($0) ? "" : " (not given on)") }
            return ["\(head) passthrough \(Self.text(id)) \(list.joined(separator: " "))"] + tail(node)
        case .build(let definition, let file):
            return ["\(head) build \(Self.text(file)) of \(name(definition))"] + tail(node)
        }
    }

    private func tail(_ node: Node) -> [String] {
        var lines: [String] = []
        if let name = node.metadata.name { lines.append("    title: \(Self.text(name))") }
        if node.metadata.ignoresCache { lines.append("    ignores the cache") }
        return lines
    }

    private func lines(_ exec: Exec) -> [String] {
        let process = exec.process
        var lines = process.arguments.map { "    arg \(Self.text($0))" }
        lines += process.environment.map { "    env \(Self.text($0))" }
        lines.append("    cwd \(Self.text(process.directory))")
        if !process.user.isEmpty { lines.append("    user \(Self.text(process.user))") }
        if !process.hostname.isEmpty { lines.append("    hostname \(Self.text(process.hostname))") }
        lines += process.extraHosts.map { "    host \(Self.text($0.host)) \(Self.text($0.address))" }
        lines += process.limits.map { "    limit \(Self.text($0.name)) \($0.soft):\($0.hard)" }
        if exec.network != .sandbox { lines.append("    network \(exec.network.rawValue)") }
        if exec.security != .sandbox { lines.append("    security \(exec.security.rawValue)") }
        lines += exec.secretEnvironment.map { "    secret \(Self.text($0.id)) as \(Self.text($0.name))" }
        return lines + exec.mounts.map(line)
    }

    private func line(_ mount: Mount) -> String {
        let what =
            switch mount.kind {
            case .bind: "\(name(mount.input))"
            case .temporary(let size): "tmpfs size \(size)"
            case .cache(let id, let sharing): "cache \(Self.text(id)) \(sharing) from \(name(mount.input))"
            case .secret(let file): "secret \(Self.text(file.id))"
            case .ssh(let file): "ssh \(Self.text(file.id))"
            }
        var line = "    mount \(Self.text(mount.destination)) <- \(what)"
        if !mount.selector.isEmpty { line += " at \(Self.text(mount.selector))" }
        if mount.isReadOnly { line += " read-only" }
        if let output = mount.output { line += " -> [\(output)]" }
        return line
    }

    private func line(_ position: Int, _ action: FileAction) -> String {
        var line = "    \(position): on \(name(action.base)) \(action.change.word)"
        switch action.change {
        case .copy(let copy, let source):
            line += " from \(name(source))"
            switch copy.mode {
            case .bits(let bits): line += " mode \(String(bits, radix: 8))"
            case .symbolic(let text): line += " mode \(Self.text(text))"
            case nil: break
            }
            line += copy.excludePatterns.map { " exclude \(Self.text($0))" }.joined()
            line += copy.includePatterns.map { " include \(Self.text($0))" }.joined()
            if copy.unpacksArchives { line += " unpacking" }
        case .makeFile(let creation):
            line += " mode \(String(creation.mode, radix: 8)) of \(creation.content.count) bytes"
        case .makeDirectory(let creation): line += " mode \(String(creation.mode, radix: 8))"
        case .symbolicLink, .remove: break
        }
        if let owner = action.change.owner { line += " owner \(account(owner.user)):\(account(owner.group))" }
        if let output = action.output { line += " -> [\(output)]" }
        return line
    }

    private func account(_ account: Owner.Account?) -> String {
        switch account {
        case .id(let id): "\(id)"
        case .named(let name, let input): "\(Self.text(name)) of \(self.name(input))"
        case nil: ""
        }
    }

    private func name(_ input: FileInput) -> String {
        switch input {
        case .scratch: "scratch"
        case .output(let output): name(output)
        case .action(let action): "action \(action)"
        }
    }
}
