internal import LinuxSystem
internal import Manual
internal import SystemPackage
internal import Terminal
internal import Text

/// `slipway __docs KIND DIRECTORY`: writes the reference (`reference`) or the manual pages (`man`).
struct DocsCommand: RunnableCommand {
    static let about = CommandSummary(
        usage: "reference|man DIRECTORY",
        summary: "Write the reference or the manual pages to a directory",
        arguments: .exactly(2),
        place: .anywhere
    )
    static let flags: [Flag<DocsCommand>] = []

    var arguments: [[UInt8]] = []

    func run(_ environment: SlipwayEnvironment) async throws -> CommandStatus {
        let reference = Reference(CommandTree(SlipwayCommands.all), version: SlipwayVersion.number)
        let pages: [ReferencePage]
        switch String(decoding: arguments[0], as: UTF8.self) {
        case "reference": pages = reference.pages
        case "man": pages = reference.manualPages
        default: throw CommandFailure("Error: \"\(escapedForDisplay(arguments[0]))\" is neither reference nor man")
        }
        let directory = environment.path(arguments[1])
        try await onBlockingPool {
            for page in pages {
                let path = directory.pushing(FilePath(page.path))
                try HostFiles.createCallersDirectories(path.removingLastComponent())
                try HostFiles.write(Array(page.text.utf8), to: path)
            }
        }
        return .success
    }
}
