import DockerfileSyntax
import LLB
import OCI
internal import Text

extension Translator {
    /// Carries out the stages that the target reaches.
    mutating func plan(for target: Int) throws -> BuildPlan {
        let dateName = try sourceDateName()
        var reachable = graph.reachable(from: target)
        if case .stage(let index)? = dateName { reachable.formUnion(graph.reachable(from: index)) }
        var run = try survey(reachable)
        try findings.failIfAsked(in: dockerfile.source)
        if scansContext(target, run) { run.contextPaths.insert("/") }
        let context = try contextSource(paths: run.contextPaths)
        try run.replace(contextSource(paths: []), with: context)
        for (directory, paths) in run.directories {
            try run.replace(directory, with: Self.narrowed(directory, to: paths))
        }
        guard var state = run.states[target] else {
            throw FrontendError(.unknownTarget(options.target ?? "", didYouMean: nil), at: [], in: dockerfile.source)
        }
        if let output = state.output { state.output = try Self.tree(output) }
        let images = reachable.sorted().compactMap { resolved[$0] }.map {
            PlannedImage(
                reference: $0.reference,
                digest: $0.base.digest,
                platform: $0.platform,
                isOfLayout: $0.layout != nil
            )
        }
        return BuildPlan(
            definition: Definition(target: state.output, sources: sourceMap(run.places)),
            configuration: configuration(of: state),
            baseConfiguration: state.baseConfiguration,
            platform: state.platform,
            warnings: findings.warnings,
            steps: run.steps,
            images: images,
            unusedBuildArguments: unusedArguments(options.buildArguments, in: dockerfile, predefined: predefined),
            sourceDate: try sourceDate(dateName, run),
            scanTargets: scanTargets(target, reachable, run, context: context)
        )
    }

    /// What going through the stages gives.
    struct Run {
        var states: [Int: StageState] = [:]
        var contextPaths: Set<[UInt8]> = []
        /// The paths that are used of directories that have names.
        var directories: [Output: Set<[UInt8]>] = [:]
        var steps: [Digest: PlannedStep] = [:]
        var places: [Digest: [SourceRange]] = [:]
        var outlines: [Int: StageOutline] = [:]

        /// Puts the source of a directory in the place of the one that stood for it.
        ///
        /// Which of its paths are used is known only at the end, and the nodes that use it need it at the start.
        mutating func replace(_ hole: Output, with context: Output) throws(LLBError) {
            var filled = NodeReplacement(of: hole.node, by: context.node)
            for (index, state) in states {
                guard let output = state.output else { continue }
                states[index]?.output = try filled.output(output)
            }
            steps = Dictionary(uniqueKeysWithValues: steps.map { (filled.digest(of: $0), $1) })
            places = Dictionary(uniqueKeysWithValues: places.map { (filled.digest(of: $0), $1) })
        }
    }

    /// A directory without what is not used of it.
    private static func narrowed(_ directory: Output, to paths: Set<[UInt8]>) throws -> Output {
        guard case .source(let node) = directory.node.operation, !paths.contains("/") else { return directory }
        var source = try LocalSource(node)
        source.setPaths(paths)
        return try Output.local(source, metadata: directory.node.metadata)
    }

    /// Whether an output is a directory of the client rather than a tree of the store.
    static func isDirectory(_ output: Output) -> Bool {
        guard case .source(let source) = output.node.operation else { return false }
        return source.scheme == Source.localScheme
    }

    /// What an output has as a tree that a stage can go on from, or that can be the result.
    static func tree(_ output: Output) throws(LLBError) -> Output {
        guard isDirectory(output) else { return output }
        var copy = FileCopy(source: "/", destination: "/")
        copy.copiesDirectoryContents = true
        copy.createsDestination = true
        return try Output.file(
            on: nil,
            [.copy(copy, from: .output(output))],
            metadata: Metadata(name: output.node.metadata.name)
        )
    }

    /// Goes through stages for what they show: findings, outlines, and the paths of the context that they use.
    func survey(_ stages: Set<Int>) throws -> Run {
        for index in stages.sorted() { checkBasePlatform(index) }
        return try runStages(stages, context: contextSource(paths: []))
    }

    func runStages(_ reachable: Set<Int>, context: Output) throws -> Run {
        var run = Run()
        // Images that no stage starts from come first: every stage may read them.
        let images = reachable.filter { graph.nodes[$0].stage == nil }
        for index in images.sorted() + reachable.subtracting(images).sorted() {
            // Moved, not shared: growing a shared copy would copy it for every stage.
            var builder = StageBuilder(translator: self, index: index, context: context, run: run)
            run = Run()
            try builder.build()
            run = builder.run
            builder.run = Run()
            run.states[index] = builder.state
            run.outlines[index] = builder.outline
        }
        return run
    }

    func contextSource(paths: Set<[UInt8]>) throws -> Output {
        if let context = options.context { return context }
        var source = LocalSource(name: options.contextName)
        source.sharedKeyHint = options.contextName
        source.session = options.contextSession
        source.excludePatterns = options.ignoreFile?.patterns ?? []
        source.setPaths(paths)
        return try Output.local(source, metadata: Metadata(name: "[internal] load build context"))
    }

    private func checkBasePlatform(_ index: Int) {
        guard let image = resolved[index] else { return }
        let actual = image.base.configuration.platform.normalized
        let expected = image.wanted.normalized
        guard actual.os != expected.os || actual.architecture != expected.architecture else { return }
        let name = graph.nodes[index].baseName.displayText
        findings.report(
            .invalidBaseImagePlatform,
            "Base image \(name) was pulled with platform \"\(actual)\", expected \"\(expected)\" for current build",
            at: graph.nodes[index].place
        )
    }

    private func sourceMap(_ places: [Digest: [SourceRange]]) -> SourceMap {
        var file = SourceMap.File(name: Array(dockerfile.source.name.utf8), content: dockerfile.source.bytes)
        file.definition = options.dockerfileGraph
        return SourceMap(
            files: [file],
            places: places.mapValues { ranges in
                [SourceMap.Place(file: 0, ranges.map { SourceMap.Span(lines: $0.lines) })]
            }
        )
    }

    private func configuration(of state: StageState) -> ImageConfiguration {
        var configuration = state.configuration
        if !options.labels.isEmpty {
            let labels = configuration.config?.labels ?? [:]
            configuration.config?.labels = labels.merging(options.labels) { _, given in given }
        }
        if options.platform != nil {
            let isSame =
                configuration.os == targetPlatform.os && configuration.architecture == targetPlatform.architecture
            configuration.os = targetPlatform.os
            configuration.architecture = targetPlatform.architecture
            if targetPlatform.variant != nil || !isSame { configuration.variant = targetPlatform.variant }
            if targetPlatform.osVersion != nil || !isSame { configuration.osVersion = targetPlatform.osVersion }
            if let features = targetPlatform.osFeatures { configuration.osFeatures = features }
        }
        let normal = configuration.platform.normalized
        configuration.architecture = normal.architecture
        configuration.variant = normal.variant
        return configuration
    }
}

extension LocalSource {
    /// Has no more come than these paths; the root is all of the directory.
    fileprivate mutating func setPaths(_ paths: Set<[UInt8]>) {
        if paths.contains("/") { return }
        followPaths = paths.map { Array($0.dropFirst()) }.sorted { $0.lexicographicallyPrecedes($1) }
    }
}
