package import DockerfileSyntax
import LLB
import OCI
internal import Text

/// Turns a Dockerfile into the graph that builds its target, and the configuration of the image.
///
/// Only stages that the target reaches are looked at. Base images are resolved at the same time; nothing is fetched.
/// - Parameters:
///   - dockerfile: the file.
///   - options: what is asked for.
///   - resolver: finds base images.
///   - warn: is given every finding of the checks, also when this fails.
/// - Returns: the plan.
/// - Throws: `FrontendError` or `DockerfileError`, which show the lines at fault, or `CancellationError`.
package func translate(
    _ dockerfile: Dockerfile,
    options: BuildOptions,
    resolver: any ImageMetadataResolver,
    warn: (LintWarning) -> Void = { _ in }
) async throws -> BuildPlan {
    let findings = try Findings(in: dockerfile, options)
    defer { findings.warnings.forEach(warn) }
    var translator = try Translator(dockerfile, options, findings)
    var target = try await translator.prepare(resolver)
    if let time = try await translator.namedSourceTime(for: target) {
        // Instructions that declare the argument get the time, and not the name of what it is taken from.
        var dated = options
        dated.buildArguments.set([UInt8]("SOURCE_DATE_EPOCH"), to: time)
        translator = try Translator(dockerfile, dated, findings)
        findings.isListening = false
        target = try await translator.prepare(resolver)
        findings.isListening = true
    }
    return try translator.plan(for: target)
}

/// One translation.
struct Translator {
    let dockerfile: Dockerfile
    let options: BuildOptions
    let findings: Findings
    let expander: WordExpander
    let targetPlatform: Platform
    /// Before ARG.
    let predefined: Variables
    /// After the ARG instructions before the first stage.
    let globalArguments: Variables
    let globalDefinitions: [[UInt8]: GlobalArgument]
    /// The names that FROM may use.
    let declaredNames: Set<[UInt8]>
    var graph: StageGraph
    /// The bases of nodes, by node.
    var resolved: [Int: ResolvedImage] = [:]
    /// The variables that a stage's FROM uses, by the stage's number.
    var fromVariables: [Int: Set<[UInt8]>] = [:]

    /// A base image, for which platform it is used, and for which one it was wanted.
    struct ResolvedImage {
        let reference: ImageReference
        /// The layout directory that has it.
        let layout: [UInt8]?
        let base: ResolvedBase
        let platform: Platform
        let wanted: Platform
    }

    init(_ dockerfile: Dockerfile, _ options: BuildOptions, _ findings: Findings) throws {
        self.dockerfile = dockerfile
        self.options = options
        self.findings = findings
        expander = WordExpander(escape: dockerfile.escape)
        targetPlatform = options.platform ?? options.buildPlatform
        let target = options.target ?? dockerfile.stages.last?.name ?? ""
        predefined = predefinedArguments(
            build: options.buildPlatform,
            target: targetPlatform,
            stage: target.isEmpty ? "default" : target,
            given: options.buildArguments
        )
        (globalArguments, globalDefinitions) = try Self.globals(dockerfile, predefined, options.buildArguments)
        declaredNames = Set(globalArguments.names).union(globalDefinitions.keys)
        graph = StageGraph(
            dockerfile: dockerfile,
            contexts: options.namedContexts,
            targetPlatform: targetPlatform
        )
        if options.namesFrontend,
            let other = otherFrontend(of: dockerfile.source, options.buildArguments["BUILDKIT_SYNTAX"])
        {
            throw other.refusal
        }
    }

    /// Finds the target, and the images that it needs, or that all stages need.
    /// - Returns: the target's number.
    mutating func prepare(_ resolver: any ImageMetadataResolver, allStages: Bool = false) async throws -> Int {
        try addStages()
        let target = try graph.target(options.target)
        try graph.connect()
        try await resolve(target, with: resolver, allStages: allStages)
        return target
    }

    /// The values of the ARG instructions before the first stage: given ones before defaults.
    static func globals(
        _ dockerfile: Dockerfile,
        _ start: Variables,
        _ given: Variables
    ) throws -> (Variables, [[UInt8]: GlobalArgument]) {
        let expander = WordExpander(escape: dockerfile.escape)
        var variables = start
        var known: [[UInt8]: GlobalArgument] = [:]
        for instruction in dockerfile.globalArguments {
            guard case .arg(let definitions) = instruction.command else { continue }
            for definition in definitions {
                let name = definition.name
                var value = given[name]
                var uses: Set<[UInt8]> = []
                if value == nil, let text = definition.value {
                    do throws(ExpansionError) {
                        let result = try expander.expand(text, with: variables)
                        (value, uses) = (result.text, result.matched)
                    } catch {
                        throw FrontendError(.expansion(error), at: [instruction.range], in: dockerfile.source)
                    }
                }
                if let value { variables.set(name, to: value) }
                // One that is defined by its own former value uses what that one used.
                if uses.remove(name) != nil { uses.formUnion(known[name]?.uses ?? []) }
                let argument = Outline.Argument(
                    name: name,
                    value: value ?? [],
                    documentation: definition.documentation ?? [],
                    range: instruction.range
                )
                known[name] = GlobalArgument(argument: argument, uses: uses)
            }
        }
        return (variables, known)
    }

