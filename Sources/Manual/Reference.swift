package import Terminal

/// A page of the reference.
package struct ReferencePage: Sendable {
    /// Relative to the directory of the pages, as `commands/build.md`.
    package let path: String
    package let text: String
}

/// The reference: everything that the program declares of itself, as pages.
///
/// `slipway __docs` writes it; `docs/reference/` is compared with it by a test.
package struct Reference<Environment: Sendable>: Sendable {
    /// What a page is about: one command, under the first spelling that the tree has for it.
    struct Topic: Sendable {
        let path: [String]
        let type: any RunnableCommand<Environment>.Type

        /// The words of the command, as `image prune`.
        var name: String { path.joined(separator: " ") }
        /// As in names of files, as `image-prune`.
        var fileName: String { path.joined(separator: "-") }
    }

    let tree: CommandTree<Environment>
    /// Of the program, as manual pages show it at the foot.
    let version: String

    package init(_ tree: CommandTree<Environment>, version: String) {
        self.tree = tree
        self.version = version
    }

    /// Every command that help shows, once.
    var topics: [Topic] {
        var seen: [ObjectIdentifier] = []
        func walk(_ nodes: [CommandNode<Environment>], _ path: [String]) -> [Topic] {
            nodes.filter { !$0.isHidden }.flatMap { node -> [Topic] in
                switch node.body {
                case .group(_, let children): return walk(children, path + [node.name])
                case .command(let type):
                    guard !seen.contains(ObjectIdentifier(type)) else { return [] }
                    seen.append(ObjectIdentifier(type))
                    return [Topic(path: path + [node.name], type: type)]
                }
            }
        }
        return walk(tree.nodes, []).sorted { $0.name < $1.name }
    }

    func flags(of topic: Topic) -> [FlagDescription] { tree.descriptions(topic.type) }

    /// The flags before the command.
    var globalFlags: [FlagDescription] { tree.globalFlags.sorted { $0.name < $1.name } }

    /// The usage line.
    func usage(of topic: Topic) -> String {
        let tail = tree.usageTail(topic.type.about, flags: flags(of: topic))
        return (["slipway"] + topic.path).joined(separator: " ") + (tail.isEmpty ? "" : " \(tail)")
    }

    /// Variables that concern this command alone, or that stand in for one of its flags.
    func variables(of topic: Topic) -> [EnvironmentVariable] {
        EnvironmentVariable.all.filter { $0.commands.contains(topic.name) }
    }

    /// The variable that means the same as a flag of a command.
    func variable(for flag: FlagDescription, of topic: Topic?) -> EnvironmentVariable? {
        EnvironmentVariable.all.first { variable in
            variable.flag == flag.name
                && (topic.map { variable.commands.contains($0.name) } ?? variable.commands.isEmpty)
        }
    }

    /// Flags of docker's that are only taken so that scripts run, or that are refused with a reason.
    func foreignFlags(of topic: Topic) -> [FlagDescription] {
        flags(of: topic).filter { flag in
            flag.isHidden && (flag.help.hasPrefix("Ignored") || flag.help.hasPrefix("Not supported"))
        }
    }

    /// The pages in Markdown.
    package var pages: [ReferencePage] {
        topics.map { ReferencePage(path: "commands/\($0.fileName).md", text: commandPage($0)) } + [
            ReferencePage(path: "README.md", text: indexPage),
            ReferencePage(path: "configuration.md", text: configurationPage),
            ReferencePage(path: "environment.md", text: environmentPage),
            ReferencePage(path: "exit-statuses.md", text: exitStatusPage),
        ]
    }

    /// The manual pages, of section 1 and 5.
    package var manualPages: [ReferencePage] {
        topics.map { ReferencePage(path: "slipway-\($0.fileName).1", text: manualPage($0)) } + [
            ReferencePage(path: "slipway.1", text: programManualPage),
            ReferencePage(path: "slipway.toml.5", text: configurationManualPage),
        ]
    }
}

extension FlagDescription {
    /// What the reference says of a flag, in sentences: help, values, repetition.
    var sentences: [String] {
        var sentences = [help.hasSuffix(".") ? help : help + "."]
        if case .words(let words) = completion, !words.contains(where: { help.contains($0) }) {
            sentences.append("One of: " + words.joined(separator: ", ") + ".")
        }
        if isRepeatable { sentences.append("May be given several times.") }
        return sentences
    }
}
