/// The instructions of the language.
package enum Keyword: String, Sendable, CaseIterable, Hashable {
    case add, arg, cmd, copy, entrypoint, env, expose, from, healthcheck, label, maintainer, onbuild, run, shell
    case stopsignal, user, volume, workdir

    /// The instruction as documentation writes it.
    package var name: String { rawValue.uppercased() }
}

/// One instruction of a Dockerfile.
package struct Instruction: Hashable, Sendable {
    package let command: Command
    package let keyword: Keyword
    /// The keyword in the letter case in which it was written.
    package let keywordText: [UInt8]
    /// The line after joining its continuation lines, without blanks at both ends and without heredoc bodies.
    package let text: [UInt8]
    package let flags: [InstructionFlag]
    package let heredocs: [Heredoc]
    /// The comment lines above, back to the previous instruction or an empty comment.
    package let comments: [[UInt8]]
    /// The instruction's lines, with the bodies of its heredocs.
    package let range: SourceRange
}

/// What an instruction says.
///
/// Nothing is expanded yet.
package enum Command: Hashable, Sendable {
    case add(Transfer)
    case arg([ArgumentDefinition])
    case cmd(CommandLine)
    case copy(Transfer)
    case entrypoint(CommandLine)
    case env([KeyValue])
    case expose([Word])
    case from(From)
    case healthcheck(HealthcheckCommand)
    case label([KeyValue])
    case maintainer(Word)
    case onbuild(Trigger)
    case run(Run)
    case shell([[UInt8]])
    case stopsignal(Word)
    case user(Word)
    case volume([Word])
    case workdir(Word)
}

/// A command in one of its two forms.
package enum CommandLine: Hashable, Sendable {
    /// Text for the shell.
    case shell([UInt8])
    /// The arguments themselves, from a JSON array.
    case exec([[UInt8]])
}

/// `name=value` of ENV and LABEL.
package struct KeyValue: Hashable, Sendable {
    package let key: [UInt8]
    package let value: [UInt8]
    /// False in the old form, `name value`.
    package let hasEquals: Bool
    package let range: SourceRange
}

/// `name` or `name=default` of ARG.
package struct ArgumentDefinition: Hashable, Sendable {
    package let name: [UInt8]
    package let value: [UInt8]?
    /// The text of the comment above that begins with the name.
    package let documentation: [UInt8]?
    package let range: SourceRange
}

/// `FROM`: the start of a stage.
package struct From: Hashable, Sendable {
    package let image: Word
    package let platform: Word?
    /// In lower case: stage names do not distinguish case.
    package let stageName: String?
    package let stageNameAsWritten: Word?
    /// `AS` as written.
    package let asText: [UInt8]?
    /// The text of the comment above that begins with the stage's name.
    package let documentation: [UInt8]?
}

/// COPY or ADD.
package struct Transfer: Hashable, Sendable {
    package let sources: [Word]
    /// Sources that are in the Dockerfile itself.
    package let documents: [InlineDocument]
    package let destination: Word
    /// COPY only.
    package let from: Word?
    package let owner: Word?
    package let mode: Word?
    package let link: Bool
    /// COPY only.
    package let parents: Bool
    package let excludes: [Word]
    /// ADD only, as are the two below.
    package let keepsGitDirectory: Bool?
    package let checksum: Word?
    package let unpacks: Bool?
}

/// A heredoc that COPY or ADD writes as a file.
package struct InlineDocument: Hashable, Sendable {
    package let name: [UInt8]
    package let content: [UInt8]
    package let expands: Bool

    package init(name: [UInt8], content: [UInt8], expands: Bool) {
        self.name = name
        self.content = content
        self.expands = expands
    }
}

/// RUN.
package struct Run: Hashable, Sendable {
    package let commandLine: CommandLine
    package let mounts: [MountFlag]
    package let network: NetworkFlag
    package let security: SecurityFlag
    package let devices: [DeviceFlag]
}

/// `RUN --network`.
package enum NetworkFlag: String, Sendable, Hashable, CaseIterable {
    case `default`, none, host
}

/// `RUN --security`.
package enum SecurityFlag: String, Sendable, Hashable, CaseIterable {
    case sandbox, insecure
}

/// HEALTHCHECK.
///
/// Durations are nanoseconds; 0 inherits the default.
package enum HealthcheckCommand: Hashable, Sendable {
    case none
    case test(CommandLine, HealthcheckOptions)
}

/// The flags of HEALTHCHECK.
///
/// Durations are nanoseconds.
package struct HealthcheckOptions: Hashable, Sendable {
    package var interval: Int64 = 0
    package var timeout: Int64 = 0
    package var startPeriod: Int64 = 0
    package var startInterval: Int64 = 0
    package var retries = 0

    package init() {}
}

/// ONBUILD: an instruction for builds that start from this image.
package struct Trigger: Hashable, Sendable {
    /// What the image's configuration stores: the instruction, with its heredocs.
    package let expression: [UInt8]
}
