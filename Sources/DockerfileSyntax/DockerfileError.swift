internal import Text

/// Why a Dockerfile cannot be read or translated, and where; it shows the lines at fault as BuildKit does.
package struct DockerfileError: Error, Sendable, Hashable, CustomStringConvertible {
    package let reason: Reason
    /// The lines at fault; none where the whole file is meant.
    package let ranges: [SourceRange]
    /// The lines at fault with their surroundings, ending in a line feed, or nothing to show.
    package let frame: String
    /// The file at fault; nil where no lines of it are.
    package let source: SourceText?

    package init(_ reason: Reason, at ranges: [SourceRange], in source: SourceText) {
        self.reason = reason
        self.ranges = ranges
        frame = source.frame(around: ranges)
        self.source = source
    }

    init(_ reason: Reason) {
        self.reason = reason
        ranges = []
        frame = ""
        source = nil
    }

    /// The first of the lines at fault.
    package var range: SourceRange? { ranges.first }

    /// The error without its frame, in BuildKit's words.
    package var message: String {
        guard reason.isAboutAnInstruction, let line = range?.start.line else { return reason.description }
        return "dockerfile parse error on line \(line): \(reason.description)"
    }

    package var description: String { frame + message }
}

extension DockerfileError {
    /// What is wrong.
    ///
    /// Strings are for display; what the user wrote is in them as far as it is text.
    package enum Reason: Hashable, Sendable {
        case empty
        case noInstructions
        case noStages
        case fileTooLarge(limit: Int)
        case lineTooLong(limit: Int)
        case tooManyInstructions(limit: Int)
        case tooManyWords(limit: Int)
        case repeatedDirective(String)
        case invalidEscapeDirective(String)
        case invalidCheckOption(String)
        case unterminatedHeredoc
        case heredocDestination(instruction: String)
        case instructionBeforeFrom
        case unknownInstruction(String, didYouMean: String?)
        case unknownFlag(String, didYouMean: String?)
        case repeatedFlag(String)
        case missingFlagValue(String)
        case notBoolean(flag: String, value: String)
        case needsArguments(instruction: String)
        case needsOneArgument(instruction: String)
        case needsDestination(instruction: String)
        case needsTwoArguments(instruction: String)
        case missingEquals(word: String)
        case blankName(instruction: String)
        case notStrings
        case notJSON(instruction: String)
        case fromArguments
        case invalidStageName(String)
        case chainedOnBuild
        case invalidTrigger(String)
        case emptyVolume
        case healthcheckNoneArguments
        case healthcheckWithoutCommand
        case unknownHealthcheckType(String)
        case healthcheckInterval(flag: String)
        case negativeRetries(Int)
        case invalidNumber(String)
        case invalidDuration([UInt8])
        case invalidNetwork(String)
        case invalidSecurity(String)
        case invalidMount(MountError)
        case invalidDevice(MountError)
        case expansion(ExpansionError)
        case triggerIsNotOneInstruction

        /// BuildKit puts "dockerfile parse error on line N" before the errors it finds after the lines have been split.
        var isAboutAnInstruction: Bool {
            switch self {
            case .empty, .noInstructions, .noStages, .fileTooLarge, .lineTooLong, .tooManyInstructions, .tooManyWords,
                .repeatedDirective,
                .invalidEscapeDirective, .invalidCheckOption, .unterminatedHeredoc, .instructionBeforeFrom,
                .needsTwoArguments, .missingEquals, .notStrings, .expansion, .triggerIsNotOneInstruction:
                false
            case .heredocDestination, .unknownInstruction, .unknownFlag, .repeatedFlag, .missingFlagValue, .notBoolean,
                .needsArguments, .needsOneArgument, .needsDestination, .blankName, .notJSON, .fromArguments,
                .invalidStageName, .chainedOnBuild, .invalidTrigger, .emptyVolume, .healthcheckNoneArguments,
                .healthcheckWithoutCommand, .unknownHealthcheckType, .healthcheckInterval, .negativeRetries,
                .invalidNumber, .invalidDuration, .invalidNetwork, .invalidSecurity, .invalidMount, .invalidDevice:
                true
            }
        }
    }
}

