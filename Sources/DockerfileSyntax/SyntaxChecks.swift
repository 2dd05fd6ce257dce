extension Dockerfile {
    /// The options of the `# check=` directive.
    /// - Throws: `DockerfileError` where the directive is wrong.
    package var lintOptions: LintOptions {
        get throws(DockerfileError) {
            guard let directive = directive(.check) else { return LintOptions() }
            return try LintOptions(parsing: directive.value.displayText)
        }
    }

    /// The findings of the checks that need no more than the text.
    ///
    /// Checks that need values, base images or the context are the frontend's.
    package func syntaxWarnings(_ options: LintOptions) -> [LintWarning] {
        var findings: [LintWarning] = []
        func report(_ rule: LintRule, _ message: String, _ instruction: Instruction, at range: SourceRange? = nil) {
            guard options.merged(withComments: instruction.comments).reports(rule) else { return }
            findings.append(LintWarning(rule, message, at: range ?? instruction.range))
        }
        if options.reports(.noEmptyContinuation) {
            findings += emptyContinuations.map { LintWarning(.noEmptyContinuation, "Empty continuation line", at: $0) }
        }
        checkCasing(report)
        checkStageNames(report)
        for instruction in instructions { check(instruction, report) }
        for stage in stages { checkRepetitions(in: stage, report) }
        return findings.sorted { $0.range.start < $1.range.start }
    }

    private typealias Report = (LintRule, String, Instruction, SourceRange?) -> Void

    private func checkCasing(_ report: Report) {
        let all = stages.flatMap { [$0.instruction] + $0.instructions }
        let lower = all.count { $0.keywordText == $0.keywordText.asciiLowercased }
        let upper = all.count { $0.keywordText == $0.keywordText.asciiUppercased }
        let isMajorityLower = lower > upper
        for instruction in all {
            let text = instruction.keywordText
            let wanted = isMajorityLower ? text.asciiLowercased : text.asciiUppercased
            guard text != wanted else { continue }
            let casing = isMajorityLower ? "lowercase" : "uppercase"
            report(
                .consistentInstructionCasing,
                "Command '\(text.displayText)' should match the case of the command majority (\(casing))",
                instruction,
                nil
            )
        }
    }

    private func checkStageNames(_ report: Report) {
        var seen: Set<String> = []
        for stage in stages {
            guard let name = stage.name else { continue }
            let instruction = stage.instruction
            if let written = stage.from.stageNameAsWritten?.bytes, written != written.asciiLowercased {
                report(
                    .stageNameCasing,
                    "Stage name '\(written.displayText)' should be lowercase",
                    instruction,
                    nil
                )
            }
            let keyword = instruction.keywordText
            if let asText = stage.from.asText {
                let isLower = keyword == keyword.asciiLowercased
                let isUpper = keyword == keyword.asciiUppercased
                if isLower || isUpper, asText != (isLower ? asText.asciiLowercased : asText.asciiUppercased) {
                    let message = "'\(asText.displayText)' and '\(keyword.displayText)' keywords' casing do not match"
                    report(.fromAsCasing, message, instruction, nil)
                }
            }
            if name == "scratch" || name == "context" {
                let message = "Stage name should not use the same name as reserved stage \"\(name)\""
                report(.reservedStageName, message, instruction, nil)
            }
            if !seen.insert(name).inserted {
                let message = "Duplicate stage name \"\(name)\", stage names should be unique"
                report(.duplicateStageName, message, instruction, nil)
            }
        }
    }

    private func check(_ instruction: Instruction, _ report: Report) {
        switch instruction.command {
        case .maintainer:
            report(
                .maintainerDeprecated,
                "Maintainer instruction is deprecated in favor of using label",
                instruction,
                nil
            )
        case .env(let pairs), .label(let pairs):
            let name = instruction.keyword.name
            for pair in pairs {
                if !pair.hasEquals {
                    let message = "\"\(name) key=value\" should be used instead of legacy \"\(name) key value\" format"
                    report(.legacyKeyValueFormat, message, instruction, nil)
                }
                if instruction.keyword == .env { checkSecret(pair.key, instruction, report) }
            }
        case .arg(let definitions):
            for definition in definitions { checkSecret(definition.name, instruction, report) }
            checkDescription(instruction, names: definitions.map(\.name), report)
        case .from(let from):
            if let name = from.stageName { checkDescription(instruction, names: [Array(name.utf8)], report) }
        default: break
        }
    }

    private func checkSecret(_ name: [UInt8], _ instruction: Instruction, _ report: Report) {
        let words = name.asciiLowercased.split(separator: UInt8(ascii: "_")).map(\.displayText)
        let secrets: Set = [
            "apikey", "auth", "credential", "credentials", "key", "password", "pword", "passwd", "secret", "token",
        ]
        guard words.contains(where: secrets.contains), !words.contains(where: ["public", "file", "version"].contains)
        else { return }
        let place = "\(instruction.keyword.name) \(quoted(name).displayText)"
        report(
            .secretsUsedInArgOrEnv,
            "Do not use ARG or ENV instructions for sensitive data (\(place))",
            instruction,
            nil
        )
    }

    private func checkDescription(_ instruction: Instruction, names: [[UInt8]], _ report: Report) {
        guard let comment = instruction.comments.last else { return }
        let first = Array(comment.prefix { $0 != 0x20 })
        guard !names.contains(first) else { return }
        let example = names.count > 1 ? "<arg_key>" : names.first?.displayText ?? ""
        let message =
            "Comment for \(instruction.keyword.name) should follow the format: `# \(example) <description>`"
        report(.invalidDefinitionDescription, message, instruction, nil)
    }

    private func checkRepetitions(in stage: Stage, _ report: Report) {
        var last: [Keyword: Instruction] = [:]
        for instruction in stage.instructions {
            switch instruction.keyword {
            case .cmd, .entrypoint, .healthcheck:
                // The one that will not be used is the one to show.
                if let previous = last.updateValue(instruction, forKey: instruction.keyword) {
                    let message =
                        "Multiple \(instruction.keyword.name) instructions should not be used in the same stage because only the last one will be used"
                    report(.multipleInstructionsDisallowed, message, previous, nil)
                }
            default: break
            }
        }
    }
}
