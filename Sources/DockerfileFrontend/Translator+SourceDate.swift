import DockerfileSyntax
package import LLB
import OCI

/// What the time of an image is taken from (`SOURCE_DATE_EPOCH`), so that it is the same whenever it is built.
package enum SourceDate: Hashable, Sendable {
    /// Seconds since 1970.
    case time(Int64)
    /// The time of what a node brings in: a commit, a file of a web server, the newest entry of an archive.
    case source(Output)
}

extension Translator {
    /// Says what `SOURCE_DATE_EPOCH` refers to, given or as an ARG before the first stage.
    enum SourceDateName {
        case time(Int64)
        case context
        case named(NamedContext)
        case stage(Int)
    }

    func sourceDateName() throws -> SourceDateName? {
        let name = [UInt8]("SOURCE_DATE_EPOCH")
        guard let value = options.buildArguments[name] ?? globalArguments[name], !value.isEmpty else { return nil }
        let text = value.displayText
        if let seconds = Int64(text) { return .time(seconds) }
        if text == "context" { return .context }
        if let named = options.namedContexts.context(named: text, for: targetPlatform) { return .named(named) }
        if let stage = graph.index(named: value) { return .stage(stage) }
        throw FrontendError(.invalidSourceDate(text), at: [], in: dockerfile.source)
    }

    /// The time of what instructions make, in nanoseconds since 1970; nil for the time of its making.
    ///
    /// As in BuildKit only WORKDIR has it.
    func sourceTime() throws -> Int64? {
        guard case .time(let seconds)? = try sourceDateName() else { return nil }
        let (time, isTooLarge) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
        return isTooLarge ? nil : time
    }

    /// The node that a name leads to.
    func sourceDate(_ name: SourceDateName?, _ run: Run) throws -> SourceDate? {
        let node: Output?
        switch name {
        case nil: return nil
        case .time(let seconds)?: return .time(seconds)
        case .context?: node = options.context
        case .named(.tree(let output))?: node = output
        case .named(.image)?, .named(.layout)?: node = nil
        case .stage(let index)?: node = remoteAdd(index, run)
        }
        guard let node, Self.isRemote(node) else {
            let value = options.buildArguments[[UInt8]("SOURCE_DATE_EPOCH")]?.displayText ?? "context"
            throw FrontendError(.invalidSourceDate(value), at: [], in: dockerfile.source)
        }
        return .source(node)
    }

    /// What the only instruction of a stage without a base adds.
    private func remoteAdd(_ index: Int, _ run: Run) -> Output? {
        let node = graph.nodes[index]
        guard case .scratch = node.base, node.commands.count == 1, let output = run.states[index]?.output else {
            return nil
        }
        guard case .file(let actions) = output.node.operation, actions.count == 1,
            case .copy(_, .output(let source)) = actions[0].change
        else { return nil }
        return source
    }

    /// Whether a node's files come from elsewhere, unpacked or not.
    private static func isRemote(_ output: Output) -> Bool {
        switch output.node.operation {
        case .source(let source):
            [Source.httpScheme, Source.httpsScheme, Source.gitScheme].contains(source.scheme)
        case .file: output.node.inputs.count == 1 && output.node.inputs.allSatisfy(isRemote)
        case .exec, .merge, .diff: false
        }
    }
}
