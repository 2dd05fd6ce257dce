internal import Text

/// The checks that BuildKit knows, by the names users skip them with.
package enum LintRule: String, Sendable, Hashable, CaseIterable {
    case stageNameCasing = "StageNameCasing"
    case fromAsCasing = "FromAsCasing"
    case noEmptyContinuation = "NoEmptyContinuation"
    case consistentInstructionCasing = "ConsistentInstructionCasing"
    case duplicateStageName = "DuplicateStageName"
    case reservedStageName = "ReservedStageName"
    case jsonArgsRecommended = "JSONArgsRecommended"
    case maintainerDeprecated = "MaintainerDeprecated"
    case undefinedArgInFrom = "UndefinedArgInFrom"
    case workdirRelativePath = "WorkdirRelativePath"
    case undefinedVar = "UndefinedVar"
    case multipleInstructionsDisallowed = "MultipleInstructionsDisallowed"
    case legacyKeyValueFormat = "LegacyKeyValueFormat"
    case invalidBaseImagePlatform = "InvalidBaseImagePlatform"
    case redundantTargetPlatform = "RedundantTargetPlatform"
    case secretsUsedInArgOrEnv = "SecretsUsedInArgOrEnv"
    case invalidDefaultArgInFrom = "InvalidDefaultArgInFrom"
    case fromPlatformFlagConstDisallowed = "FromPlatformFlagConstDisallowed"
    case copyIgnoredFile = "CopyIgnoredFile"
    case invalidDefinitionDescription = "InvalidDefinitionDescription"
    case exposeProtoCasing = "ExposeProtoCasing"
    case exposeInvalidFormat = "ExposeInvalidFormat"

    /// Experimental rules are silent unless asked for.
    package var isExperimental: Bool { self == .invalidDefinitionDescription }

    /// Where the rule is explained.
    ///
    /// BuildKit has no page for one of them.
    package var url: String? {
        guard self != .invalidBaseImagePlatform else { return nil }
        var slug = ""
        var previous: Character = " "
        for character in rawValue {
            if character.isUppercase, !previous.isUppercase, !slug.isEmpty { slug += "-" }
            slug += character.lowercased()
            previous = character
        }
        if self == .jsonArgsRecommended { slug = "json-args-recommended" }
        return "https://docs.docker.com/go/dockerfile/rule/\(slug)/"
    }

    /// What the rule is about, for lists of findings.
    package var summary: String {
        switch self {
        case .stageNameCasing: "Stage names should be lowercase"
        case .fromAsCasing: "The 'as' keyword should match the case of the 'from' keyword"
        case .noEmptyContinuation: "Empty continuation lines will become errors in a future release"
        case .consistentInstructionCasing:
            "All commands within the Dockerfile should use the same casing (either upper or lower)"
        case .duplicateStageName: "Stage names should be unique"
        case .reservedStageName: "Reserved words should not be used as stage names"
        case .jsonArgsRecommended:
            "JSON arguments recommended for ENTRYPOINT/CMD to prevent unintended behavior related to OS signals"
        case .maintainerDeprecated:
            "The MAINTAINER instruction is deprecated, use a label instead to define an image author"
        case .undefinedArgInFrom: "FROM command must use declared ARGs"
        case .workdirRelativePath:
            "Relative workdir without an absolute workdir declared within the build can have unexpected results if the base image changes"
        case .undefinedVar: "Variables should be defined before their use"
        case .multipleInstructionsDisallowed:
            "Multiple instructions of the same type should not be used in the same stage"
        case .legacyKeyValueFormat: "Legacy key/value format with whitespace separator should not be used"
        case .invalidBaseImagePlatform: "Base image platform does not match expected target platform"
        case .redundantTargetPlatform:
            "Setting platform to predefined $TARGETPLATFORM in FROM is redundant as this is the default behavior"
        case .secretsUsedInArgOrEnv: "Sensitive data should not be used in the ARG or ENV commands"
        case .invalidDefaultArgInFrom: "Default value for global ARG results in an empty or invalid base image name"
        case .fromPlatformFlagConstDisallowed: "FROM --platform flag should not use a constant value"
        case .copyIgnoredFile: "Attempting to Copy file that is excluded by .dockerignore"
        case .invalidDefinitionDescription:
            "Comment for build stage or argument should follow the format: `# <arg/stage name> <description>`. If this is not intended to be a description comment, add an empty line or comment between the instruction and the comment."
        case .exposeProtoCasing: "Protocol in EXPOSE instruction should be lowercase"
        case .exposeInvalidFormat:
            "IP address and host-port mapping should not be used in EXPOSE instruction. This will become an error in a future release"
        }
    }
}

/// A finding of a check.
package struct LintWarning: Sendable, Hashable {
    package let rule: LintRule
    package let message: String
    package let range: SourceRange

    package init(_ rule: LintRule, _ message: String, at range: SourceRange) {
        self.rule = rule
        self.message = message
        self.range = range
    }
}

/// Which checks are silent: the grammar of `# check=` and of the build argument that replaces it.
package struct LintOptions: Sendable, Hashable {
    package var skipsAll = false
    package var skipped: Set<String> = []
    package var enablesAllExperimental = false
    package var experimental: Set<String> = []
    /// Findings fail the build.
    package var failsBuild = false

    package init() {}

    /// Reads `skip=A,B;error=true;experimental=all`.
    /// - Throws: `DockerfileError.Reason.invalidCheckOption`.
    package init(parsing text: String) throws(DockerfileError) {
        func failure(_ reason: String) -> DockerfileError { DockerfileError(.invalidCheckOption(reason)) }
        guard !trim(text[...]).isEmpty else { return }
        for part in trim(text[...]).split(separator: ";", maxSplits: 2, omittingEmptySubsequences: false) {
            let sides = part.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard sides.count == 2 else { throw failure("invalid check option \(quoted(part))") }
            let key = trim(sides[0])
            let value = trim(sides[1])
            let names = Set(value.split(separator: ",").map { trim($0) })
            switch key {
            case "skip": if value == "all" { skipsAll = true } else { skipped = names }
            case "experimental": if value == "all" { enablesAllExperimental = true } else { experimental = names }
            case "error":
                guard let flag = parsedBoolean(value) else {
                    throw failure(
                        "failed to parse check option \(quoted(part)): strconv.ParseBool: parsing \(quoted(value)): invalid syntax"
                    )
                }
                failsBuild = flag
            default: throw failure("invalid check option \(quoted(key))")
            }
        }
    }

    /// The same options with those of a comment above one instruction.
    package func merged(withComments comments: [[UInt8]]) -> LintOptions {
        for comment in comments {
            var reader = DirectiveReader(comment: "")
            guard case .directive(.check, let value)? = reader.read(comment),
                let extra = try? LintOptions(parsing: value.prefix { $0 != 0x20 }.displayText)
            else { continue }
            var copy = self
            copy.skipsAll = skipsAll || extra.skipsAll
            copy.skipped.formUnion(extra.skipped)
            copy.enablesAllExperimental = enablesAllExperimental || extra.enablesAllExperimental
            copy.experimental.formUnion(extra.experimental)
            return copy
        }
        return self
    }

    package func reports(_ rule: LintRule) -> Bool {
        rule.isExperimental
            ? enablesAllExperimental || experimental.contains(rule.rawValue)
            : !skipsAll && !skipped.contains(rule.rawValue)
    }
}

private func trim(_ text: Substring) -> String {
    let start = text.drop(while: \.isWhitespace)
    return String(start.reversed().drop(while: \.isWhitespace).reversed())
}
