internal import LinuxSystem
internal import OCI
internal import Text

/// One word of the command tree: a command, or a group of them.
package struct CommandNode<Environment: Sendable>: Sendable {
    package enum Body: Sendable {
        case command(any RunnableCommand<Environment>.Type)
        case group(summary: String, [CommandNode])
    }

    package let name: String
    /// Other words for the same command in the same group.
    package let aliases: [String]
    package let body: Body
    /// Listed first in the help of the whole program.
    package let isCommon: Bool
    package let isHidden: Bool

    package static func command(
        _ name: String,
        aliases: [String] = [],
        isCommon: Bool = false,
        isHidden: Bool = false,
        _ type: any RunnableCommand<Environment>.Type
    ) -> CommandNode {
        CommandNode(name: name, aliases: aliases, body: .command(type), isCommon: isCommon, isHidden: isHidden)
    }

    package static func group(
        _ name: String,
        isHidden: Bool = false,
        summary: String,
        _ children: [CommandNode]
    ) -> CommandNode {
        CommandNode(
            name: name,
            aliases: [],
            body: .group(summary: summary, children),
            isCommon: false,
            isHidden: isHidden
        )
    }

    package var summary: String {
        switch body {
        case .command(let type): type.about.summary
        case .group(let summary, _): summary
        }
    }
}

/// A command line that has been understood.
package enum Invocation<Environment: Sendable>: Sendable {
    case run(any RunnableCommand<Environment>)
    /// Text for the standard output, and nothing else to do.
    case help(String)
}

