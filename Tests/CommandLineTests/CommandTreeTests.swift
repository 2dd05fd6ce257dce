import Terminal
import Testing
import Text

@testable import CommandLine

private func understand(_ line: [String]) throws(LocatedUsageError) -> Invocation<SlipwayEnvironment> {
    var global = GlobalOptions()
    return try SlipwayProgram.understand(line.map { Array($0.utf8) }, CommandTree(SlipwayCommands.all), &global)
}

@Suite struct `The command tree` {
    @Test(arguments: [[], ["--help"], ["-h"], ["help"], ["-D"]])
    func `no command, or a request for help, shows the program's help`(line: [String]) throws {
        guard case .help(let text) = try understand(line) else {
            Issue.record("not help")
            return
        }
        try expectGolden(text, "help")
    }

    @Test(
        arguments: [
            (
                ["--foo"],
                "unknown flag: --foo\n\nUsage:  slipway [OPTIONS] COMMAND [ARG...]\n\nRun 'slipway --help' for more information\n",
                125
            ),
            (
                ["verson"],
                "slipway: unknown command: slipway verson\n\nDid you mean this?\n\tversion\n\nRun 'slipway --help' for more information\n",
                1
            ),
            (
                ["completion", "powershell"],
                "slipway: unknown command: slipway completion powershell\n\nUsage:  slipway completion\n\nRun 'slipway completion --help' for more information\n",
                1
            ),
            (
                ["version", "x"],
                "slipway: 'slipway version' accepts no arguments\n\nUsage:  slipway version [OPTIONS]\n\nRun 'slipway version --help' for more information\n",
                1
            ),
            (
                ["version", "--bad"],
                "unknown flag: --bad\n\nUsage:  slipway version [OPTIONS]\n\nRun 'slipway version --help' for more information\n",
                125
            ),
            (["help", "nothing"], "unknown help topic: nothing\n", 1),
        ] as [([String], String, Int32)]
    )
    func `a mistake is reported with the usage that it breaks`(line: [String], text: String, status: Int32) throws {
        let error = try #require(throws: LocatedUsageError.self) { _ = try understand(line) }
        #expect(error.text == text)
        #expect(error.error.exitStatus.rawValue == status)
    }

    @Test func `global flags come before the command`() throws {
        var global = GlobalOptions()
        let tree = CommandTree(SlipwayCommands.all)
        let line = ["--root", "/srv/x", "-D", "version", "-f", "json"].map { Array($0.utf8) }
        guard case .run(let command) = try SlipwayProgram.understand(line, tree, &global) else {
            Issue.record("not a command")
            return
        }
        #expect((command as? VersionCommand)?.format == "json")
        #expect(global.root == "/srv/x" && global.isDebugging)
    }

    @Test func `the version is answered without a command`() throws {
        guard case .help(let text) = try understand(["--version"]) else {
            Issue.record("not answered")
            return
        }
        #expect(text == "Slipway version \(SlipwayVersion.number)\n")
    }

    /// Every command's help, each once, under the first spelling that the tree gives it.
    static let helpTopics: [[String]] = {
        var seen: [ObjectIdentifier] = []
        func walk(_ nodes: [CommandNode<SlipwayEnvironment>], _ path: [String]) -> [[String]] {
            nodes.filter { !$0.isHidden }.flatMap { node -> [[String]] in
                switch node.body {
                case .group(_, let children): return [path + [node.name]] + walk(children, path + [node.name])
                case .command(let type):
                    guard !seen.contains(ObjectIdentifier(type)) else { return [] }
                    seen.append(ObjectIdentifier(type))
                    return [path + [node.name]]
                }
            }
        }
        return walk(SlipwayCommands.all, [])
    }()

    @Test(arguments: helpTopics)
    func `each command has help`(path: [String]) throws {
        guard case .help(let text) = try understand(path + ["--help"]),
            case .help(let same) = try understand(["help"] + path)
        else {
            Issue.record("not help")
            return
        }
        #expect(text == same)
        #expect(!text.split(separator: "\n").contains { $0.count > 80 && $0.hasPrefix("     ") })
        try expectGolden(text, "help-" + path.joined(separator: "-"))
    }
}

@Suite struct `Completion` {
    private func words(_ line: [String]) -> [String] {
        CommandTree(SlipwayCommands.all).complete(line.map { Array($0.utf8) }).candidates.map(\.word)
    }

    @Test func `commands, groups and flags are offered`() {
        #expect(words(["vers"]) == ["version"])
        #expect(words(["completion", ""]) == ["bash", "fish", "zsh"])
        #expect(words(["version", "--"]) == ["--format"])
        #expect(words(["--log-level", "d"]) == ["debug"])
        #expect(words(["--log-level=w"]) == ["--log-level=warn"])
        #expect(words(["--root", "/x", "vers"]) == ["version"])
        #expect(words(["nonsense", ""]).isEmpty)
    }

    @Test func `directories are left to the shell`() {
        let offer = CommandTree(SlipwayCommands.all).complete(["--root", []])
        #expect(offer.source == .directories)
    }
}
