package import DockerfileSyntax
package import LLB
internal import Text

/// What the time of an image is taken from (`SOURCE_DATE_EPOCH`), so that it is the same whenever it is built.
package enum SourceDate: Hashable, Sendable {
    /// Seconds since 1970.
    case time(Int64)
    /// The time of what a source brings in: a commit, a file of a web server, the newest entry of an archive.
    case source(Output)
    /// What has no time to take, as a directory: the image is made as if nothing had been said.
    case unknown
}

/// Why no time can be taken from a stage, in BuildKit's words.
package enum SourceStageError: Hashable, Sendable, CustomStringConvertible {
    case base
    case instruction(Keyword)
    case count
    case sources
    case local

    package var description: String {
        let stage = "SOURCE_DATE_EPOCH stage"
        return switch self {
        case .base: "\(stage) must use FROM scratch"
        case .instruction(let keyword):
            "\(stage) does not meet source-only requirements: unsupported \(keyword.rawValue) instruction"
        case .count: "\(stage) must contain exactly one remote ADD"
        case .sources: "\(stage) must contain exactly one remote ADD source"
        case .local: "\(stage) source must be a single HTTP(S) or Git ADD"
        }
    }
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
        let name: [UInt8] = "SOURCE_DATE_EPOCH"
        guard let value = options.buildArguments[name] ?? globalArguments[name], !value.isEmpty else { return nil }
        let text = value.displayText
        if let seconds = Int64(text) { return .time(seconds) }
        if text == "context" { return .context }
        if let named = options.namedContexts.context(named: text, for: targetPlatform) { return .named(named) }
        let stageName = value.asciiLowercased.displayText
        if let stage = dockerfile.stages.first(where: { $0.name == stageName }) {
            try checkIsSource(stage)
            return .stage(stage.index)
        }
        throw FrontendError(.invalidSourceDate(text), at: [], in: dockerfile.source)
    }

    /// The value that `SOURCE_DATE_EPOCH` has where it names something: empty where that has no time.
    /// - Returns: nil if it names nothing, or no one can find times.
    func namedSourceTime(for target: Int) async throws -> [UInt8]? {
        guard let find = options.sourceTime, let name = try sourceDateName() else { return nil }
        if case .time = name { return nil }
        var run = Run()
        if case .stage(let index) = name {
            // What there is to find in a stage of the target is found when those are gone through.
            findings.isListening = !graph.reachable(from: target).contains(index)
            defer { findings.isListening = true }
            run = try runStages(graph.reachable(from: index), context: contextSource(paths: []))
        }
        guard let date = try sourceDate(name, run) else { return nil }
        return try await find(date).map { Array("\($0)".utf8) } ?? []
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
    func sourceDate(_ name: SourceDateName?, _ run: Run) throws(FrontendError) -> SourceDate? {
        switch name {
        case nil: return nil
        case .time(let seconds)?: return .time(seconds)
        case .context?: return Self.remoteSource(of: options.context)
        case .named(.tree(let output))?: return Self.remoteSource(of: output)
        case .named(.result)?, .named(.scratch)?, .named(.image)?, .named(.layout)?: return .unknown
        case .stage(let index)?:
            let date = Self.remoteSource(of: run.states[index]?.output)
            // Files of a context that is a repository are files of the context all the same.
            guard case .source(let output) = date, output != options.context else {
                throw failure(.sourceStage(.local), at: graph.nodes[index].place)
            }
            return date
        }
    }

    /// Refuses a stage that does more than ADD one remote source.
    private func checkIsSource(_ stage: Stage) throws(FrontendError) {
        func refuse(_ reason: SourceStageError) -> FrontendError {
            failure(.sourceStage(reason), at: stage.instruction.range)
        }
        guard case .scratch = graph.nodes[stage.index].base else { throw refuse(.base) }
        var hasSource = false
        for instruction in stage.instructions {
            switch instruction.command {
            case .arg: continue
            case .add(let transfer):
                if hasSource { throw refuse(.count) }
                hasSource = true
                guard transfer.documents.isEmpty, transfer.sources.count == 1 else { throw refuse(.sources) }
            default: throw refuse(.instruction(instruction.keyword))
            }
        }
        guard hasSource else { throw refuse(.count) }
    }

    /// What brings in the files of a node from elsewhere, unpacked or not.
    private static func remoteSource(of output: Output?) -> SourceDate {
        guard let output else { return .unknown }
        switch output.node.operation {
        case .source(let source):
            let isRemote = [Source.httpScheme, Source.httpsScheme, Source.gitScheme].contains(source.scheme)
            return isRemote ? .source(output) : .unknown
        case .file: return output.node.inputs.count == 1 ? remoteSource(of: output.node.inputs.first) : .unknown
        case .exec, .merge, .diff, .build, .passthrough: return .unknown
        }
    }
}
