package import DockerfileSyntax

/// What the checks say of a Dockerfile: BuildKit's `frontend.lint`.
package struct CheckReport: Sendable {
    package let source: SourceText
    /// In the order in which they were found.
    package let warnings: [LintWarning]
    /// Why the Dockerfile cannot be built.
    package let error: Failure?

    /// An error with its place.
    package struct Failure: Sendable {
        package let message: String
        package let ranges: [SourceRange]

        init(_ error: any Error) {
            switch error {
            case let error as FrontendError: (message, ranges) = (error.message, error.ranges)
            case let error as DockerfileError: (message, ranges) = (error.message, error.ranges)
            default: (message, ranges) = ("\(error)", [])
            }
        }
    }

    /// The report on a file that cannot be parsed.
    /// - Parameters:
    ///   - error: why.
    ///   - bytes: the file.
    ///   - name: what to call the file.
    ///   - options: what is asked for.
    package init(_ error: DockerfileError, in bytes: [UInt8], name: String, options: BuildOptions) {
        source = SourceText(name: name, bytes: bytes)
        do {
            let replaced = try options.replacedLintOptions
            warnings = Dockerfile.syntaxWarnings(beforeErrorIn: bytes, name: name, options: replaced)
            self.error = Failure(error)
        } catch {
            warnings = []
            self.error = Failure(error)
        }
    }

    init(_ source: SourceText, _ warnings: [LintWarning], _ error: (any Error)?) {
        self.source = source
        self.warnings = warnings
        self.error = error.map(Failure.init)
    }
}

/// Checks a Dockerfile: the target and what it needs, or all stages where no target is given.
/// - Parameters:
///   - dockerfile: the file.
///   - options: what is asked for.
///   - resolver: finds base images.
/// - Returns: the findings, and the error that a build would end with.
/// - Throws: `CancellationError`.
package func check(
    _ dockerfile: Dockerfile,
    options: BuildOptions,
    resolver: any ImageMetadataResolver
) async throws -> CheckReport {
    var warnings: [LintWarning] = []
    do {
        let findings = try Findings(in: dockerfile, options)
        defer { warnings = findings.warnings }
        var translator = try Translator(dockerfile, options, findings)
        let isOpen = (options.target ?? "").isEmpty
        let target = try await translator.prepare(resolver, allStages: isOpen)
        let stages = isOpen ? Set(translator.graph.nodes.indices) : translator.graph.reachable(from: target)
        _ = try translator.survey(stages)
        try findings.failIfAsked(in: dockerfile.source)
        return CheckReport(dockerfile.source, findings.warnings, nil)
    } catch let error as CancellationError {
        throw error
    } catch {
        return CheckReport(dockerfile.source, warnings, error)
    }
}

/// Tells what a target can be given: BuildKit's `frontend.outline`.
/// - Parameters:
///   - dockerfile: the file.
///   - options: what is asked for.
///   - resolver: finds base images.
///   - warn: is given every finding of the checks, also when this fails.
/// - Returns: the arguments, secrets and agents.
/// - Throws: as `translate`.
package func outline(
    _ dockerfile: Dockerfile,
    options: BuildOptions,
    resolver: any ImageMetadataResolver,
    warn: (LintWarning) -> Void = { _ in }
) async throws -> Outline {
    let findings = try Findings(in: dockerfile, options)
    defer { findings.warnings.forEach(warn) }
    var translator = try Translator(dockerfile, options, findings)
    let target = try await translator.prepare(resolver)
    let run = try translator.survey(translator.graph.reachable(from: target))
    try findings.failIfAsked(in: dockerfile.source)
    return translator.outline(of: target, run.outlines)
}