extension DockerfileError.Reason: CustomStringConvertible {
    package var description: String {
        switch self {
        case .empty: "the Dockerfile cannot be empty"
        case .noInstructions: "file with no instructions"
        case .noStages: "dockerfile contains no stages to build"
        case .fileTooLarge(let limit): "the Dockerfile is larger than the limit of \(limit) bytes"
        case .lineTooLong(let limit): "dockerfile line greater than max allowed size of \(limit)"
        case .tooManyInstructions(let limit): "the Dockerfile has more than the limit of \(limit) instructions"
        case .tooManyWords(let limit): "the instruction has more than the limit of \(limit) words"
        case .repeatedDirective(let name): "only one \(name) parser directive can be used"
        case .invalidEscapeDirective(let value): "invalid escape token '\(value)' does not match ` or \\"
        case .invalidCheckOption(let reason): "failed to parse check options: \(reason)"
        case .unterminatedHeredoc: "unterminated heredoc"
        case .heredocDestination(let name): "\(name) cannot accept a heredoc as a destination"
        case .instructionBeforeFrom: "no build stage in current context"
        case .unknownInstruction(let name, let meant): "unknown instruction: \(name)" + didYouMean(meant)
        case .unknownFlag(let name, let meant): "unknown flag: --\(name)" + didYouMean(meant)
        case .repeatedFlag(let name): "duplicate flag specified: --\(name)"
        case .missingFlagValue(let name): "missing a value on flag: --\(name)"
        case .notBoolean(let flag, let value): "expecting boolean value for flag --\(flag), not: \(value)"
        case .needsArguments(let name): "\(name) requires at least one argument"
        case .needsOneArgument(let name): "\(name) requires exactly one argument"
        case .needsDestination(let name):
            "\(name) requires at least two arguments, but only one was provided. Destination could not be determined"
        case .needsTwoArguments(let name): "\(name) must have two arguments"
        case .missingEquals(let word): "Syntax error - can't find = in \(word). Must be of the form: name=value"
        case .blankName(let name): "\(name) names can not be blank"
        case .notStrings: "when using JSON array syntax, arrays must be comprised of strings only"
        case .notJSON(let name): "\(name) requires the arguments to be in JSON form"
        case .fromArguments: "FROM requires either one or three arguments"
        case .invalidStageName(let name):
            "invalid name for build stage: \(name), name can't start with a number or contain symbols"
        case .chainedOnBuild: "Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed"
        case .invalidTrigger(let name): "\(name) isn't allowed as an ONBUILD trigger"
        case .emptyVolume: "VOLUME specified can not be an empty string"
        case .healthcheckNoneArguments: "HEALTHCHECK NONE takes no arguments"
        case .healthcheckWithoutCommand: "Missing command after HEALTHCHECK CMD"
        case .unknownHealthcheckType(let type): "Unknown type \(type) in HEALTHCHECK (try CMD)"
        case .healthcheckInterval(let flag): "Interval \"\(flag)\" cannot be less than 1ms"
        case .negativeRetries(let count): "--retries cannot be negative (\(count))"
        case .invalidNumber(let text): "invalid number \(text)"
        case .invalidDuration(let text): durationMistake(text)
        case .invalidNetwork(let mode): "invalid network mode \(mode)"
        case .invalidSecurity(let mode): "security \(mode) is not valid"
        case .invalidMount(let error): error.description
        case .invalidDevice(let error): error.description
        case .expansion(let error): error.description
        case .triggerIsNotOneInstruction: "onbuild trigger should be a single expression"
        }
    }
}

/// The end of a message that names what was probably meant.
package func didYouMean(_ word: String?) -> String { word.map { " (did you mean \($0)?)" } ?? "" }
