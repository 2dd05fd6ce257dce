package import DockerfileSyntax
package import LLB
package import OCI
internal import Text

/// Why a Dockerfile that can be read cannot be built as asked, and where: it shows the lines at fault as BuildKit does.
package struct FrontendError: Error, Sendable, CustomStringConvertible {
    package let reason: Reason
    /// The lines at fault; none where the request rather than a line is.
    package let ranges: [SourceRange]
    /// The lines at fault with their surroundings, ending in a line feed, or nothing to show.
    package let frame: String
    /// The file at fault; nil where no lines of it are.
    package let source: SourceText?

    /// An error of the request.
    init(_ reason: Reason) {
        self.reason = reason
        ranges = []
        frame = ""
        source = nil
    }

    init(_ reason: Reason, at ranges: [SourceRange], in source: SourceText) {
        self.reason = reason
        self.ranges = ranges
        frame = source.frame(around: ranges)
        self.source = source
    }

    /// The first of the lines at fault.
    package var range: SourceRange? { ranges.first }

    /// The error without its frame.
    package var message: String { reason.description }

    package var description: String { frame + message }
}

extension FrontendError {
    /// What is wrong.
    ///
    /// Strings are for display.
    package enum Reason: Sendable {
        case unknownTarget(String, didYouMean: String?)
        case blankBaseName(String)
        case invalidBaseName(String, OCIError)
        case emptyPlatform(expression: String, didYouMean: String?)
        case invalidPlatform(expression: String, OCIError, didYouMean: String?)
        case baseImage(name: String, any Error, didYouMean: String?)
        case circularDependency(stage: String)
        case invalidStageIndex(Int)
        case copyFromLaterStage(String, current: String)
        case mountFromLaterStage(String, target: String)
        case expandedFrom
        case expansion(ExpansionError)
        case mount(MountError)
        case invalidMountTarget(String)
        case sourceOfAgent
        case emptyCommand(instruction: String)
        case invalidMode(String)
        case checksumOfSeveral
        case checksumOfLocal
        case invalidChecksum(OCIError)
        case git(GitReferenceError)
        case remoteCopy(git: Bool)
        case invalidSignal(String)
        case invalidPort(PortError)
        case emptyVolume
        case lintViolation([String])
        case invalidCheckArgument(String)
        case historyTooLong(limit: Int)
        case invalidSourceDate(String)
        case sourceStage(SourceStageError)
        case hostNetworkNotAllowed
        case insecureNotAllowed
        case device(String)
        /// An instruction of `import --change`.
        case invalidChange(String, reason: String)
        /// Something that the language has and this builder cannot do yet.
        case unsupported(String)
        case definition(LLBError)
    }
}

extension FrontendError.Reason: CustomStringConvertible {
    package var description: String {
        switch self {
        case .unknownTarget(let name, let meant): "target stage \(quoted(name)) could not be found" + didYouMean(meant)
        case .blankBaseName(let text): "base name (\(text)) should not be blank"
        case .invalidBaseName(let name, let error): "failed to parse stage name \(quoted(name)): \(error)"
        case .emptyPlatform(let text, let meant): "empty platform value from expression \(text)" + didYouMean(meant)
        case .invalidPlatform(let text, let error, let meant):
            "failed to parse platform \(text): \(error)" + didYouMean(meant)
        case .baseImage(let name, let error, let meant): "\(name): \(error)" + didYouMean(meant)
        case .circularDependency(let stage): "circular dependency detected on stage: \(stage)"
        case .invalidStageIndex(let index): "invalid stage index \(index)"
        case .copyFromLaterStage(let from, let current):
            "cannot copy from stage \(quoted(from)), it needs to be defined before current stage \(quoted(current))"
        case .mountFromLaterStage(let from, let target):
            "cannot mount from stage \(quoted(from)) to \(quoted(target)), stage needs to be defined before current command"
        case .expandedFrom:
            "variable expansion is not supported for --from, define a new stage with FROM using ARG from global scope as a workaround"
        case .expansion(let error): error.description
        case .mount(let error): error.description
        case .invalidMountTarget(let target): "invalid mount target \(quoted(target))"
        case .sourceOfAgent: "ssh does not support source"
        case .emptyCommand(let instruction):
            "\(instruction) with an empty list has nothing to run: arguments are required"
        case .invalidMode(let text):
            "invalid chmod parameter: '\(text)'. it should be octal string and between 0 and 07777"
        case .checksumOfSeveral: "checksum can't be specified for multiple sources"
        case .checksumOfLocal: "checksum requires HTTP(S) or Git sources"
        case .git(let error): error.description
        case .invalidChecksum(let error): "invalid checksum: \(error)"
        case .remoteCopy(let git): "source can't be a \(git ? "git ref" : "URL") for COPY"
        case .invalidSignal(let text): "invalid signal: \(text)"
        case .invalidPort(let error): error.description
        case .emptyVolume: "VOLUME specified can not be an empty string"
        case .invalidSourceDate(let value):
            "invalid SOURCE_DATE_EPOCH: \(value): it must be seconds since 1970, or name a context, or a stage that only adds a file or repository from elsewhere"
        case .sourceStage(let error): error.description
        case .lintViolation(let rules): "lint violation found for rules: \(rules.joined(separator: ", "))"
        case .historyTooLong(let limit):
            "the image's history is longer than the limit of \(limit) bytes: the values and ports in it are too long"
        case .invalidCheckArgument(let reason): "failed to parse build-arg:BUILDKIT_DOCKERFILE_CHECK: \(reason)"
        case .hostNetworkNotAllowed: "network.host is not allowed: RUN --network=host needs --allow network.host"
        case .insecureNotAllowed:
            "security.insecure is not allowed: RUN --security=insecure needs --allow security.insecure"
        case .device(let reason): reason
        case .invalidChange(let text, let reason): "cannot apply change \"\(text)\": \(reason)"
        case .unsupported(let what): "\(what) is not supported by this version of Slipway"
        case .definition(let error): error.description
        }
    }
}
