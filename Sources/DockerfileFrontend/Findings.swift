package import DockerfileSyntax

/// What the checks find during one translation, in the order in which BuildKit finds it.
final class Findings {
    let options: LintOptions
    private(set) var warnings: [LintWarning]
    /// Stages may be gone through twice: the second time nothing is new.
    var isListening = true

    /// Begins with what the text alone shows.
    init(in dockerfile: Dockerfile, _ options: BuildOptions) throws {
        self.options = try options.replacedLintOptions ?? dockerfile.lintOptions
        warnings = dockerfile.syntaxWarnings(self.options)
    }

    /// Takes a finding in, unless its rule is silent for the file or by a comment above the instruction.
    func report(_ rule: LintRule, _ message: String, at range: SourceRange, comments: [[UInt8]] = []) {
        guard isListening, options.merged(withComments: comments).reports(rule) else { return }
        warnings.append(LintWarning(rule, message, at: range))
    }

    /// Fails a build that asks not to go on with findings.
    func failIfAsked(in source: SourceText) throws(FrontendError) {
        guard options.failsBuild, !warnings.isEmpty else { return }
        throw FrontendError(.lintViolation(Set(warnings.map(\.rule.rawValue)).sorted()), at: [], in: source)
    }
}

extension BuildOptions {
    /// The options of checks that replace those of the Dockerfile: what the request says, else the build argument.
    package var replacedLintOptions: LintOptions? {
        get throws {
            if let lintOptions { return lintOptions }
            guard let argument = buildArguments[[UInt8]("BUILDKIT_DOCKERFILE_CHECK")] else { return nil }
            return try LintOptions(parsing: argument.displayText)
        }
    }
}
