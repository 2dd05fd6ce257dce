internal import Terminal

/// What an exit status of the program means; `docs/reference/exit-statuses.md` is made of these.
package struct ExitStatusMeaning: Sendable {
    /// The number, or the numbers, as a reader of the page sees them.
    package let numbers: String
    package let meaning: String
    /// The first spellings of the commands that may end so; empty where any may.
    package let commands: [String]

    init(_ status: CommandStatus, _ meaning: String, commands: [String] = []) {
        self.init("\(status.rawValue)", meaning, commands: commands)
    }

    private init(_ numbers: String, _ meaning: String, commands: [String] = []) {
        self.numbers = numbers
        self.meaning = meaning
        self.commands = commands
    }

    package static let all: [ExitStatusMeaning] = [
        ExitStatusMeaning(.success, "The command did what it was asked to."),
        ExitStatusMeaning(
            .failure,
            "It failed. Standard error says what failed, where, and what helps. Also: an unknown command, or a wrong"
                + " number of arguments."
        ),
        ExitStatusMeaning(
            .notRun,
            "A flag is unknown or its value is wrong. For `run`, `create` and `start`: the container was not started."
        ),
        ExitStatusMeaning("126", "The program of the container is there but cannot be run.", commands: inContainers),
        ExitStatusMeaning("127", "The program is not in the container.", commands: inContainers),
        ExitStatusMeaning(
            "0…255",
            "The status of the program in the container; 128 plus the signal's number where a signal ended it.",
            commands: inContainers
        ),
        ExitStatusMeaning(
            "0…255",
            "The status of the command; 126 if it cannot be run, 127 if it is missing.",
            commands: ["unshare"]
        ),
        ExitStatusMeaning(.interrupted, "Ended by the interrupt signal, as by Ctrl-C."),
        ExitStatusMeaning(.brokenPipe, "The reader of the output went away, as in `slipway images | head -1`."),
        ExitStatusMeaning(.terminated, "Ended by the termination signal."),
    ]

    private static let inContainers = ["exec", "run", "start"]

    /// The meanings that concern one command.
    package static func of(_ command: String) -> [ExitStatusMeaning] {
        all.filter { $0.commands.isEmpty || $0.commands.contains(command) }
    }
}
