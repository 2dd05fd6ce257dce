import BuildCache
import BuildEngine
import Images
internal import Terminal

/// `slipway explain`: why the steps of a build ran, or did not.
struct ExplainCommand: RunnableCommand {
    static let about = CommandSummary(
        usage: "[BUILD|IMAGE]",
        summary: "Say why each step of a build ran again or did not",
        detail: "Without an argument (or with \"last\") the last build is explained.",
        arguments: .atMost(1),
        completion: .images
    )
    static let flags: [Flag<ExplainCommand>] = [
        .value("format", \.format, placeholder: "string", defaultText: "\"text\"", help: "\"text\" or \"json\"") {
            bytes throws(FlagValueError) in
            let text = try FlagValues.text(bytes)
            guard text == "text" || text == "json" else { throw FlagValueError("it is neither text nor json") }
            return text
        },
        .value(
            "profile",
            \.profile,
            placeholder: "string",
            completion: .files,
            help:
                "Write where the build's time went to a file instead (\"FILE.html\": a page, \"FILE.json\": a Chrome trace)"
        ) { bytes throws(FlagValueError) in try ProfileOption(parsing: bytes) },
    ]

    var arguments: [[UInt8]] = []
    var format: String?
    var profile: ProfileOption?

    func run(_ environment: SlipwayEnvironment) async throws -> CommandStatus {
        let engine = try await environment.engine(freesSpace: true)
        let record = try await record(engine)
        if let profile {
            try await writeProfile(of: record, as: profile, environment)
            return .success
        }
        let explanation = BuildExplanation(record.steps)
        if format == "json" {
            try await environment.output.write(explanation.json)
            return .success
        }
        switch record.status {
        case .completed: break
        case .failed:
            try await environment.output.writeLine("The build of \(record.name) failed: \(record.error ?? "")")
            if record.steps.isEmpty { return .success }
        case .canceled:
            try await environment.output.writeLine("The build of \(record.name) was canceled.")
            return .success
        }
        try await environment.output.write(explanation.text())
        return .success
    }

    private func writeProfile(
        of record: BuildRecord,
        as option: ProfileOption,
        _ environment: SlipwayEnvironment
    ) async throws {
        guard let profile = BuildProfile(record) else {
            throw CommandFailure(
                "Error: an older Slipway made the record of the build \(record.id), without times: build it again"
            )
        }
        do {
            let file = try await ProfileFile.open(option, environment)
            try await file.write(profile)
        } catch let error as ProfileFile.Obstacle {
            throw CommandFailure("Error: \(error)")
        }
    }

    private func record(_ engine: Engine) async throws -> BuildRecord {
        let history = BuildHistory(store: engine.store)
        guard let text = try textArguments().first, text != "last" else {
            if let last = try await history.last() { return last }
            throw CommandFailure("Error: nothing has been built yet; run `slipway build` first")
        }
        if let found = try await history.find(text) { return found }
        let image = try await engine.images.image(text)
        if let found = try await history.find(image: image.listedID) { return found }
        throw CommandFailure("Error: the image \(text) was not built here, or its build is no longer remembered")
    }
}
