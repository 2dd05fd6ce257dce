internal import LinuxSystem
internal import Text

/// What a shell may offer at the end of a command line.
package struct CompletionOffer: Equatable {
    /// Words with what they are for.
    package var candidates: [(word: String, description: String)] = []
    /// What the shell itself knows better.
    package var source = FlagDescription.Completion.nothing
    /// What the words already typed belong to, as `--file=` in `--file=Dock`.
    package var prefix = ""

    package static func == (left: CompletionOffer, right: CompletionOffer) -> Bool {
        left.candidates.map(\.word) == right.candidates.map(\.word) && left.source == right.source
            && left.prefix == right.prefix
    }
}

extension CommandTree {
    /// What may follow: `words` is the command line after the program's name, its last word being typed.
    package func complete(_ words: [[UInt8]]) -> CompletionOffer {
        guard let last = words.last else { return CompletionOffer() }
        var siblings = nodes
        var flags = globalFlags
        var argument = FlagDescription.Completion.nothing
        var isLeaf = false
        var index = 0
        let before = words.dropLast()
        while index < before.count {
            let word = before[index]
            index += 1
            if word.first == "-" {
                guard let flag = flagAwaitingValue(word, flags) else { continue }
                if index == before.count { return offer(flag.completion, typed: last, prefix: "") }
                index += 1
                continue
            }
            guard !isLeaf else { continue }
            guard let node = find(word, in: siblings) else { return CompletionOffer() }
            switch node.body {
            case .group(_, let children):
                siblings = children
                flags = []
            case .command(let type):
                isLeaf = true
                flags = descriptions(type)
                argument = type.about.completion
            }
        }
        if last.first == "-" {
            let text = escapedForDisplay(last)
            if let separator = text.firstIndex(of: "="), text.hasPrefix("--") {
                let name = text[text.index(text.startIndex, offsetBy: 2)..<separator]
                guard let flag = flags.first(where: { $0.name == name }) else { return CompletionOffer() }
                let typed = Array(text[text.index(after: separator)...].utf8)
                return offer(flag.completion, typed: typed, prefix: String(text[...separator]))
            }
            let all = flags.filter { !$0.isHidden }.sorted { $0.name < $1.name }
            return CompletionOffer(
                candidates: all.map { ("--\($0.name)", firstLine($0.help)) }.filter { $0.0.hasPrefix(text) }
            )
        }
        if isLeaf { return offer(argument, typed: last, prefix: "") }
        let text = escapedForDisplay(last)
        let visible = siblings.filter { !$0.isHidden }.sorted { $0.name < $1.name }
        return CompletionOffer(candidates: visible.map { ($0.name, $0.summary) }.filter { $0.0.hasPrefix(text) })
    }

    private func flagAwaitingValue(_ word: [UInt8], _ flags: [FlagDescription]) -> FlagDescription? {
        let text = escapedForDisplay(word)
        if text.contains("=") { return nil }
        let flag =
            if text.hasPrefix("--") {
                flags.first { $0.name == text.dropFirst(2) }
            } else {
                flags.first { $0.shorthand != nil && $0.shorthand == text.last }
            }
        return flag.flatMap { $0.bareValue == nil ? $0 : nil }
    }

    private func offer(_ source: FlagDescription.Completion, typed: [UInt8], prefix: String) -> CompletionOffer {
        guard case .words(let words) = source else { return CompletionOffer(source: source, prefix: prefix) }
        let text = escapedForDisplay(typed)
        return CompletionOffer(
            candidates: words.filter { $0.hasPrefix(text) }.map { (prefix + $0, "") },
            prefix: prefix
        )
    }

    private func firstLine(_ text: String) -> String {
        String(text.split(separator: "\n", maxSplits: 1).first ?? "")
    }
}
