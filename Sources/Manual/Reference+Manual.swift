internal import Settings
internal import Terminal

/// Manual pages, in the macros of man(7).
extension Reference {
    var programManualPage: String {
        var text = head("slipway", section: 1, summary: "build, keep, move and run container images")
        text += ".SH SYNOPSIS\n.B slipway\n.RI [ OPTIONS ]\n.I COMMAND\n.RI [ ARGUMENTS ]\n"
        text +=
            ".SH DESCRIPTION\n"
            + line("Slipway builds container images from Dockerfiles, keeps them, runs them and moves them")
        text += line("to and from registries. No daemon has to run.") + ".SH OPTIONS\n"
        text += flags(globalFlags, of: nil) + ".SH COMMANDS\n"
        for topic in topics {
            text += ".TP\n.BR slipway\\-\(roff(topic.fileName)) (1)\n" + line(topic.type.about.summary + ".")
        }
        text += ".SH ENVIRONMENT\n" + variables(EnvironmentVariable.all)
        text += ".SH EXIT STATUS\n" + statuses(ExitStatusMeaning.all)
        text += ".SH FILES\n.TP\n.I /etc/slipway/slipway.toml\n.BR slipway.toml (5)\n"
        text += ".TP\n.I /var/lib/slipway\nImages, containers and build cache of root.\n"
        text += ".TP\n.I ~/.docker/config.json\nRegistry credentials and proxies.\n"
        return text + ".SH SEE ALSO\n.BR slipway.toml (5),\n.BR Dockerfile (5),\n.BR crun (1)\n"
    }

    func manualPage(_ topic: Topic) -> String {
        let about = topic.type.about
        var text = head("slipway-\(topic.fileName)", section: 1, summary: decapitalized(about.summary))
        text += ".SH SYNOPSIS\n.B \(roff("slipway \(topic.name)"))\n"
        let tail = usage(of: topic).dropFirst("slipway \(topic.name)".count).drop { $0 == " " }
        if !tail.isEmpty { text += line(String(tail)) }
        text += ".SH DESCRIPTION\n" + line(about.summary + ".")
        if let detail = about.detail { text += ".PP\n" + lines(detail) }
        let others = tree.spellings(of: topic.type).filter { $0 != topic.name }
        if !others.isEmpty {
            text += ".PP\n" + line("Also spelled " + others.map { "slipway \($0)" }.joined(separator: ", ") + ".")
        }
        let listed = flags(of: topic)
        if listed.contains(where: { !$0.isHidden }) { text += ".SH OPTIONS\n" + flags(listed, of: topic) }
        let examples = CommandExample.of(topic.name)
        if !examples.isEmpty {
            text += ".SH EXAMPLES\n"
            text += examples.map { ".PP\n" + line($0.purpose + ":") + ".PP\n.nf\n.RS\n\(roff($0.line))\n.RE\n.fi\n" }
                .joined()
        }
        let variables = variables(of: topic)
        if !variables.isEmpty { text += ".SH ENVIRONMENT\n" + self.variables(variables) }
        text += ".SH EXIT STATUS\n" + statuses(ExitStatusMeaning.of(topic.name))
        return text + ".SH SEE ALSO\n.BR slipway (1)\n"
    }

    var configurationManualPage: String {
        var text = head("slipway.toml", section: 5, summary: "configuration of slipway")
        text += ".SH SYNOPSIS\n.I /etc/slipway/slipway.toml\n.SH DESCRIPTION\n"
        text += line("The file need not exist. Tables and keys have the names that they have in buildkitd.toml.")
        text += line("A key that is not on this page is an error. Relative paths start at the directory of the file.")
        for section in SlipwayConfiguration.tables {
            text += ".SH \"\(roff(section.header).replacing("\"", with: "\\(dq"))\"\n" + line(section.summary)
            for key in section.keys {
                text += ".TP\n.B \(roff(key.name))\n" + line("(\(key.kind.rawValue))") + line(key.summary)
                if let value = key.defaultText { text += line("Default: \(value).") }
            }
            text +=
                ".PP\n.nf\n.RS\n"
                + section.example.split(separator: "\n", omittingEmptySubsequences: false).map {
                    "\\&\(roff(String($0)))\n"
                }.joined() + ".RE\n.fi\n"
        }
        return text + ".SH SEE ALSO\n.BR slipway (1)\n"
    }

    private func head(_ name: String, section: Int, summary: String) -> String {
        ".\\\" Made by `slipway __docs` from what the program declares.\n"
            + ".TH \"\(roff(name.uppercased()))\" \"\(section)\" \"\""
            + " \"Slipway \(version)\" \"Slipway\"\n"
            + ".SH NAME\n\(roff(name)) \\- \(roff(summary))\n"
    }

    private func flags(_ flags: [FlagDescription], of topic: Topic?) -> String {
        flags.filter { !$0.isHidden }.map { flag in
            let letter = flag.shorthand.map { "\\fB\\-\($0)\\fR, " } ?? ""
            let value = flag.placeholder.isEmpty ? "" : " \\fI\(roff(flag.placeholder))\\fR"
            var sentences = flag.sentences
            if let text = flag.defaultText { sentences.append("Default: \(text).") }
            if let variable = variable(for: flag, of: topic) { sentences.append("Overrides \(variable.name).") }
            return ".TP\n\(letter)\\fB\\-\\-\(roff(flag.name))\\fR\(value)\n" + sentences.map(lines).joined()
        }.joined()
    }

    private func variables(_ variables: [EnvironmentVariable]) -> String {
        variables.map { variable in
            ".TP\n.B \(variable.name)\n" + line(variable.summary)
                + (variable.defaultText.map { line("Default: \($0).") } ?? "")
        }.joined()
    }

    private func statuses(_ meanings: [ExitStatusMeaning]) -> String {
        meanings.map { ".TP\n.B \(roff($0.numbers))\n" + line($0.meaning) }.joined()
    }

    private func lines(_ text: String) -> String {
        text.split(separator: "\n").map { part in
            part.hasPrefix("  ") ? ".PP\n.RS\n\(roff(String(part.drop { $0 == " " })))\n.RE\n" : line(String(part))
        }.joined()
    }

    /// A line of running text; spans of code are bold.
    private func line(_ text: String) -> String {
        let spans = text.split(separator: "`", omittingEmptySubsequences: false)
        let shown = spans.enumerated().map {
            $0.offset % 2 == 1 ? "\\fB\(roff(String($0.element)))\\fR" : roff(String($0.element))
        }
        let line = shown.joined()
        return (line.hasPrefix(".") || line.hasPrefix("'") ? "\\&" : "") + line + "\n"
    }

    /// Text with nothing in it that roff would take for a request or an escape.
    private func roff(_ text: String) -> String {
        var result = ""
        for character in text {
            switch character {
            case "\\": result += "\\e"
            case "-": result += "\\-"
            case "'": result += "\\(aq"
            case "`": result += "\\(ga"
            case "^": result += "\\(ha"
            case "~": result += "\\(ti"
            case "…": result += "..."
            default: result.append(character)
            }
        }
        return result
    }

    private func decapitalized(_ text: String) -> String {
        text.prefix(1).lowercased() + text.dropFirst()
    }
}
