internal import DockerObjects
internal import GoTemplate
internal import Images
internal import OCI
internal import Storage
internal import Terminal

/// `slipway image inspect`.
struct InspectImagesCommand: RunnableCommand {
    static let about = CommandSummary(
        usage: "IMAGE [IMAGE...]",
        summary: "Display detailed information on one or more images",
        arguments: .atLeast(1),
        completion: .images
    )
    static let flags: [Flag<InspectImagesCommand>] = [
        .format(short: "f", \.format, listsTables: false),
        .value("platform", \.platform, placeholder: "string", help: "Inspect the image for this platform") {
            bytes throws(FlagValueError) in
            try platformValue(bytes)
        },
    ]

    var arguments: [[UInt8]] = []
    var format: String?
    var platform: Platform?

    func run(_ environment: SlipwayEnvironment) async throws -> CommandStatus {
        let engine = try await environment.engine(freesSpace: true)
        let platform = platform
        let status = try await inspectEach(try textArguments(), format, environment) { name in
            InspectionDocument.image(try await engine.images.inspect(name, platform: platform))
        }
        await engine.store.close()
        return status
    }
}

extension Flag {
    /// A flag that takes platforms: several with commas between them, and several times.
    static func platforms(
        _ name: String,
        _ path: Path<[Platform]>,
        placeholder: String = "strings",
        help: String
    ) -> Flag {
        .values(name, path, placeholder: placeholder, help: help) { bytes throws(FlagValueError) in
            try platformValues(bytes)
        }
    }
}

/// Reads platforms with commas between them.
func platformValues(_ bytes: [UInt8]) throws(FlagValueError) -> [Platform] {
    var platforms: [Platform] = []
    for part in try FlagValues.commaSeparated(bytes) { platforms.append(try platformValue(part)) }
    return platforms
}

/// Reads `os/architecture/variant`; `local` is this machine's.
func platformValue(_ bytes: [UInt8]) throws(FlagValueError) -> Platform {
    let text = try FlagValues.text(bytes)
    if text == "local" { return .current }
    do throws(OCIError) {
        return try Platform(parsing: text)
    } catch {
        throw FlagValueError("\(error)")
    }
}

/// How `inspect` prints its documents: an array over many lines, or a template's text for each.
struct InspectionPrinter {
    private enum Form { case array, lines, template(Template) }
    private let form: Form

    /// - Throws: `CommandFailure` with docker's status for a template that cannot be read.
    init(_ format: String?) throws {
        switch format {
        case nil, ""?: form = .array
        case "json"?: form = .lines
        case let text?:
            do throws(TemplateError) {
                form = .template(try Template(text))
            } catch {
                throw CommandFailure("\(error)", status: CommandStatus(rawValue: 64))
            }
        }
    }

    /// - Throws: `TemplateError` if the template cannot be applied to a document.
    func check(_ document: TemplateValue) throws(TemplateError) {
        if case .template(let template) = form { _ = try template.render(document) }
    }

    func text(_ documents: [TemplateValue]) throws(TemplateError) -> String {
        switch form {
        case .array: return TemplateValue.list(documents).indentedJSON() + "\n"
        case .lines: return TemplateValue.list(documents).json() + "\n"
        case .template(let template):
            var text = ""
            for document in documents { text += try template.render(document) + "\n" }
            return text
        }
    }
}
