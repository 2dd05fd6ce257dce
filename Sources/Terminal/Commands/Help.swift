/// The help texts, in the shape that Docker's have.
extension CommandTree {
    /// Help for the program itself.
    package func programHelp() -> String {
        var text = "Usage:  slipway [OPTIONS] COMMAND\n\nBuilds, keeps, moves and runs container images\n"
        let visible = nodes.filter { !$0.isHidden }
        text += section("Common Commands", visible.filter(\.isCommon), isSorted: false)
        text += section("Management Commands", visible.filter { !$0.isCommon && $0.isGroup }, isSorted: true)
        text += section("Commands", visible.filter { !$0.isCommon && !$0.isGroup }, isSorted: true)
        text += "\nGlobal Options:\n" + flagTable(globalFlags.sorted { $0.name < $1.name })
        text += "\nRun 'slipway COMMAND --help' for more information on a command.\n"
        return text
    }

    /// Help for a group of commands.
    func groupHelp(_ path: [String], _ children: [Node]) -> String {
        if path.isEmpty { return programHelp() }
        let command = (["slipway"] + path).joined(separator: " ")
        var siblings = nodes
        var summary = ""
        for word in path {
            guard let node = find(Array(word.utf8), in: siblings), case .group(let text, let inner) = node.body else {
                break
            }
            summary = text
            siblings = inner
        }
        var text = "Usage:  \(command) COMMAND\n\n\(summary)\n"
        text += section("Commands", children.filter { !$0.isHidden }, isSorted: true)
        text += "\nRun '\(command) COMMAND --help' for more information on a command.\n"
        return text
    }

    /// Help for one command.
    func commandHelp<Command: RunnableCommand<Environment>>(_ type: Command.Type, path: [String]) -> String {
        let about = type.about
        let flags = descriptions(type)
        let tail = usageTail(about, flags: flags)
        var text = "Usage:  " + (["slipway"] + path).joined(separator: " ") + (tail.isEmpty ? "" : " \(tail)")
        text += "\n\n\(about.summary)\n"
        if let detail = about.detail { text += "\n\(detail)\n" }
        let spellings = spellings(of: type)
        if spellings.count > 1 {
            text += "\nAliases:\n  " + spellings.map { "slipway \($0)" }.joined(separator: ", ") + "\n"
        }
        if flags.contains(where: { !$0.isHidden }) { text += "\nOptions:\n" + flagTable(flags) }
        return text
    }

    /// What follows a command's words in its usage line.
    package func usageTail(_ about: CommandSummary, flags: [FlagDescription]) -> String {
        let options = flags.contains { !$0.isHidden } ? ["[OPTIONS]"] : []
        return (options + (about.usage.isEmpty ? [] : [about.usage])).joined(separator: " ")
    }

    private func section(_ title: String, _ nodes: [Node], isSorted: Bool) -> String {
        if nodes.isEmpty { return "" }
        let column = max(11, (nodes.map(\.name.count).max() ?? 0) + 1)
        let ordered = isSorted ? nodes.sorted { $0.name < $1.name } : nodes
        return "\n\(title):\n"
            + ordered.map { "  " + $0.name.padded(to: column) + " " + $0.summary + "\n" }.joined()
    }

    /// The flags in two columns, the second wrapped to the width of the terminal.
    func flagTable(_ flags: [FlagDescription]) -> String {
        let rows = flags.filter { !$0.isHidden }.map { flag in
            let names = flag.shorthand.map { "  -\($0), --\(flag.name)" } ?? "      --\(flag.name)"
            let help = flag.help + (flag.defaultText.map { " (default \($0))" } ?? "")
            return (left: names + (flag.placeholder.isEmpty ? "" : " \(flag.placeholder)"), right: help)
        }
        let column = (rows.map(\.left.count).max() ?? 0) + 3
        return rows.map { row in
            let lines = HelpWrapping.wrap(row.right, to: width - 1 - column)
            return row.left.padded(to: column)
                + lines.joined(separator: "\n" + String(repeating: " ", count: column)) + "\n"
        }.joined()
    }
}

extension CommandNode {
    var isGroup: Bool {
        switch body {
        case .group: true
        case .command: false
        }
    }
}

/// Breaks help texts into lines as pflag does: between words, with a little slack so that no short last word stands alone.
enum HelpWrapping {
    /// How far past its width a last line may run rather than be broken.
    private static let slack = 5
    /// Below this the column is left unwrapped.
    private static let narrowest = 24

    static func wrap(_ text: String, to width: Int) -> [String] {
        guard width >= narrowest else {
            return text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
        }
        var lines: [String] = []
        var rest = Array(text)
        while !rest.isEmpty {
            let (line, remainder) = split(rest, width - slack)
            lines += String(line).split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
            rest = remainder
        }
        return lines.isEmpty ? [""] : lines
    }

    private static func split(_ text: [Character], _ width: Int) -> (line: [Character], rest: [Character]) {
        if width + slack > text.count { return (text, []) }
        guard let space = text[..<width].lastIndex(where: { $0 == " " || $0 == "\t" || $0 == "\n" }), space > 0 else {
            return (text, [])
        }
        let newline = text[..<width].lastIndex(of: "\n").flatMap { $0 > 0 && $0 < space ? $0 : nil }
        let end = newline ?? space
        return (Array(text[..<end]), Array(text[(end + 1)...]))
    }
}

extension String {
    /// The text followed by spaces up to `width` characters.
    package func padded(to width: Int) -> String {
        self + String(repeating: " ", count: max(0, width - count))
    }

    /// The text without surrounding white space.
    package var trimmed: String {
        guard let start = firstIndex(where: { !$0.isWhitespace }), let end = lastIndex(where: { !$0.isWhitespace })
        else {
            return ""
        }
        return String(self[start...end])
    }
}
