internal import Settings
internal import Terminal

/// The pages of `docs/reference/`.
extension Reference {
    private static var origin: String {
        "<!-- Made by `make reference` from what the program declares. Do not edit. -->\n\n"
    }

    var indexPage: String {
        var text = Self.origin + "# Reference\n\n"
        text += "These pages are made from the program's own tables, so they say what this version does.\n\n"
        text += "- [Commands](#commands)\n- [Global options](#global-options)\n- [slipway.toml](configuration.md)\n"
        text += "- [Environment variables](environment.md)\n- [Exit statuses](exit-statuses.md)\n\n## Commands\n\n"
        text += table(
            ["command", "what it does", "other spellings"],
            topics.map { topic in
                let others = tree.spellings(of: topic.type).filter { $0 != topic.name }
                return [
                    "[`slipway \(topic.name)`](commands/\(topic.fileName).md)", topic.type.about.summary,
                    others.map { "`\($0)`" }.joined(separator: ", "),
                ]
            }
        )
        text += "\n## Global options\n\nThese stand before the command: `slipway --root /srv/slipway images`.\n\n"
        return text + flagTable(globalFlags, of: nil)
    }

    func commandPage(_ topic: Topic) -> String {
        let about = topic.type.about
        var text = Self.origin + "# slipway \(topic.name)\n\n\(about.summary).\n\n"
        text += "```\n\(usage(of: topic))\n```\n"
        if let detail = about.detail { text += "\n\(fenced(detail))\n" }
        let others = tree.spellings(of: topic.type).filter { $0 != topic.name }
        if !others.isEmpty {
            text += "\nAlso spelled " + others.map { "`slipway \($0)`" }.joined(separator: ", ") + ".\n"
        }
        let flags = flags(of: topic)
        if flags.contains(where: { !$0.isHidden }) { text += "\n## Options\n\n" + flagTable(flags, of: topic) }
        let examples = CommandExample.of(topic.name)
        if !examples.isEmpty {
            text += "\n## Examples\n" + examples.map { "\n\($0.purpose):\n\n```console\n$ \($0.line)\n```\n" }.joined()
        }
        let variables = variables(of: topic)
        if !variables.isEmpty {
            text += "\n## Environment\n\n"
            text += table(["variable", "meaning"], variables.map { ["`\($0.name)`", $0.summary] })
            text += "\n[All variables](../environment.md)\n"
        }
        text += "\n## Exit status\n\n"
        text += table(["status", "meaning"], ExitStatusMeaning.of(topic.name).map { [$0.numbers, $0.meaning] })
        let foreign = foreignFlags(of: topic)
        if !foreign.isEmpty {
            text += "\n## Docker's options that differ\n\n"
            text += table(["option", "here"], foreign.map { ["`\($0.spelling)`", $0.help + "."] })
        }
        return text
    }

    var configurationPage: String {
        var text = Self.origin + "# slipway.toml\n\n"
        text +=
            "Slipway reads `/etc/slipway/slipway.toml`, or the file that `SLIPWAY_CONFIG` names. It need not exist.\n"
        text +=
            "Tables and keys have the names that they have in `buildkitd.toml`. A key that is not on this page is\n"
        text += "an error. Relative paths start at the directory of the file.\n"
        for section in SlipwayConfiguration.tables {
            text += "\n## `\(section.header)`\n\n\(section.summary)\n\n"
            text += table(
                ["key", "value", "default", "meaning"],
                section.keys.map { ["`\($0.name)`", $0.kind.rawValue, $0.defaultText ?? "", $0.summary] }
            )
            text += "\n```toml\n\(section.example)\n```\n"
        }
        return text
    }

    var environmentPage: String {
        var text = Self.origin + "# Environment variables\n\n"
        text += "A flag wins over the variable that means the same. An empty variable counts as one that is not set.\n"
        for topic in EnvironmentVariable.Topic.allCases {
            text += "\n## \(topic.rawValue)\n\n"
            text += table(
                ["variable", "meaning", "default", "flag", "read by"],
                EnvironmentVariable.all.filter { $0.topic == topic }.map { variable in
                    [
                        "`\(variable.name)`", variable.summary, variable.defaultText ?? "",
                        variable.flag.map { "`--\($0)`" } ?? "",
                        variable.commands.map { "`\($0)`" }.joined(separator: ", "),
                    ]
                }
            )
        }
        return text
    }

    var exitStatusPage: String {
        var text = Self.origin + "# Exit statuses\n\nThey are docker's.\n\n"
        text += table(
            ["status", "meaning", "commands"],
            ExitStatusMeaning.all.map { status in
                [
                    status.numbers, status.meaning,
                    status.commands.isEmpty ? "all" : status.commands.map { "`\($0)`" }.joined(separator: ", "),
                ]
            }
        )
        return text
    }

    private func flagTable(_ flags: [FlagDescription], of topic: Topic?) -> String {
        table(
            ["option", "value", "default", "meaning"],
            flags.filter { !$0.isHidden }.map { flag in
                var sentences = flag.sentences.map(escaped)
                if let variable = variable(for: flag, of: topic) {
                    sentences.append("Overrides `\(variable.name)`.")
                }
                return [
                    "`" + (flag.shorthand.map { "-\($0)`, `" } ?? "") + "--\(flag.name)`",
                    flag.placeholder.isEmpty ? "" : "`\(flag.placeholder)`",
                    flag.defaultText.map { "`\($0)`" } ?? "", sentences.joined(separator: " "),
                ]
            }
        )
    }

    private func table(_ header: [String], _ rows: [[String]]) -> String {
        let used = header.indices.filter { column in rows.contains { !$0[column].isEmpty } }
        func line(_ cells: [String]) -> String {
            "| "
                + used.map { cells[$0].replacing("|", with: "\\|").replacing("\n", with: " ") }.joined(separator: " | ")
                + " |\n"
        }
        return line(header) + "|" + String(repeating: "---|", count: used.count) + "\n" + rows.map(line).joined()
    }

    /// Plain text of a help message in which Markdown would see tags.
    private func escaped(_ text: String) -> String {
        text.replacing("<", with: "&lt;").replacing("*", with: "\\*")
    }

    /// The detail of a help text; lines that are indented there become code.
    private func fenced(_ detail: String) -> String {
        var text = ""
        for line in detail.split(separator: "\n", omittingEmptySubsequences: false) {
            text += line.hasPrefix("  ") ? "    \(line.drop { $0 == " " })\n" : "\(escaped(String(line)))\n"
        }
        return String(text.dropLast())
    }
}
