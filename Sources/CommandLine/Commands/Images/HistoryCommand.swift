internal import GoTemplate
internal import Images
internal import LinuxSystem
internal import OCI
internal import Storage
internal import Terminal
internal import Text

/// `slipway history`.
struct HistoryCommand: RunnableCommand {
    static let about = CommandSummary(
        usage: "IMAGE",
        summary: "Show the history of an image",
        arguments: .exactly(1),
        completion: .images
    )
    static let flags: [Flag<HistoryCommand>] = [
        .format(\.format),
        .toggle(
            "human",
            short: "H",
            \.isHuman,
            defaultText: "true",
            help: "Print sizes and dates in human readable format"
        ),
        .toggle("no-trunc", \.isWhole, help: "Don't truncate output"),
        .value("platform", \.platform, placeholder: "string", help: "Show history for the given platform") {
            bytes throws(FlagValueError) in
            try platformValue(bytes)
        },
        .toggle("quiet", short: "q", \.isQuiet, help: "Only show image IDs"),
    ]

    private static let columns = [
        Listing.Column("ID", "IMAGE"), Listing.Column("CreatedSince", "CREATED"),
        Listing.Column("CreatedBy", "CREATED BY"), Listing.Column("Size", "SIZE"), Listing.Column("Comment", "COMMENT"),
    ]
    private static let headers = [
        "ID": "IMAGE", "CreatedSince": "CREATED", "CreatedAt": "CREATED AT", "CreatedBy": "CREATED BY", "Size": "SIZE",
        "Comment": "COMMENT",
    ]

    var arguments: [[UInt8]] = []
    var format: String?
    var isHuman = true
    var platform: Platform?
    var isWhole = false
    var isQuiet = false

    func run(_ environment: SlipwayEnvironment) async throws -> CommandStatus {
        let format = try ListingFormat(format, columns: Self.columns)
        let engine = try await environment.engine(freesSpace: true)
        let steps = try await engine.images.history(try textArguments()[0], platform: platform)
        await engine.store.close()
        if isQuiet {
            try await environment.output.write(steps.map { shown($0.id) + "\n" }.joined())
            return .success
        }
        let now = environment.clock()
        let listing = Listing(format, type: "*formatter.historyContext", headers: Self.headers)
        let rows: [(fields: [String: TemplateValue], methods: [String: TemplateRecord.Method])] = steps.map {
            (row($0, now: now), [:])
        }
        try await listing.write(rows, to: environment.output)
        return .success
    }

    private func shown(_ id: String?) -> String {
        guard let id else { return "<missing>" }
        return isWhole ? id : String(id.split(separator: ":").last?.prefix(12) ?? "")
    }

    private func row(_ step: ImageHistoryRow, now: FileTime) -> [String: TemplateValue] {
        let created = step.created.map { FileTime(seconds: $0) }
        let at = created.map { TimeText.local($0) } ?? "N/A"
        let command = step.createdBy.replacing("\t", with: " ")
        let characters = Array(command)
        return [
            "ID": .text(shown(step.id)),
            "CreatedSince": .text(isHuman ? created.map { DurationText.ago($0, now: now) } ?? "N/A" : at),
            "CreatedAt": .text(at),
            "CreatedBy": .text(isWhole || characters.count <= 45 ? command : String(characters.prefix(44)) + "…"),
            "Size": .text(isHuman ? ByteCount.decimal(step.size, digits: 3) : "\(step.size)"),
            "Comment": .text(step.comment),
        ]
    }
}
