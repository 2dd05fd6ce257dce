/// A command line that cannot be understood: what is wrong, in the words that Docker's users know.
package enum UsageError: Error, Hashable, Sendable {
    case unknownFlag(String, suggestion: String?)
    case unknownShorthand(String, in: String)
    case badFlagSyntax(String)
    case flagNeedsArgument(String)
    /// `status` is that of flags whose values docker reads with the flags; those that it reads later fail as the command does.
    case invalidFlagValue(value: String, flag: String, reason: String, status: CommandStatus = .notRun)
    case wrongArgumentCount(command: String, expectation: String)
    case unknownCommand(String, suggestions: [String])
    case unknownHelpTopic(String)

    /// 125 where a flag is wrong, 1 otherwise.
    package var exitStatus: CommandStatus {
        switch self {
        case .unknownFlag, .unknownShorthand, .badFlagSyntax, .flagNeedsArgument: .notRun
        case .invalidFlagValue(_, _, _, let status): status
        case .wrongArgumentCount, .unknownCommand, .unknownHelpTopic: .failure
        }
    }

    /// The first lines of the message, without the usage that follows them.
    package var message: String {
        switch self {
        case .unknownFlag(let flag, let suggestion):
            "unknown flag: --\(flag)" + (suggestion.map { "\n\nDid you mean this?\n\t--\($0)" } ?? "")
        case .unknownShorthand(let letter, let group): "unknown shorthand flag: '\(letter)' in -\(group)"
        case .badFlagSyntax(let argument): "bad flag syntax: \(argument)"
        case .flagNeedsArgument(let flag): "flag needs an argument: \(flag)"
        case .invalidFlagValue(let value, let flag, let reason, _):
            "invalid argument \"\(value)\" for \"\(flag)\" flag: \(reason)"
        case .wrongArgumentCount(let command, let expectation): "slipway: '\(command)' \(expectation)"
        case .unknownCommand(let command, let suggestions):
            "slipway: unknown command: \(command)"
                + (suggestions.isEmpty
                    ? "" : "\n\nDid you mean this?" + suggestions.map { "\n\t\($0)" }.joined())
        case .unknownHelpTopic(let topic): "unknown help topic: \(topic)"
        }
    }
}

/// How many arguments a command takes besides its flags.
package enum ArgumentCount: Sendable, Hashable {
    case none
    case exactly(Int)
    case atLeast(Int)
    case atMost(Int)
    case between(Int, Int)

    package func accepts(_ count: Int) -> Bool {
        switch self {
        case .none: count == 0
        case .exactly(let number): count == number
        case .atLeast(let number): count >= number
        case .atMost(let number): count <= number
        case .between(let least, let most): (least...most).contains(count)
        }
    }

    /// Completes `'slipway tag' …`.
    var expectation: String {
        func arguments(_ count: Int) -> String { count == 1 ? "1 argument" : "\(count) arguments" }
        return switch self {
        case .none: "accepts no arguments"
        case .exactly(let number): "requires \(arguments(number))"
        case .atLeast(let number): "requires at least \(arguments(number))"
        case .atMost(let number): "requires at most \(arguments(number))"
        case .between(let least, let most): "requires at least \(least) and at most \(arguments(most))"
        }
    }
}

/// What a process tells its parent.
package struct CommandStatus: RawRepresentable, Sendable, Hashable {
    package let rawValue: Int32
    package init(rawValue: Int32) { self.rawValue = rawValue }

    package static let success = CommandStatus(rawValue: 0)
    package static let failure = CommandStatus(rawValue: 1)
    /// The container was never started, or the flags were wrong.
    package static let notRun = CommandStatus(rawValue: 125)
    /// Ended by Ctrl-C.
    package static let interrupted = CommandStatus(rawValue: 130)
    /// The reader of our output went away: what a shell shows for SIGPIPE.
    package static let brokenPipe = CommandStatus(rawValue: 141)
    package static let terminated = CommandStatus(rawValue: 143)
}
