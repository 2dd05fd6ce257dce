internal import GoTemplate
internal import OCI
internal import Terminal

/// `slipway version`.
struct VersionCommand: RunnableCommand {
    static let about = CommandSummary(
        usage: "",
        summary: "Show the version of Slipway",
        arguments: .none,
        place: .anywhere
    )
    static let flags: [Flag<VersionCommand>] = [.format(short: "f", \.format, listsTables: false)]

    var arguments: [[UInt8]] = []
    var format: String?

    func run(_ environment: SlipwayEnvironment) async throws -> CommandStatus {
        let platform = Platform.current
        let facts: [(String, TemplateValue)] = [
            ("Version", .text(SlipwayVersion.number)), ("Os", .text(platform.os)),
            ("Arch", .text(platform.architecture)),
        ]
        let record = TemplateValue.record(
            TemplateRecord(
                name: "versionInfo",
                [
                    ("Client", .record(TemplateRecord(name: "clientVersion", facts))),
                    // There is no server: the same program does the work.
                    ("Server", .record(TemplateRecord(name: "serverVersion", facts))),
                ]
            )
        )
        switch format {
        case nil:
            try await environment.output.write(
                "Client:\n Version:   \(SlipwayVersion.number)\n OS/Arch:   \(platform.os)/\(platform.architecture)\n"
            )
        case "json"?: try await environment.output.writeLine(record.json())
        case let text?:
            try await environment.output.writeFormatted(Template(text, name: "version").render(record) + "\n")
        }
        return .success
    }
}
