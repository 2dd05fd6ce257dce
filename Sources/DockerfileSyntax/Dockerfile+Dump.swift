internal import Text

extension Dockerfile {
    /// The tree as text, one instruction a line: for `slipway debug ast` and golden files.
    package var dump: String {
        var text = ""
        for directive in directives {
            text += "\(directive.range.start.line): # \(directive.name.rawValue)=\(directive.value.displayText)\n"
        }
        for instruction in globalArguments { text += Self.line(instruction) }
        for stage in stages {
            text += "stage \(stage.index)" + (stage.name.map { " \($0)" } ?? "") + "\n"
            text += Self.line(stage.instruction)
            for instruction in stage.instructions { text += Self.line(instruction) }
        }
        return text
    }

    private static func line(_ instruction: Instruction) -> String {
        let lines = instruction.range.lines
        let place = lines.count == 1 ? "\(lines.lowerBound)" : "\(lines.lowerBound)-\(lines.upperBound)"
        var text = "  \(place): \(instruction.keyword.rawValue)"
        for flag in instruction.flags {
            text += " --" + flag.name.displayText
            if let value = flag.value { text += "=" + shown(value) }
        }
        text += arguments(of: instruction.command) + "\n"
        for heredoc in instruction.heredocs {
            let marks = (heredoc.expands ? "" : " literal") + (heredoc.stripsTabs ? " tabs" : "")
            text += "    <<\(heredoc.name.displayText)\(marks) \(shown(heredoc.content))\n"
        }
        return text
    }

    private static func shown(_ bytes: [UInt8]) -> String { quoted(bytes).displayText }

    private static func arguments(of command: Command) -> String {
        switch command {
        case .add(let transfer), .copy(let transfer):
            (transfer.sources.map { " " + shown($0.bytes) } + transfer.documents.map { " <<" + $0.name.displayText }
                + [" -> " + shown(transfer.destination.bytes)]).joined()
        case .arg(let definitions):
            definitions.map { " " + $0.name.displayText + ($0.value.map { "=" + shown($0) } ?? "") }.joined()
        case .cmd(let line), .entrypoint(let line): arguments(of: line)
        case .run(let run): arguments(of: run.commandLine)
        case .env(let pairs), .label(let pairs):
            pairs.map { " " + $0.key.displayText + "=" + shown($0.value) }.joined()
        case .expose(let words), .volume(let words): words.map { " " + shown($0.bytes) }.joined()
        case .from(let from): " " + shown(from.image.bytes) + (from.stageName.map { " as " + $0 } ?? "")
        case .healthcheck(.none): " none"
        case .healthcheck(.test(let line, _)): arguments(of: line)
        case .maintainer(let word), .stopsignal(let word), .user(let word), .workdir(let word): " " + shown(word.bytes)
        case .onbuild(let trigger): " " + shown(trigger.expression)
        case .shell(let words): arguments(of: .exec(words))
        }
    }

    private static func arguments(of line: CommandLine) -> String {
        switch line {
        case .shell(let text): " shell " + shown(text)
        case .exec(let words): " exec [" + words.map(shown).joined(separator: " ") + "]"
        }
    }
}