    func failure(_ reason: FrontendError.Reason, at range: SourceRange) -> FrontendError {
        FrontendError(reason, at: [range], in: dockerfile.source)
    }

    func report(_ rule: LintRule, _ message: String, _ instruction: Instruction) {
        findings.report(rule, message, at: instruction.range, comments: instruction.comments)
    }

    /// Makes the graph of stages: bases and platforms have their variables expanded.
    private mutating func addStages() throws {
        checkDefaultBaseNames()
        for stage in dockerfile.stages {
            let name = try expand(stage.from.image.bytes, of: stage)
            guard !name.text.isEmpty else {
                throw failure(.blankBaseName(stage.from.image.bytes.displayText), at: stage.instruction.range)
            }
            try graph.addStage(stage, baseName: name.text, platform: try platform(of: stage))
        }
    }

    private mutating func expand(_ word: [UInt8], of stage: Stage) throws -> WordExpander.Result {
        do throws(ExpansionError) {
            let result = try expander.expand(word, with: globalArguments)
            reportUndeclared(result.unmatched, stage)
            fromVariables[stage.index, default: []].formUnion(result.matched)
            return result
        } catch {
            throw failure(.expansion(error), at: stage.instruction.range)
        }
    }

    private func reportUndeclared(_ names: Set<[UInt8]>, _ stage: Stage) {
        for name in names.subtracting(declaredNames).sorted(by: { $0.lexicographicallyPrecedes($1) }) {
            let text = name.displayText
            let meant = findings.suggestion(for: text, among: declaredNames.map(\.displayText))
            report(
                .undefinedArgInFrom,
                "FROM argument '\(text)' is not declared" + didYouMean(meant),
                stage.instruction
            )
        }
    }

    private mutating func platform(of stage: Stage) throws -> Platform? {
        guard let word = stage.from.platform else { return nil }
        let result = try expand(word.bytes, of: stage)
        let expression = word.bytes.displayText
        let text = result.text.displayText
        let arguments = globalArguments
        func meant() -> String? {
            let known = arguments.names.map(\.displayText)
            return result.unmatched.map(\.displayText).sorted().compactMap { suggestion(for: $0, among: known) }.first
        }
        guard !text.isEmpty else {
            throw failure(.emptyPlatform(expression: expression, didYouMean: meant()), at: stage.instruction.range)
        }
        let platform: Platform
        do throws(OCIError) { platform = try Platform(parsing: text) } catch {
            let reason = FrontendError.Reason.invalidPlatform(expression: expression, error, didYouMean: meant())
            throw failure(reason, at: stage.instruction.range)
        }
        if result.matched == ["TARGETPLATFORM"], result.unmatched.isEmpty,
            globalArguments["TARGETPLATFORM"] == result.text
        {
            report(
                .redundantTargetPlatform,
                "Setting platform to predefined \(expression) in FROM is redundant as this is the default behavior",
                stage.instruction
            )
        }
        let name = stage.name ?? ""
        if result.matched.isEmpty, result.unmatched.isEmpty, !name.contains(platform.os),
            !name.contains(platform.architecture)
        {
            report(
                .fromPlatformFlagConstDisallowed,
                "FROM --platform flag should not use constant value \(quoted(text))",
                stage.instruction
            )
        }
        return platform
    }

    /// Warns of bases that are not names unless arguments are given.
    private func checkDefaultBaseNames() {
        guard let (defaults, _) = try? Self.globals(dockerfile, predefined, Variables()) else { return }
        for stage in dockerfile.stages {
            let word = stage.from.image.bytes
            // Where one cannot be expanded the build fails: nothing is said of those after it.
            guard let name = try? expander.expand(word, with: defaults).text else { return }
            guard (try? ImageReference(parsing: name.displayText)) == nil else { continue }
            findings.report(
                .invalidDefaultArgInFrom,
                "Default value for ARG \(word.displayText) results in empty or invalid base image name",
                at: stage.instruction.range
            )
        }
    }
}
