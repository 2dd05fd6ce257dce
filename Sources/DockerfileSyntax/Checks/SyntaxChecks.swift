internal import Text

extension Dockerfile {
    /// The options of the `# check=` directive.
    /// - Throws: `DockerfileError` where the directive is wrong.
    package var lintOptions: LintOptions {
        get throws(DockerfileError) {
            guard let directive = directive(.check) else { return LintOptions() }
            return try LintOptions(parsing: directive.value.displayText)
        }
    }

    /// The findings of the checks that need no more than the text, in the order in which BuildKit makes them.
    ///
    /// Checks that need values, base images or the context, or that look only at stages that are built, are the frontend's.
    package func syntaxWarnings(_ options: LintOptions) -> [LintWarning] {
        var findings = SyntaxFindings(options: options)
        findings.checkLines(emptyContinuations)
        for instruction in instructions { findings.check(instruction) }
        findings.checkNames(of: stages)
        findings.checkCasing(of: stages)
        return findings.warnings
    }

    /// What the checks find in a file up to the instruction that cannot be parsed.
    ///
    /// Nothing where the lines themselves are wrong: BuildKit looks at instructions only once all lines have been split.
    /// - Parameters:
    ///   - bytes: the content.
    ///   - name: what to call the file in messages.
    ///   - replacement: options that replace those of the `# check=` directive.
    /// - Returns: the findings; none of a file that can be parsed to its end.
    package static func syntaxWarnings(
        beforeErrorIn bytes: [UInt8],
        name: String,
        options replacement: LintOptions?
    ) -> [LintWarning] {
        var parser = DockerfileParser(source: SourceText(name: name, bytes: bytes))
        do throws(DockerfileError) {
            try parser.parseFile()
            return []
        } catch {
            guard error.reason.isAboutAnInstruction else { return [] }
            let directive = parser.directives.first { $0.name == .check }
            let written = directive.flatMap { try? LintOptions(parsing: $0.value.displayText) }
            var findings = SyntaxFindings(options: replacement ?? written ?? LintOptions())
            findings.checkLines(parser.emptyContinuations)
            for instruction in parser.instructions { findings.check(instruction) }
            return findings.warnings
        }
    }
}

/// Collects what the text alone shows.
private struct SyntaxFindings {
    let options: LintOptions
    var warnings: [LintWarning] = []

    init(options: LintOptions) { self.options = options }

    /// Findings about the file as a whole cannot be silenced by a comment above one instruction.
    private mutating func report(_ rule: LintRule, _ message: String, at range: SourceRange) {
        if options.reports(rule) { warnings.append(LintWarning(rule, message, at: range)) }
    }

    private mutating func report(_ rule: LintRule, _ message: String, _ instruction: Instruction) {
        guard options.merged(withComments: instruction.comments).reports(rule) else { return }
        warnings.append(LintWarning(rule, message, at: instruction.range))
    }

    mutating func checkLines(_ emptyContinuations: [SourceRange]) {
        for range in emptyContinuations { report(.noEmptyContinuation, "Empty continuation line", at: range) }
    }

    mutating func check(_ instruction: Instruction) {
        switch instruction.command {
        case .maintainer:
            report(.maintainerDeprecated, "Maintainer instruction is deprecated in favor of using label", instruction)
        case .arg(let definitions): checkDescription(instruction, names: definitions.map(\.name))
        case .from(let from): check(from, instruction)
        default: break
        }
    }

    private mutating func check(_ from: From, _ instruction: Instruction) {
        guard let name = from.stageName, let written = from.stageNameAsWritten?.bytes else { return }
        if written != written.asciiLowercased {
            report(.stageNameCasing, "Stage name '\(written.displayText)' should be lowercase", instruction)
        }
        let keyword = instruction.keywordText
        if let asText = from.asText {
            let isLower = keyword == keyword.asciiLowercased
            let isUpper = keyword == keyword.asciiUppercased
            if isLower || isUpper, asText != (isLower ? asText.asciiLowercased : asText.asciiUppercased) {
                let message = "'\(asText.displayText)' and '\(keyword.displayText)' keywords' casing do not match"
                report(.fromAsCasing, message, instruction)
            }
        }
        checkDescription(instruction, names: [Array(name.utf8)])
    }

    private mutating func checkDescription(_ instruction: Instruction, names: [[UInt8]]) {
        guard let comment = instruction.comments.last else { return }
        let first = Array(comment.prefix { $0 != 0x20 })
        guard !names.contains(first) else { return }
        let example = names.count > 1 ? "<arg_key>" : names.first?.displayText ?? ""
        let message =
            "Comment for \(instruction.keyword.name) should follow the format: `# \(example) <description>`"
        report(.invalidDefinitionDescription, message, instruction)
    }

    mutating func checkNames(of stages: [Stage]) {
        var seen: Set<String> = []
        for stage in stages {
            guard let name = stage.name else { continue }
            if name == "scratch" || name == "context" {
                let message = "Stage name should not use the same name as reserved stage \"\(name)\""
                report(.reservedStageName, message, at: stage.instruction.range)
            }
            if !seen.insert(name).inserted {
                let message = "Duplicate stage name \"\(name)\", stage names should be unique"
                report(.duplicateStageName, message, at: stage.instruction.range)
            }
        }
    }

    mutating func checkCasing(of stages: [Stage]) {
        let all = stages.flatMap { [$0.instruction] + $0.instructions }
        let lower = all.count { $0.keywordText == $0.keywordText.asciiLowercased }
        let upper = all.count { $0.keywordText == $0.keywordText.asciiUppercased }
        let isMajorityLower = lower > upper
        let casing = isMajorityLower ? "lowercase" : "uppercase"
        for instruction in all {
            let text = instruction.keywordText
            guard text != (isMajorityLower ? text.asciiLowercased : text.asciiUppercased) else { continue }
            let message = "Command '\(text.displayText)' should match the case of the command majority (\(casing))"
            report(.consistentInstructionCasing, message, at: instruction.range)
        }
    }
}

/// Whether a variable's name says that its value is a secret, as BuildKit's check `SecretsUsedInArgOrEnv` reads names.
package func namesSecret(_ name: [UInt8]) -> Bool {
    let words = name.asciiLowercased.split(separator: "_").map(\.displayText)
    let secrets: Set = [
        "apikey", "auth", "credential", "credentials", "key", "password", "pword", "passwd", "secret", "token",
    ]
    return words.contains(where: secrets.contains) && !words.contains(where: ["public", "file", "version"].contains)
}