/// All commands, and how a command line finds its own.
package struct CommandTree<Environment: Sendable>: Sendable {
    package typealias Node = CommandNode<Environment>

    package let nodes: [Node]
    /// The flags before the command.
    package let globalFlags: [FlagDescription]
    /// Columns that help may fill.
    package let width: Int

    package init(_ nodes: [Node], globalFlags: [FlagDescription], width: Int = 80) {
        self.nodes = nodes
        self.globalFlags = globalFlags
        self.width = width
    }

    /// Understands everything after the global flags.
    /// - Throws: `LocatedUsageError`.
    package func parse(_ arguments: [[UInt8]]) throws(LocatedUsageError) -> Invocation<Environment> {
        guard let first = arguments.first else { return .help(programHelp()) }
        if first == "help" { return try help(for: Array(arguments.dropFirst())) }
        return try parse(arguments[...], in: nodes, path: [])
    }

    private func parse(
        _ arguments: ArraySlice<[UInt8]>,
        in siblings: [Node],
        path: [String]
    ) throws(LocatedUsageError) -> Invocation<Environment> {
        guard let word = arguments.first else { return .help(groupHelp(path, siblings)) }
        if word.first == "-" {
            var nothing = NoOptions()
            let parser = FlagParser<NoOptions>([], allowsFlagsAfterArguments: false)
            do throws(UsageError) {
                _ = try parser.parse(Array(arguments), into: &nothing)
            } catch {
                throw LocatedUsageError(error, path: path, usage: path.isEmpty ? "[OPTIONS] COMMAND [ARG...]" : "")
            }
            return .help(groupHelp(path, siblings))
        }
        guard let node = find(word, in: siblings) else {
            let spelled = (["slipway"] + path + [escapedForDisplay(word)]).joined(separator: " ")
            let names = siblings.filter { !$0.isHidden }.flatMap { [$0.name] + $0.aliases }
            let near = Suggestions.nearest(to: escapedForDisplay(word), among: names)
            throw LocatedUsageError(.unknownCommand(spelled, suggestions: near), path: path, usage: nil)
        }
        // Docker names a command by the word that was typed.
        let path = path + [escapedForDisplay(word)]
        switch node.body {
        case .group(_, let children): return try parse(arguments.dropFirst(), in: children, path: path)
        case .command(let type): return try parse(type, arguments.dropFirst(), path: path)
        }
    }

    private func parse<Command: RunnableCommand<Environment>>(
        _ type: Command.Type,
        _ arguments: ArraySlice<[UInt8]>,
        path: [String]
    ) throws(LocatedUsageError) -> Invocation<Environment> {
        let about = type.about
        var command = Command()
        do throws(UsageError) {
            let parser = FlagParser(Command.flags, allowsFlagsAfterArguments: about.allowsFlagsAfterArguments)
            let parsed = try parser.parse(Array(arguments), into: &command)
            if parsed.asksForHelp { return .help(commandHelp(type, path: path)) }
            guard about.arguments.accepts(parsed.positional.count) else {
                throw .wrongArgumentCount(
                    command: (["slipway"] + path).joined(separator: " "),
                    expectation: about.arguments.expectation
                )
            }
            command.arguments = parsed.positional
        } catch {
            throw LocatedUsageError(error, path: path, usage: usageTail(about, flags: descriptions(type)))
        }
        return .run(command)
    }

    private func help(for words: [[UInt8]]) throws(LocatedUsageError) -> Invocation<Environment> {
        var siblings = nodes
        var path: [String] = []
        for (index, word) in words.enumerated() {
            guard let node = find(word, in: siblings) else {
                let topic = words.map { escapedForDisplay($0) }.joined(separator: " ")
                throw LocatedUsageError(.unknownHelpTopic(topic), path: [], usage: nil)
            }
            path.append(escapedForDisplay(word))
            switch node.body {
            case .group(_, let children): siblings = children
            case .command(let type):
                guard index == words.count - 1 else {
                    let topic = words.map { escapedForDisplay($0) }.joined(separator: " ")
                    throw LocatedUsageError(.unknownHelpTopic(topic), path: [], usage: nil)
                }
                return .help(commandHelp(type, path: path))
            }
        }
        return .help(path.isEmpty ? programHelp() : groupHelp(path, siblings))
    }

    /// The node that a word names among its siblings.
    package func find(_ word: [UInt8], in siblings: [Node]) -> Node? {
        siblings.first { $0.name.utf8.elementsEqual(word) || $0.aliases.contains { $0.utf8.elementsEqual(word) } }
    }

    /// Every spelling of a command, sorted, as `image ls` and `images`.
    package func spellings(of type: any RunnableCommand<Environment>.Type) -> [String] {
        func walk(_ nodes: [Node], _ path: [String]) -> [String] {
            nodes.filter { !$0.isHidden }.flatMap { node -> [String] in
                switch node.body {
                case .group(_, let children): walk(children, path + [node.name])
                case .command(let other) where other == type:
                    ([node.name] + node.aliases).map { (path + [$0]).joined(separator: " ") }
                case .command: []
                }
            }
        }
        return walk(nodes, []).sorted()
    }

    /// The flags of a command, with `--help` where it lists it, in alphabetical order.
    package func descriptions<Command: RunnableCommand<Environment>>(_ type: Command.Type) -> [FlagDescription] {
        var flags = Command.flags.map(\.description)
        if Command.about.listsHelpFlag {
            flags.append(
                FlagDescription(
                    name: "help",
                    shorthand: nil,
                    placeholder: "",
                    help: "Print usage",
                    bareValue: "true",
                    defaultText: nil,
                    isHidden: false,
                    completion: .nothing
                )
            )
        }
        return flags.sorted { $0.name < $1.name }
    }
}

/// The options of a group: none.
private struct NoOptions: Sendable {}

/// A usage error with the place in the command tree where it was made.
package struct LocatedUsageError: Error, Sendable {
    package let error: UsageError
    /// The words that led there.
    package let path: [String]
    /// What follows them in the usage line; nil where none is shown.
    package let usage: String?

    package init(_ error: UsageError, path: [String], usage: String?) {
        self.error = error
        self.path = path
        self.usage = usage
    }

    /// The whole message for the standard error output.
    package var text: String {
        let command = (["slipway"] + path).joined(separator: " ")
        var text = withoutCredentials(error.message) + "\n"
        if case .unknownHelpTopic = error { return text }
        if let usage {
            text += "\nUsage:  \(command)" + (usage.isEmpty ? "" : " \(usage)") + "\n"
        } else if !path.isEmpty {
            text += "\nUsage:  \(command)\n"
        }
        return text + "\nRun '\(command) --help' for more information\n"
    }
}
