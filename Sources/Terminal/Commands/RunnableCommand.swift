/// A command that does something: its options are its stored properties, its flags set them, and `run` does the work.
///
/// One type is one command whatever its spellings: `slipway images` and `slipway image ls` are both `ImagesCommand`.
package protocol RunnableCommand<Environment>: Sendable {
    /// What commands work in: streams, variables, and what they open when they need it.
    associatedtype Environment: Sendable

    static var about: CommandSummary { get }
    static var flags: [Flag<Self>] { get }

    /// The arguments that are no flags.
    var arguments: [[UInt8]] { get set }

    /// Whether the command's own flags ask for what the global `--debug` does.
    var isDebugging: Bool { get }

    /// With every option at its default.
    init()

    /// Does what the command is for.
    func run(_ environment: Environment) async throws -> CommandStatus
}

/// What help and the parser must know of a command besides its flags.
package struct CommandSummary: Sendable {
    /// What follows the command's name in the usage line, without `[OPTIONS]`.
    package var usage: String
    /// One line, without a full stop.
    package var summary: String
    /// More lines for the command's own help.
    package var detail: String?
    package var arguments: ArgumentCount
    /// False where what follows the first argument belongs to somebody else, as in `run IMAGE COMMAND -x`.
    package var allowsFlagsAfterArguments = true
    /// True where the command mounts file systems, and so needs a mount namespace of its own.
    package var mounts = false
    /// True where the command opens this machine's store.
    package var usesStore: Bool
    /// What a shell may offer as arguments.
    package var completion = FlagDescription.Completion.nothing
    /// Where it works when a daemon is named.
    package var place = Place.thisMachine
    /// What `--help` says of itself, where `-h` is taken by another flag.
    package var listsHelpFlag = false

    package init(
        usage: String,
        summary: String,
        detail: String? = nil,
        arguments: ArgumentCount,
        allowsFlagsAfterArguments: Bool = true,
        mounts: Bool = false,
        usesStore: Bool? = nil,
        completion: FlagDescription.Completion = .nothing,
        place: Place = .thisMachine,
        listsHelpFlag: Bool = false
    ) {
        self.usage = usage
        self.summary = summary
        self.detail = detail
        self.arguments = arguments
        self.allowsFlagsAfterArguments = allowsFlagsAfterArguments
        self.mounts = mounts
        self.usesStore = usesStore ?? (mounts || place != .anywhere)
        self.completion = completion
        self.place = place
        self.listsHelpFlag = listsHelpFlag
    }

    /// Where a command does its work.
    package enum Place: Sendable, Hashable {
        /// In this machine's store: it cannot be sent to a daemon.
        case thisMachine
        /// In this machine's store, or at the daemon that is named.
        case daemonToo
        /// It needs neither.
        case anywhere
    }
}

extension RunnableCommand {
    package var isDebugging: Bool { false }
}
