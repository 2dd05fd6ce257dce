package import DockerfileSyntax
internal import Text

/// What the checks find during one translation, in the order in which BuildKit finds it.
final class Findings {
    let options: LintOptions
    private(set) var warnings: [LintWarning]
    /// A hostile file may earn a million findings, and each is shown with its place.
    private static let maximumCount = 1_000
    /// What is gone through a second time has nothing new.
    var isListening = true

    /// Whether no more findings are taken in.
    var isFull: Bool { warnings.count >= Self.maximumCount }

    /// Begins with what the text alone shows.
    init(in dockerfile: Dockerfile, _ options: BuildOptions) throws {
        self.options = try options.replacedLintOptions ?? dockerfile.lintOptions
        warnings = dockerfile.syntaxWarnings(self.options)
    }

    /// Takes a finding in, unless its rule is silent for the file or by a comment above the instruction.
    func report(_ rule: LintRule, _ message: String, at range: SourceRange, comments: [[UInt8]] = []) {
        guard isListening, !isFull, options.merged(withComments: comments).reports(rule) else { return }
        warnings.append(LintWarning(rule, message, at: range))
    }

    /// The word that was probably meant; nil once there are more findings than anyone reads.
    func suggestion(for word: String, among options: @autoclosure () -> [String]) -> String? {
        guard isListening, warnings.count < 100 else { return nil }
        return Text.suggestion(for: word, among: options())
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
            guard let argument = buildArguments["BUILDKIT_DOCKERFILE_CHECK"] else { return nil }
            do throws(DockerfileError) {
                return try LintOptions(parsing: argument.displayText)
            } catch {
                guard case .invalidCheckOption(let reason) = error.reason else { throw error }
                throw FrontendError(.invalidCheckArgument(reason))
            }
        }
    }
}
